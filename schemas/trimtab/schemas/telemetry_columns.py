"""Packs many events into the columns of one batch: column by column, in a quarter of the time that rows take."""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar, cast

from trimtab.schemas.telemetry import (
    MAX_DURATION_MS,
    ColumnBatch,
    Event,
    Kind,
    Outcome,
    Packer,
    Request,
    Response,
    RoutingKey,
    fitting_start,
)

K = TypeVar("K")
E = TypeVar("E", Request, Response, Outcome)


class _Numbers(dict[K, int]):
    """Numbers of what occurs, in order of occurrence."""

    def __missing__(self, key: K) -> int:
        number = self[key] = len(self)
        return number


_KIND_OF: Final[dict[type[Event], int]] = {
    Request: int(Kind.REQUEST), Response: int(Kind.RESPONSE), Outcome: int(Kind.OUTCOME)
}  # fmt: skip
_WHOLE: Final = float(1 << 52)
"""A float of that size has no fraction: adding it rounds, half to even as `round` does, and leaves the number in the
lowest bits."""
_UPPER_HALF: Final = struct.pack("<d", _WHOLE)[4:]


class _Said(NamedTuple):
    """What a publisher says of a batch."""

    publisher: str
    seq: int
    sent_ms: int


def pack(events: Sequence[Event], *, publisher: str, seq: int, sent_ms: int) -> ColumnBatch:
    """Packs events into columns, in their order; none of them makes a heartbeat.

    Raises `InvalidEvent` for a number that its column cannot hold.
    """
    said = _Said(publisher, seq, sent_ms)
    try:
        return _pack_columns(events, said)
    except (struct.error, TypeError, ValueError, OverflowError):
        return _pack_rows(events, said)  # some duration has to be cut, or some event does not fit: which, this tells


def _pack_columns(events: Sequence[Event], said: _Said) -> ColumnBatch:
    """Packs column by column: the same as row by row, in a quarter of the time."""
    base_ms = events[0].time_ms if events else said.sent_ms
    metrics: _Numbers[str] = _Numbers()
    kind, (key, keys) = _kinds(events), _keys(events)
    responses, outcomes = _all_of(Response, events, kind), _all_of(Outcome, events, kind)
    return ColumnBatch(
        publisher=said.publisher, seq=said.seq, sent_ms=said.sent_ms, base_ms=base_ms, count=len(kind), kind=kind,
        key=_column("H", key),
        time=_column("i", [event.time_ms - base_ms for event in events]),
        duration_us=_column_us([one.duration_ms for one in responses], kind),
        status=_column("H", [one.status for one in responses], kind, Kind.RESPONSE),
        size=_column("I", [one.bytes for one in responses], kind, Kind.RESPONSE),
        failure=_column("B", [one.failure for one in responses], kind, Kind.RESPONSE),
        metric=_column("B", [metrics[one.metric] for one in outcomes], kind, Kind.OUTCOME),
        value=_column("d", [one.value for one in outcomes], kind, Kind.OUTCOME),
        started=_column("i", _starts(outcomes), kind, Kind.OUTCOME),
        request=_column("Q", _unless_zeros([one.request for one in outcomes]), kind, Kind.OUTCOME),
        keys=keys, metrics=list(metrics),
    )  # fmt: skip


def _kinds(events: Sequence[Event]) -> bytes:
    kinds = set(map(type, events))
    if len(kinds) == 1:
        return bytes([_KIND_OF[kinds.pop()]]) * len(events)
    return bytes(map(_KIND_OF.__getitem__, map(type, events)))


def _keys(events: Sequence[Event]) -> tuple[list[int], list[RoutingKey]]:
    """Gives the number of each event's key, and the keys. Most batches differ in nothing but the variant."""
    if not events:
        return [], []
    first = events[0]
    release, segment, revision, era = first.release, first.segment, first.revision, first.era
    variants: _Numbers[str] = _Numbers()
    numbers = [
        variants[one.variant]
        if one.revision == revision and one.segment == segment and one.release == release and one.era == era
        else -1
        for one in events
    ]
    if -1 not in numbers:
        return numbers, [RoutingKey(release, variant, segment, era, revision) for variant in variants]
    keys: _Numbers[tuple[str, str, str, int, int]] = _Numbers()
    numbers = [keys[one.release, one.variant, one.segment, one.era, one.revision] for one in events]
    return numbers, [RoutingKey(*key) for key in keys]


def _all_of(which: type[E], events: Sequence[Event], kinds: bytes) -> Sequence[E]:
    count = kinds.count(_KIND_OF[which])
    if count == len(events):
        return cast("Sequence[E]", events)
    return [event for event in events if type(event) is which] if count else ()


def _column_us(durations_ms: list[float], kinds: bytes) -> bytes:
    """Packs durations of responses in whole microseconds: they lie in the lower halves of floats of one exponent."""
    if not durations_ms:
        return b""
    if not (min(durations_ms) >= 0 and max(durations_ms) <= MAX_DURATION_MS):
        raise ValueError("expected durations from 0 to 71 minutes")
    cells = [duration_ms * 1000 + _WHOLE for duration_ms in durations_ms]
    column = struct.pack(f"<{len(cells)}d", *cells)
    halves = memoryview(column).cast("I")
    if halves[1::2].tobytes() != _UPPER_HALF * len(cells):
        raise ValueError("expected numbers for durations")
    lower = halves[::2]
    return lower.tobytes() if len(cells) == len(kinds) else _column("I", lower.tolist(), kinds, Kind.RESPONSE)


def _starts(outcomes: Sequence[Outcome]) -> list[int]:
    """Gives how long before its outcome each request was routed, in ms; nothing where nobody says so."""
    if not any(one.started_ms for one in outcomes):
        return []
    return [fitting_start(one.time_ms - one.started_ms) if one.started_ms else 0 for one in outcomes]


def _unless_zeros(cells: list[int]) -> list[int]:
    return cells if any(cells) else []


def _column(code: str, cells: list[int] | list[float], kinds: bytes = b"", kind: int = 0) -> bytes:
    """Packs cells, of the events of one kind where `kinds` is given: zeros stand for the others."""
    if len(cells) < len(kinds):
        if not cells:
            return b""
        rest = iter(cells)
        cells = [next(rest) if one == kind else 0 for one in kinds]
    return struct.pack(f"<{len(cells)}{code}", *cells)


def _pack_rows(events: Sequence[Event], said: _Said) -> ColumnBatch:
    packer = Packer()
    for event in events:
        key = RoutingKey(event.release, event.variant, event.segment, event.era, event.revision)
        match event:
            case Request():
                packer.request(key, event.time_ms)
            case Response():
                packer.response(
                    key, event.time_ms, event.duration_ms, event.status, size=event.bytes, failure=event.failure
                )
            case Outcome():
                packer.outcome(
                    key, event.time_ms, event.metric, event.value, started_ms=event.started_ms, request=event.request
                )
    return packer.finish(publisher=said.publisher, seq=said.seq, sent_ms=said.sent_ms)
