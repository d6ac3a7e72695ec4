"""Routes of one release, in the order in which Envoy is to try them.

1. What a variant claims goes to it. Envoy draws one number for a request, for claims and for weights. So a request that
   one claim leaves out is left out by the next one too, if that is no stronger. And strengths are whole hundredths: the
   number, modulo 10,000, is then as even among those that are left out, which go by weight.
2. What is of a segment with a condition goes by the segment's weights.
3. All else that takes part goes by the weights of the whole. Of 2 and 3 variants of a shadow release get copies.
4. What takes no part goes to the baseline (`outside`), and neither log nor answer tells of the release.

Weights route 2 and 3 alone. So what is claimed carries no revision: it is evidence on its variant, but no sample of
what weights do. Nor does what goes to the baseline because weights are past their age; and nothing but the baseline's
cluster has to be there for that.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from envoy.config.core.v3.base_pb2 import HeaderValueOption
from envoy.config.route.v3.route_components_pb2 import Route, RouteAction, RouteMatch, WeightedCluster
from envoy.type.v3.percent_pb2 import FractionalPercent

from trimtab.schemas.condition_text import all_of
from trimtab.schemas.decision import Claim, WeightsRecord
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION, Revision
from trimtab.schemas.stamp import (
    HEADER_SHADOW_CLUSTER,
    HEADER_SHADOW_STAMP,
    METADATA,
    METADATA_KEY,
    OUTSIDE,
    stamp,
)
from trimtab.schemas.stickiness import Range
from trimtab.sidecar.envoy.bootstrap import SHADOW
from trimtab.sidecar.envoy.condition import header_matchers
from trimtab.sidecar.envoy.sticky_filter import FILTER, HEADER_BUCKET, recognise

HEADER_RELEASE: Final = "x-trimtab-release"
HEADER_VARIANT: Final = "x-trimtab-variant"
HEADER_REVISION: Final = "x-trimtab-revision"
HEADER_SEGMENT: Final = "x-trimtab-segment"
"""Of every response, so that whoever learns its outcome can say which variant and which weights it belongs to. The
segment is there where the sidecar tells segments."""

_MARKS: Final = (HEADER_RELEASE, HEADER_VARIANT, HEADER_REVISION, HEADER_SEGMENT)
_UNAVAILABLE: Final = 503
_MILLIONTHS_PER_BASIS_POINT: Final = 100
_OF_COPIES: Final = (HEADER_SHADOW_CLUSTER, HEADER_SHADOW_STAMP)
"""Taken from requests of visitors, so that none can pass for a copy."""


def revision_text(revision: Revision) -> str:
    """Gives `ERA.REVISION`."""
    return f"{revision[0]}.{revision[1]}"


def participating(record: WeightsRecord) -> Iterator[Route]:
    """Gives the routes of requests that take part in a release."""
    for claim in record.claims:
        yield from _claimed(record, claim)
    for segment, condition in record.segment_conditions.items():
        yield from _by_weight(record, segment, condition)
    yield from _by_weight(record, "", "")


def outside(record: WeightsRecord) -> Iterator[Route]:
    """Gives the route of requests with the release's prefix that take no part, where there may be some."""
    if record.condition:
        route = Route(name=f"{record.release}/outside")
        route.match.prefix = record.prefix
        route.metadata.filter_metadata[METADATA][METADATA_KEY] = OUTSIDE
        route.request_headers_to_remove.extend(_OF_COPIES)
        route.response_headers_to_remove.extend(_MARKS)
        route.route.cluster = record.targets[record.baseline]
        yield route


def unmarked(routes: Iterable[Route]) -> Iterator[Route]:
    """Gives routes whose answers say nothing of their release, nor let a service say it."""
    for route in routes:
        if route.HasField("route"):
            del route.response_headers_to_add[:], route.response_headers_to_remove[:]
            route.response_headers_to_remove.extend(_MARKS)
            for share in route.route.weighted_clusters.clusters:
                del share.response_headers_to_add[:]
        yield route


def closed_participating(record: WeightsRecord) -> Iterator[Route]:
    """Gives routes that answer 503 to requests that take part in a release of which Envoy takes no weights."""
    for match in _matches(record, ""):
        yield _unavailable(record, match)


def closed_outside(record: WeightsRecord) -> Iterator[Route]:
    """Gives the route that answers the same to those that take no part: its clusters may not be there."""
    if record.condition:
        yield _unavailable(record, RouteMatch(prefix=record.prefix))


def _unavailable(record: WeightsRecord, match: RouteMatch) -> Route:
    route = Route(name=record.release, match=match)
    route.direct_response.status = _UNAVAILABLE
    return route


def _claimed(record: WeightsRecord, claim: Claim) -> Iterator[Route]:
    for match in _matches(record, claim.condition):
        if claim.strength < BASIS_POINTS:
            drawn = match.runtime_fraction.default_value
            drawn.numerator = claim.strength * _MILLIONTHS_PER_BASIS_POINT
            drawn.denominator = FractionalPercent.MILLION
        target = {claim.variant: record.targets[claim.variant]}
        route = _route(record.release, match, NO_REVISION, stamp(record.release, NO_REVISION, target))
        route.name = f"{record.release}/{claim.variant}"
        route.route.weighted_clusters.clusters.add().CopyFrom(
            _share(claim.variant, target[claim.variant], BASIS_POINTS)
        )
        yield route


def _by_weight(record: WeightsRecord, segment: str, condition: str) -> Iterator[Route]:
    is_sticky = record.sticky is not None and bool(record.ranges)
    stamped = stamp(record.release, record.routed_by, record.targets, segment, is_sticky=is_sticky)
    shares = [_share(variant, record.targets[variant], weight) for variant, weight in _widths(record, segment)]
    for match in _matches(record, condition):
        route = _route(record.release, match, record.routed_by, stamped)
        if segment:
            route.name = f"{record.release}/{segment}"
            route.response_headers_to_add.append(_header(HEADER_SEGMENT, segment))
        if record.sticky is not None and is_sticky:
            recognise(route.metadata.filter_metadata[FILTER], record.sticky)
            route.route.weighted_clusters.header_name = HEADER_BUCKET
            route.request_headers_to_remove.append(HEADER_BUCKET)
        route.route.weighted_clusters.clusters.extend(shares)
        route.route.request_mirror_policies.extend(_copies(record, segment))
        yield route


def _widths(record: WeightsRecord, segment: str) -> list[Range]:
    """Gives variants and their weights, or, where there are ranges of buckets, those, and who has none of them."""
    weights = record.segments.get(segment, record.weights)
    if record.fallback:
        return [(record.baseline, BASIS_POINTS)]
    if not record.ranges:
        return [*weights.items()]
    ranges = record.ranges.get(segment if segment in record.segments else "", record.ranges[""])
    return [*ranges, *((variant, 0) for variant, weight in weights.items() if not weight)]


def _copies(record: WeightsRecord, segment: str) -> Iterator[RouteAction.RequestMirrorPolicy]:
    """Gives what is copied to each variant that answers copies."""
    stamped = stamp(record.release, record.id, record.targets, segment)
    for variant, share in record.mirror.items():
        copies = RouteAction.RequestMirrorPolicy(cluster=SHADOW, disable_shadow_host_suffix_append=True)
        copies.runtime_fraction.default_value.numerator = share * _MILLIONTHS_PER_BASIS_POINT
        copies.runtime_fraction.default_value.denominator = FractionalPercent.MILLION
        for key, value in (HEADER_SHADOW_CLUSTER, record.targets[variant]), (HEADER_SHADOW_STAMP, stamped):
            copies.request_headers_mutations.add().append.CopyFrom(_header(key, value.replace("%", "%%")))
        yield copies


def _matches(record: WeightsRecord, condition: str) -> Iterator[RouteMatch]:
    """Gives a match for each way in which a request takes part and meets `condition`."""
    whole = all_of((record.condition, condition))
    for headers in [[]] if whole is None else header_matchers(whole):
        yield RouteMatch(prefix=record.prefix, headers=headers)


def _route(release: str, match: RouteMatch, revision: Revision, stamped: str) -> Route:
    route = Route(name=release, match=match)
    route.request_headers_to_remove.extend(_OF_COPIES)
    metadata = route.metadata.filter_metadata[METADATA]
    metadata["release"] = release
    metadata["era"], metadata["revision"] = map(str, revision)
    metadata[METADATA_KEY] = stamped
    route.response_headers_to_add.extend(
        [_header(HEADER_RELEASE, release), _header(HEADER_REVISION, revision_text(revision))]
    )
    return route


def _share(variant: str, cluster: str, weight: int) -> WeightedCluster.ClusterWeight:
    share = WeightedCluster.ClusterWeight(name=cluster, response_headers_to_add=[_header(HEADER_VARIANT, variant)])
    share.weight.value = weight
    return share


def _header(key: str, value: str) -> HeaderValueOption:
    """A header that replaces one of the same name: a service cannot claim to be another variant."""
    return HeaderValueOption(
        header={"key": key, "value": value}, append_action=HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
    )
