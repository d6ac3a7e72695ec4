"""Telemetry: what a publisher saw, as rows that a person can read and as columns that a machine folds fast.

A message on the telemetry topic is one of
  * MessagePack columns (`ColumnBatch`): what our own publishers send;
  * MessagePack or JSON rows: `{"publisher": …, "sent_ms": …, "events": [EVENT, …]}` or a bare array `[EVENT, …]`;
  * one EVENT as a JSON object.
Columns, batches of rows and events may name their version in `v`; without it they are of the first.

`telemetry_message.py` writes and reads them, `telemetry_columns.py` makes columns of many events at once, and `Packer`
here of one after the other.

Instants are integer milliseconds since the epoch. The instant of a request is when it was routed, of a response when
it ended, of an outcome when it became known. An event names the revision of the weights that routed it.
"""

import math
import sys
from array import array
from enum import IntEnum
from typing import Annotated, Final

import msgspec

from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.version import Version

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


COLUMNS: Final = (
    ("kind", "B"), ("key", "H"), ("time", "i"), ("duration_us", "I"), ("status", "H"),
    ("size", "I"), ("failure", "B"), ("metric", "B"), ("value", "d"),
)  # fmt: skip
ADDED_COLUMNS: Final = (("started", "i"), ("request", "Q"))
"""Columns that came later: whoever does not know them passes them over."""
ALL_COLUMNS: Final = COLUMNS + ADDED_COLUMNS


class Packer:
    """Columns that grow event by event, and become a `ColumnBatch`.

    Not safe for use by several threads at once: its owner locks.
    """

    __slots__ = ("_base_ms", "_columns", "_has_request", "_has_response", "_has_start", "_keys", "_metrics")

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._columns = tuple(array(code) for _, code in ALL_COLUMNS)
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
        if not 0 <= duration_ms < math.inf:
            raise InvalidEvent(f"{key}: duration_ms {duration_ms!r}: expected 0 or more, and no infinity")
        duration_us = round(min(duration_ms, MAX_DURATION_MS) * 1000)
        self._append(key, time_ms, (Kind.RESPONSE, duration_us, status, size, failure, 0, 0.0, 0, 0))
        self._has_response = True

    def outcome(  # noqa: PLR0913 - one argument a field, on the hot path
        self, key: RoutingKey, time_ms: int, metric: str, value: float, *, started_ms: int = 0, request: int = 0
    ) -> None:
        """Adds an outcome; `started_ms` and `request` as in `Outcome`. Raises as `request` does."""
        index = self._metrics.get(metric, len(self._metrics))
        started = time_ms - started_ms if started_ms else 0
        self._append(key, time_ms, (Kind.OUTCOME, 0, 0, 0, 0, index, value, fitting_start(started), request))
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


def fitting_start(started: int) -> int:
    """Gives the nearest number that the column `started` holds: what is that far off is refused by whoever reads it."""
    return min(_FARTHEST_START_MS, max(-_FARTHEST_START_MS, started))


def _little_endian(column: "array[int] | array[float]") -> bytes:
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
