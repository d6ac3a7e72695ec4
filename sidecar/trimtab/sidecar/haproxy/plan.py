"""What weights come to at one HAProxy: the weight of every server, and what stands in the map; found before any moves.

The order of a change, which is decided here:
  1. Requests are stamped with no revision: while a change goes on they are routed by neither the old nor the new one.
  2. Cookies of servers that are to get nothing hold no more, for HAProxy sends visitors with a cookie also to a server
     of weight 0. Claims change.
  3. Weights are raised, and only then lowered: there is no instant at which all of them are 0.
  4. Requests are stamped with the new revision; or go on without one, where all goes to the baseline because weights
     are past their age. The map then says of which revision that is the fallback.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.schemas.nearest import near
from trimtab.sidecar.haproxy.names import (
    NO_FALLBACK,
    claim_backend,
    fallback_key,
    kept_key,
    outside_backend,
    place_of,
    ranges_key,
    revision_text,
    segment_backend,
    sticky_backend,
    target_of,
)
from trimtab.sidecar.haproxy.servers import Server, Servers, by_target
from trimtab.sidecar.haproxy.shares import server_weights, shares_bp
from trimtab.sidecar.haproxy.sticky_script import NO_RANGES, ranges_text


class MissingAtProxy(TrimtabError):
    """HAProxy has not what a release names; the message says what is missing, and what there is."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The state in which one HAProxy routes by the weights of a release."""

    release: str
    stamp: Revision
    """what requests are stamped with"""
    weights: Mapping[str, Mapping[str, int]]
    """backend -> server -> 0 to 256"""
    entries: Mapping[str, str]
    """of the map, without the stamp"""

    def commands(self, servers: Servers, entries: Mapping[str, str], path: Path) -> list[str]:
        """Gives the commands that lead there from what is, in order; none where it is so already."""
        stamped = entries.get(self.release) == revision_text(self.stamp)
        changed = [*self._entry_commands(entries, path), *self._weight_commands(servers)]
        if stamped and not changed:
            return []
        unstamped = [_entry(path, entries, self.release, revision_text(NO_REVISION))] if changed else []
        known = {*entries, self.release} if changed else {*entries}
        return [*unstamped, *changed, _entry(path, known, self.release, revision_text(self.stamp))]

    def probes(self, servers: Servers) -> list[str]:
        """Gives commands that change nothing, which HAProxy refuses where it would refuse the others."""
        first = {backend: next(iter(weights)) for backend, weights in self.weights.items()}
        return [_weight(backend, name, servers[backend][name].weight) for backend, name in first.items()]

    def _entry_commands(self, entries: Mapping[str, str], path: Path) -> list[str]:
        present = {fallback_key(self.release): NO_FALLBACK, **entries}
        return [_entry(path, entries, key, value) for key, value in self.entries.items() if present.get(key) != value]

    def _weight_commands(self, servers: Servers) -> list[str]:
        return list(_moves(self.weights, servers))


def plan(record: WeightsRecord, servers: Servers) -> Plan:
    """Gives the plan for `record`. Raises `MissingAtProxy` for the first backend or server that is not there."""
    weights = {
        backend: _server_weights(record, backend, shares, servers[backend])
        for backend, shares in _shares(record, servers).items()
    }
    kept = {
        kept_key(backend, name): str(int(weight > 0))
        for backend, each in weights.items()
        for name, weight in each.items()
    }
    fallback = {fallback_key(record.release): revision_text(record.id) if record.fallback else NO_FALLBACK}
    entries = {**kept, **_claims(record, servers), **_ranges(record, servers, weights), **fallback}
    return Plan(record.release, record.routed_by, weights, entries)


def shares_at(record: WeightsRecord, servers: Mapping[str, Server], segment: str) -> dict[str, float]:
    """Gives the share of each variant at the backend of a segment (or of the whole), in basis points.

    As the weights of servers that are up have it; of a release that keeps its visitors, as their buckets have it.
    """
    if record.sticky is not None:
        return {name: float(weight) for name, weight in record.segments.get(segment, record.weights).items()}
    totals = dict.fromkeys(record.targets, 0)
    variants = {target: variant for variant, target in record.targets.items()}
    for name, server in servers.items():
        if server.is_up and (variant := variants.get(target_of(name))) is not None:
            totals[variant] += server.weight
    return shares_bp(totals)


def _shares(record: WeightsRecord, servers: Servers) -> dict[str, Mapping[str, int]]:
    """Gives the weights that each backend of the release goes by."""
    release, told = record.release, record.segment_conditions
    _require(servers, release, f"release {release}")
    for segment, condition in told.items():
        backend = segment_backend(release, segment, record.condition, condition)
        _require(servers, backend, f"segment {segment}: condition {condition!r}")
    if record.condition:
        _require(servers, outside_backend(release, record.condition), f"route.condition {record.condition!r}")
    places = {backend: place_of(backend) for backend in servers}
    found: dict[str, Mapping[str, int]] = {release: record.weights}
    return found | {
        backend: record.segments.get(place.name, record.weights)
        for backend, place in places.items()
        if place.release == release and place.kind == "segment"
    }


def _claims(record: WeightsRecord, servers: Servers) -> dict[str, str]:
    """Gives the strength of every claim that HAProxy knows; 0 for those that are none at present."""
    strengths = {
        backend: "0"
        for backend in servers
        if (place := place_of(backend)).release == record.release and place.kind == "claim"
    }
    for claim in record.claims:
        backend = claim_backend(record.release, claim.variant, record.condition, claim.condition)
        _require(servers, backend, f"variant {claim.variant}: condition {claim.condition!r}")
        strengths[backend] = str(claim.strength)
    return strengths


def _ranges(record: WeightsRecord, servers: Servers, backends: Iterable[str]) -> dict[str, str]:
    """Gives the buckets of visitors that the servers of each backend have, where HAProxy or the release keeps any."""
    places = [place_of(backend) for backend in servers]
    if record.sticky is None:
        is_told = any(place.release == record.release and place.kind == "sticky" for place in places)
        return {ranges_key(backend): NO_RANGES for backend in backends} if is_told else {}
    _require(servers, sticky_backend(record.release, record.sticky), f"release {record.release}: stickiness")
    found = {}
    for backend in backends:
        names = by_target(servers[backend])
        of_variant = {variant: names[target] for variant, target in record.targets.items()}
        ranges = record.ranges.get(place_of(backend).name) or record.ranges.get("", [])
        found[ranges_key(backend)] = ranges_text(revision_text(record.routed_by), ranges, of_variant)
    return found


def _server_weights(
    record: WeightsRecord, backend: str, shares: Mapping[str, int], servers: Mapping[str, Server]
) -> dict[str, int]:
    """Gives the weight of each server; 0 for one that belongs to no variant."""
    names = by_target(servers)
    for variant, target in record.targets.items():
        if target not in names:
            there = ", ".join(servers)
            hint = near(target, list(names))
            raise MissingAtProxy(
                f"release {record.release}, variant {variant}: haproxy has no server {target!r} in backend {backend!r},"
                f" it has {there}{hint}"
            )
    counts = {variant: len(names[target]) for variant, target in record.targets.items()}
    each = server_weights(shares, counts)
    weights = dict.fromkeys(servers, 0)
    for variant, target in record.targets.items():
        weights.update(dict.fromkeys(names[target], each[variant]))
    return weights


def _require(servers: Servers, backend: str, why: str) -> None:
    if backend not in servers:
        release = place_of(backend).release
        there = ", ".join(name for name in servers if place_of(name).release == release) or "none of this release"
        raise MissingAtProxy(
            f"{why}: haproxy has no backend {backend!r}, it has {there};"
            " is its configuration that of the present release file?"
        )


def _weight(backend: str, server: str, weight: int) -> str:
    return f"set server {backend}/{server} weight {weight}"


def _entry(path: Path, known: Mapping[str, str] | set[str], key: str, value: str) -> str:
    return f"{'set' if key in known else 'add'} map {path} {key} {value}"


def way_back(before: Servers, after: Servers) -> list[str]:
    """Gives the commands that lead from the weights of `after` back to those of `before`."""
    weights = {
        backend: {name: server.weight for name, server in servers.items() if name in after.get(backend, {})}
        for backend, servers in before.items()
    }
    return list(_moves(weights, after))


def _moves(weights: Mapping[str, Mapping[str, int]], servers: Servers) -> Iterator[str]:
    """Gives the commands that lead from `servers` to `weights`: those that raise first."""
    changes = [
        (backend, name, weight, weight - servers[backend][name].weight)
        for backend, each in weights.items()
        for name, weight in each.items()
    ]
    yield from (_weight(backend, name, weight) for backend, name, weight, by in changes if by > 0)
    yield from (_weight(backend, name, weight) for backend, name, weight, by in changes if by < 0)
