"""Routes: what Envoy is told, as a function of the weights alone.

One route per release, the longest path prefix first, so that `/shop/cart` is not taken by `/shop`. Of releases of one
service with the same prefix the one that began last is before the others, and one that is queued has no route until it
begins. A variant of weight 0 stays in: it takes no traffic, but Envoy checks that its cluster exists before any traffic
depends on it. Envoy refuses the whole table where one cluster is unknown (`validate_clusters`), instead of answering
503 for it.
"""

from collections.abc import Iterable
from typing import Final

from envoy.config.core.v3.base_pb2 import HeaderValueOption
from envoy.config.route.v3.route_components_pb2 import Route, WeightedCluster
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.ids import Revision, service_of
from trimtab.sidecar.envoy.bootstrap import ROUTE_CONFIG
from trimtab.sidecar.envoy.stamp import METADATA, METADATA_KEY, stamp

HEADER_RELEASE: Final = "x-trimtab-release"
HEADER_VARIANT: Final = "x-trimtab-variant"
HEADER_REVISION: Final = "x-trimtab-revision"
"""Of every response, so that whoever learns its outcome can say which variant and which weights it belongs to."""

_UNAVAILABLE: Final = 503


def route_configuration(
    records: Iterable[WeightsRecord], *, closed: Iterable[WeightsRecord] = ()
) -> RouteConfiguration:
    """Gives the route table for `records`.

    The prefixes of `closed` answer 503: releases whose weights Envoy refused and of which it has no older ones. Left
    out, their requests would fall to the release with the next shorter prefix.
    """
    records, closed = [one for one in records if not one.is_queued], [one for one in closed if not one.is_queued]
    newest = {record.release: record.began for record in (*records, *closed)}
    routes = [*map(_route, records), *map(_closed_route, closed)]
    routes.sort(key=lambda route: route.name)
    routes.sort(key=lambda route: newest[route.name], reverse=True)
    routes.sort(key=lambda route: (-len(route.match.prefix), service_of(route.name)))
    table = RouteConfiguration(name=ROUTE_CONFIG)
    table.validate_clusters.value = True
    table.virtual_hosts.add(name=ROUTE_CONFIG, domains=["*"], routes=routes)
    return table


def version(records: Iterable[WeightsRecord]) -> str:
    """Gives the version of the table for `records`: `checkout@1767225600.57,search@1767225600.60`."""
    return ",".join(sorted(f"{record.release}@{revision_text(record)}" for record in records))


def revisions(version_info: str) -> dict[str, Revision]:
    """Gives the revision of each release in a text of `version`; what is not one is left out."""
    found = {}
    for part in version_info.split(","):
        release, _, numbers = part.rpartition("@")
        era, _, revision = numbers.partition(".")
        if release and era.isdecimal() and revision.isdecimal():
            found[release] = (int(era), int(revision))
    return found


def revision_text(record: WeightsRecord) -> str:
    """Gives `ERA.REVISION`."""
    return f"{record.era}.{record.revision}"


def _route(record: WeightsRecord) -> Route:
    route = Route(name=record.release)
    route.match.prefix = record.prefix
    metadata = route.metadata.filter_metadata[METADATA]
    metadata["release"] = record.release
    metadata["era"] = str(record.era)
    metadata["revision"] = str(record.revision)
    metadata[METADATA_KEY] = stamp(record)
    route.response_headers_to_add.extend(
        [_header(HEADER_RELEASE, record.release), _header(HEADER_REVISION, revision_text(record))]
    )
    route.route.weighted_clusters.clusters.extend(
        _share(variant, record.targets[variant], weight) for variant, weight in record.weights.items()
    )
    return route


def _closed_route(record: WeightsRecord) -> Route:
    route = Route(name=record.release)
    route.match.prefix = record.prefix
    route.direct_response.status = _UNAVAILABLE
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
