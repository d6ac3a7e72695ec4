"""Events as a caller offered them, unchecked, and their way into columns.

Checking is done here, off the caller's path. One event that does not fit must not cost the others of its batch: every
value that goes into a shared part of the batch (key, metric, time) is checked before it is packed.
"""

import math
from collections.abc import Sequence
from operator import index
from typing import Final

import msgspec

from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.request import request_number
from trimtab.schemas.telemetry import MAX_AGE_MS, MAX_AHEAD_MS, Packer, RoutingKey

RequestRow = tuple[RoutingKey, int]
"""key, time_ms"""
ResponseRow = tuple[RoutingKey, int, float, int, int, int]
"""key, time_ms, duration_ms, status, size, failure"""
OutcomeRow = tuple[RoutingKey, int, str, float]
"""key, time_ms, metric, value"""
AttributedRow = tuple[RoutingKey, int, str, float, tuple[int, str]]
"""the same, with when the request was routed (0: not told) and its id (empty: not told)"""
Row = RequestRow | ResponseRow | OutcomeRow | AttributedRow

_FARTHEST_MS: Final = 1 << 30
"""Times farther from now (12 days) would not fit a column beside others."""

_REFUSALS: Final = (InvalidEvent, msgspec.MsgspecError, TypeError, ValueError, OverflowError)


def pack_rows(rows: Sequence[Row], now_ms: int) -> tuple[Packer, int]:
    """Gives the rows as packed columns, and the number of rows that were left out because a value does not fit."""
    packer, invalid, known = Packer(), 0, set[RoutingKey | str]()
    for row in rows:
        try:
            _pack(packer, row, now_ms, known)
        except _REFUSALS:
            invalid += 1
    return packer, invalid


def _pack(packer: Packer, row: Row, now_ms: int, known: set[RoutingKey | str]) -> None:
    key, time_ms = row[0], index(row[1])
    if abs(time_ms - now_ms) > _FARTHEST_MS:
        raise InvalidEvent(f"{key}: time_ms {time_ms}: expected within 12 days of {now_ms}")
    _check(key, RoutingKey, known)
    match row:
        case (_, _):
            packer.request(key, time_ms)
        case (_, _, metric, value):
            _pack_outcome(packer, (key, time_ms, metric, value, (0, "")), known)
        case (_, _, metric, value, attribution):
            _pack_outcome(packer, (key, time_ms, metric, value, attribution), known)
        case (_, _, duration_ms, status, size, failure):
            packer.response(key, time_ms, duration_ms, status, size=size, failure=failure)


def _pack_outcome(packer: Packer, row: AttributedRow, known: set[RoutingKey | str]) -> None:
    key, time_ms, metric, value, (started_ms, request) = row
    _check(metric, str, known)
    if not math.isfinite(value):
        raise InvalidEvent(f"{key}: {metric} {value!r}: expected a finite number")
    packer.outcome(
        key, time_ms, metric, value, started_ms=_started(index(started_ms), time_ms), request=request_number(request)
    )


def _started(started_ms: int, time_ms: int) -> int:
    """Gives when the request was routed, 0 where it is not told. Raises `InvalidEvent` for what no worker takes."""
    age_ms = time_ms - started_ms
    if started_ms and not -MAX_AHEAD_MS <= age_ms <= MAX_AGE_MS:
        raise InvalidEvent(f"started_ms {started_ms}: expected within 7 days before {time_ms}")
    return started_ms


def _check(value: RoutingKey | str, kind: type, known: set[RoutingKey | str]) -> None:
    """Raises one of _REFUSALS unless `value` survives the wire; each value is tried once per batch."""
    if value not in known:
        msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=kind)
        known.add(value)
