"""Telemetry: what a publisher saw, as rows that a person can read and as columns that a machine folds fast.

A message on the telemetry topic is one of
  * MessagePack columns (`ColumnBatch`): what our own publishers send;
  * MessagePack or JSON rows: `{"publisher": …, "sent_ms": …, "events": [EVENT, …]}` or a bare array `[EVENT, …]`;
  * one EVENT as a JSON object.
Columns, batches of rows and events may name their version in `v`; without it they are of the first.

Instants are integer milliseconds since the epoch. The instant of a request is when it was routed, of a response when
it ended, of an outcome when it became known. An event names the revision of the weights that routed it.
"""

import contextlib
import struct
import sys
from array import array
from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated, Final, NamedTuple, TypeVar, cast

import msgspec

from trimtab.schemas.errors import InvalidEvent, NewerVersion
from trimtab.schemas.version import REFUSALS, Version, Versioned, peek_json, peek_message_pack

K = TypeVar("K")
E = TypeVar("E", "Request", "Response", "Outcome")

VERSION: Final = 1
MAX_EVENTS: Final = 500
"""Events that a publisher packs into one message at most."""

MAX_AGE_MS: Final = 7 * 24 * 3_600_000
"""How long after its request an outcome may become known, at most."""

MAX_AHEAD_MS: Final = 1_000
"""How far before its request an outcome may lie: two clocks are never quite the same. It then counts as of the same
instant."""

_FARTHEST_START_MS: Final = (1 << 31) - 1
MAX_DURATION_MS: Final = 4_294_967.0
"""Durations are carried as unsigned 32-bit microseconds: 71 minutes."""

Whole = Annotated[int, msgspec.Meta(ge=0, le=(1 << 53) - 1)]
"""Instants, eras, revisions, counts: what every language's JSON reads exactly, and what stays far from overflows."""


class Kind(IntEnum):
    """What an event tells; the code of the `kind` column."""

    REQUEST = 0
    RESPONSE = 1
    OUTCOME = 2


class Failure(IntEnum):
    """Why a response did not come from the service; the code of the `failure` column."""

    NONE = 0
    TIMEOUT = 1
    CONNECT = 2
    RESET = 3
    OVERLOAD = 4
    CLIENT = 5
    """The client went away first: not the variant's fault, so not an error."""


class _Event(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True, gc=False):
    """What every event names: where it was routed, by which revision of the weights, and when."""

    release: str
    variant: str
    time_ms: Whole
    segment: str = ""
    era: Whole = 0
    revision: Whole = 0
    v: Version = VERSION


class Request(_Event, frozen=True, tag="request", gc=False):
    """A request was routed to a variant."""


class Response(_Event, frozen=True, tag="response", kw_only=True, gc=False):
    """A request ended. An error is a status of 500 or more, or a failure other than the client's own."""

    duration_ms: float
    status: int
    bytes: int = 0
    failure: int = Failure.NONE


class Outcome(_Event, frozen=True, tag="outcome", kw_only=True, gc=False):
    """Something came of a request: a conversion (0 or 1), a rating, revenue. `value` must be finite."""

    metric: str
    value: float
    started_ms: Whole = 0
    """when the request that it belongs to was routed; 0 where nobody says, which is taken for `time_ms`"""
    request: Whole = 0
    """number of that request (`request_number`), by which repeated outcomes are known; 0 where nobody says"""


Event = Request | Response | Outcome


class RoutingKey(msgspec.Struct, frozen=True, array_like=True):
    """Where events were routed, once per batch: the columns refer to it by its index."""

    release: str
    variant: str
    segment: str
    era: Whole
    revision: Whole


class ColumnBatch(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag="columns"):
    """Events as packed little-endian columns, one cell per event in each.

    An empty column stands for zeros. `time` is relative to `base_ms`. The columns `metric` (index into `metrics`),
    `value`, `started` and `request` matter for outcomes only, `duration_us`, `status`, `size` and `failure` for
    responses only.
    """

    publisher: str
    seq: Whole
    sent_ms: Whole
    base_ms: Whole
    count: Whole
    keys: list[RoutingKey]
    metrics: list[str]
    kind: bytes
    """unsigned 8 bit, a `Kind`"""
    key: bytes
    """unsigned 16 bit, index into `keys`"""
    time: bytes
    """signed 32 bit, ms after `base_ms`"""
    duration_us: bytes = b""
    """unsigned 32 bit"""
    status: bytes = b""
    """unsigned 16 bit"""
    size: bytes = b""
    """unsigned 32 bit, bytes sent"""
    failure: bytes = b""
    """unsigned 8 bit, a `Failure`"""
    metric: bytes = b""
    """unsigned 8 bit, index into `metrics`"""
    value: bytes = b""
    """64-bit float"""
    v: Version = VERSION
    started: bytes = b""
    """signed 32 bit, of an outcome: ms before `time` at which its request was routed"""
    request: bytes = b""
    """unsigned 64 bit, of an outcome: number of its request, 0 where it is not known"""


class RowBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Events as rows, with what a publisher may say of itself."""

    events: list[Event]
    publisher: str = ""
    seq: Whole = 0
    sent_ms: Whole = 0
    """The publisher's clock when it sent; 0 where it does not say, and its skew is then taken as none."""
    v: Version = VERSION


_COLUMNS: Final = (
    ("kind", "B"), ("key", "H"), ("time", "i"), ("duration_us", "I"), ("status", "H"),
    ("size", "I"), ("failure", "B"), ("metric", "B"), ("value", "d"),
)  # fmt: skip
_ADDED: Final = (("started", "i"), ("request", "Q"))
"""Columns that came later: whoever does not know them passes them over."""
_ALL_COLUMNS: Final = _COLUMNS + _ADDED
_REQUIRED: Final = ("kind", "key", "time")
_WHITE_SPACE: Final = b" \t\r\n"
"""What JSON may start with, as MessagePack does not."""

_encode = msgspec.msgpack.Encoder().encode
_decode_columns = msgspec.msgpack.Decoder(ColumnBatch).decode
_decode_rows = msgspec.msgpack.Decoder(RowBatch | list[Event]).decode
_decode_json_event = msgspec.json.Decoder(Event).decode
_decode_json_rows = msgspec.json.Decoder(RowBatch).decode
_decode_json_events = msgspec.json.Decoder(list[Event]).decode


class _Shape(msgspec.Struct):
    """Just enough of a JSON object to tell a batch from a single event."""

    events: msgspec.Raw = msgspec.Raw()


_decode_shape = msgspec.json.Decoder(_Shape).decode


class _VersionedRows(Versioned):
    """As much of a batch of rows as tells its version, and its events' versions."""

    events: Sequence[Versioned] = ()


_peek_json_rows = msgspec.json.Decoder(_VersionedRows | list[Versioned]).decode
_peek_rows = msgspec.msgpack.Decoder(_VersionedRows | list[Versioned]).decode


class Packer:
    """Columns that grow event by event, and become a `ColumnBatch`.

    Not safe for use by several threads at once: its owner locks.
    """

    __slots__ = ("_base_ms", "_columns", "_has_request", "_has_response", "_has_start", "_keys", "_metrics")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._columns = tuple(array(code) for _, code in _ALL_COLUMNS)
        self._keys: dict[RoutingKey, int] = {}
        self._metrics: dict[str, int] = {}
        self._base_ms: int | None = None
        self._has_response = self._has_start = self._has_request = False

    def __len__(self) -> int:
        return len(self._columns[0])

    def request(self, key: RoutingKey, time_ms: int) -> None:
        """Adds a request. Raises `InvalidEvent`, and adds nothing, where a number does not fit its column."""
        self._append(key, time_ms, (Kind.REQUEST, 0, 0, 0, 0, 0, 0.0, 0, 0))

    def response(  # noqa: PLR0913 - one argument a field, on the hot path
        self, key: RoutingKey, time_ms: int, duration_ms: float, status: int, *, size: int = 0, failure: int = 0
    ) -> None:
        """Adds a response. Durations beyond 71 minutes are cut to it. Raises as `request` does."""
        if not duration_ms >= 0:
            raise InvalidEvent(f"{key}: duration_ms {duration_ms!r}: expected 0 or more")
        duration_us = round(min(duration_ms, MAX_DURATION_MS) * 1000)
        self._append(key, time_ms, (Kind.RESPONSE, duration_us, status, size, failure, 0, 0.0, 0, 0))
        self._has_response = True

    def outcome(  # noqa: PLR0913 - one argument a field, on the hot path
        self, key: RoutingKey, time_ms: int, metric: str, value: float, *, started_ms: int = 0, request: int = 0
    ) -> None:
        """Adds an outcome; `started_ms` and `request` as in `Outcome`. Raises as `request` does."""
        index = self._metrics.get(metric, len(self._metrics))
        started = time_ms - started_ms if started_ms else 0
        self._append(key, time_ms, (Kind.OUTCOME, 0, 0, 0, 0, index, value, _fitting(started), request))
        self._metrics[metric] = index
        self._has_start |= started != 0
        self._has_request |= request != 0

    def _append(
        self, key: RoutingKey, time_ms: int, cells: tuple[int, int, int, int, int, int, float, int, int]
    ) -> None:
        base_ms = time_ms if self._base_ms is None else self._base_ms
        count = len(self)
        try:
            index = self._keys.get(key, len(self._keys))
            row = (cells[0], index, time_ms - base_ms, *cells[1:])
            for column, cell in zip(self._columns, row, strict=True):
                column.append(cell)  # type: ignore[arg-type]  # the code of the column decides what fits
        except (OverflowError, TypeError) as error:
            for column in self._columns:
                del column[count:]
            raise InvalidEvent(f"{key}: {time_ms!r}, {cells}: {error}") from error
        self._base_ms = base_ms
        self._keys[key] = index

    def finish(self, *, publisher: str, seq: int, sent_ms: int) -> ColumnBatch:
        """Gives what was packed, and starts anew."""
        kind, key, time, *of_response, metric, value, started, request = map(_little_endian, self._columns)
        duration_us, status, size, failure = of_response if self._has_response else [b""] * 4
        base_ms = sent_ms if self._base_ms is None else self._base_ms
        batch = ColumnBatch(
            publisher=publisher, seq=seq, sent_ms=sent_ms, base_ms=base_ms, count=len(self),
            keys=list(self._keys), metrics=list(self._metrics), kind=kind, key=key, time=time,
            duration_us=duration_us, status=status, size=size, failure=failure,
            metric=metric if self._metrics else b"", value=value if self._metrics else b"",
            started=started if self._has_start else b"", request=request if self._has_request else b"",
        )  # fmt: skip
        self._clear()
        return batch


def encode(batch: ColumnBatch) -> bytes:
    """Gives the MessagePack form of a batch of columns."""
    return _encode(batch)


def pack(events: Sequence[Event], *, publisher: str, seq: int, sent_ms: int) -> ColumnBatch:
    """Packs events into columns, in their order; none of them makes a heartbeat.

    Raises `InvalidEvent` for a number that its column cannot hold.
    """
    said = _Said(publisher, seq, sent_ms)
    try:
        return _pack_columns(events, said)
    except (struct.error, TypeError, ValueError, OverflowError):
        return _pack_rows(events, said)  # some duration has to be cut, or some event does not fit: which, this tells


class _Said(NamedTuple):
    """What a publisher says of a batch."""

    publisher: str
    seq: int
    sent_ms: int


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
    return [_fitting(one.time_ms - one.started_ms) if one.started_ms else 0 for one in outcomes]


def _fitting(started: int) -> int:
    """Gives the nearest number that the column holds: what is that far off is refused by whoever reads it."""
    return min(_FARTHEST_START_MS, max(-_FARTHEST_START_MS, started))


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


def decode(payload: bytes) -> ColumnBatch:
    """Gives the columns of a telemetry message in any accepted form.

    Raises `NewerVersion` when the message, or an event in it, is of a newer version than this code, and `InvalidEvent`
    when it is not telemetry, or has columns of different lengths. That each cell makes sense is for the fold to check,
    event by event.
    """
    try:
        batch = _decode_any(payload)
    except REFUSALS as error:
        _refuse_newer(_peek(payload))
        raise InvalidEvent(f"not a telemetry message: {error}") from error
    if isinstance(batch, list):
        batch = RowBatch(events=batch)
    if isinstance(batch, RowBatch):
        _refuse_newer(_newest(batch))
        return pack(batch.events, publisher=batch.publisher, seq=batch.seq, sent_ms=batch.sent_ms)
    _refuse_newer(batch.v)
    _check_lengths(batch)
    return batch


def _refuse_newer(version: int) -> None:
    if version > VERSION:
        raise NewerVersion("a telemetry message", version, VERSION)


def _newest(rows: RowBatch | _VersionedRows) -> int:
    return max([rows.v, *[event.v for event in rows.events if event.v > VERSION]])


def _peek(payload: bytes) -> int:
    """Gives the version of a message that this code cannot decode; 0 where it tells none."""
    is_json = payload.lstrip(_WHITE_SPACE)[:1] in (b"[", b"{")
    for peek in (_peek_json_rows, peek_json) if is_json else (_peek_rows, peek_message_pack):
        with contextlib.suppress(*REFUSALS):
            found = peek(payload)
            rows = _VersionedRows(events=found) if isinstance(found, list) else found
            return _newest(rows) if isinstance(rows, _VersionedRows) else rows.v
    return 0


def _decode_any(payload: bytes) -> ColumnBatch | RowBatch | list[Event]:
    first = payload.lstrip(_WHITE_SPACE)[:1]
    if first == b"[":
        return _decode_json_events(payload)
    if first == b"{":
        return _decode_json_object(payload)
    return _decode_columns(payload) if b"\xa6format\xa7columns" in payload else _decode_rows(payload)


def _decode_json_object(payload: bytes) -> RowBatch | list[Event]:
    if b'"events"' in payload:  # so it is a batch, unless that stands somewhere within it
        with contextlib.suppress(msgspec.ValidationError):
            return _decode_json_rows(payload)
    is_batch = _decode_shape(payload).events != msgspec.Raw()
    return _decode_json_rows(payload) if is_batch else [_decode_json_event(payload)]


def _little_endian(column: "array[int] | array[float]") -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()


def _check_lengths(batch: ColumnBatch) -> None:
    for name, code in _ALL_COLUMNS:
        size, expected = len(getattr(batch, name)), batch.count * array(code).itemsize
        if size != expected and (size or name in _REQUIRED):
            raise InvalidEvent(f"column {name}: {size} bytes, expected {expected} for {batch.count} events")
