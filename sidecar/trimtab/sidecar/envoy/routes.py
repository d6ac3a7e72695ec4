"""Routes: what Envoy is told, as a function of the weights alone.

The longest path prefix comes first, so that `/shop/cart` is not taken by `/shop`. Of releases of one service with the
same prefix the one that began last is before the others, and one that is queued has no route until it begins. Releases
of several services may share a prefix if they have conditions: those with one come first, one without takes what is
left, and where there is none, what takes part in none goes to the baseline of the first.

A variant of weight 0 stays in: it takes no traffic, but Envoy checks that its cluster exists before any traffic depends
on it. Envoy refuses the whole table where one cluster is unknown (`validate_clusters`), rather than answer 503 for it.
"""

from collections.abc import Iterable, Iterator, Sequence

from envoy.config.route.v3.route_components_pb2 import Route
from envoy.config.route.v3.route_pb2 import RouteConfiguration

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.ids import service_of
from trimtab.sidecar.edition import Edition
from trimtab.sidecar.envoy.bootstrap import ROUTE_CONFIG
from trimtab.sidecar.envoy.release_routes import (
    closed_outside,
    closed_participating,
    outside,
    participating,
    revision_text,
    unmarked,
)


def route_configuration(
    records: Iterable[WeightsRecord], *, closed: Iterable[WeightsRecord] = (), headers: bool = True
) -> RouteConfiguration:
    """Gives the route table for `records`; with `headers`, answers say by which release, variant and revision.

    The prefixes of `closed` answer 503: releases whose weights Envoy refused and of which it has no older ones. Left
    out, their requests would fall to the release with the next shorter prefix.
    """
    closed = list(closed)
    shut = {record.release for record in closed}
    routed = [record for record in (*records, *closed) if not record.is_queued]
    table = RouteConfiguration(name=ROUTE_CONFIG)
    table.validate_clusters.value = True
    virtual_host = table.virtual_hosts.add(name=ROUTE_CONFIG, domains=["*"])
    for prefix in sorted({record.prefix for record in routed}, key=lambda prefix: (-len(prefix), prefix)):
        routes = _routes([record for record in routed if record.prefix == prefix], shut)
        virtual_host.routes.extend(routes if headers else unmarked(routes))
    return table


def _routes(records: Sequence[WeightsRecord], shut: set[str]) -> Iterator[Route]:
    """Gives the routes of releases that share a prefix."""
    first, older = _by_precedence(records)
    for record in first:
        yield from closed_participating(record) if record.release in shut else participating(record)
    for record in first:
        yield from closed_outside(record) if record.release in shut else outside(record)
    for record in older:
        yield from closed_participating(record) if record.release in shut else participating(record)


def _by_precedence(records: Sequence[WeightsRecord]) -> tuple[list[WeightsRecord], list[WeightsRecord]]:
    """Gives the release of each service that routes, those with a condition first, and the releases before it.

    What those route is all taken before. They stay in, so that their clusters are checked.
    """
    ordered = sorted(records, key=lambda record: record.release)
    ordered.sort(key=lambda record: record.began, reverse=True)
    newest = {service_of(record.release): record.release for record in reversed(ordered)}
    ordered.sort(key=lambda record: (not record.condition, service_of(record.release)))
    first = [record for record in ordered if newest[service_of(record.release)] == record.release]
    return first, [record for record in ordered if record not in first]


def version(records: Iterable[WeightsRecord]) -> str:
    """Gives the version of the table for `records`: `checkout@1767225600.57,search@1767225600.60+baseline`."""
    return ",".join(sorted(f"{record.release}@{_edition_text(record)}" for record in records))


def _edition_text(record: WeightsRecord) -> str:
    return revision_text(record.id) + (f"+{record.fallback}" if record.fallback else "")


def editions(version_info: str) -> dict[str, Edition]:
    """Gives revision and fallback of each release in a text of `version`; what is not one is left out."""
    found = {}
    for part in version_info.split(","):
        release, _, text = part.rpartition("@")
        numbers, _, fallback = text.partition("+")
        era, _, revision = numbers.partition(".")
        if release and era.isdecimal() and revision.isdecimal():
            found[release] = Edition((int(era), int(revision)), fallback)
    return found
