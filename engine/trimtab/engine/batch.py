"""A telemetry message as NumPy columns, each cell checked; what makes no sense is refused event by event."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trimtab.schemas.evidence import MAX_VALUE
from trimtab.schemas.ids import is_name
from trimtab.schemas.telemetry import ColumnBatch, Failure, Kind, RoutingKey

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ERROR_STATUS: Final = 500
_CLIENT_ERROR_STATUS: Final = 400
_FAR_MS: Final = 1 << 62
"""Further from the epoch than any instant, and still safe to add to in 64 bits."""


class Class(IntEnum):
    """What an event adds to a pane."""

    REQUEST = 0
    SUCCESS = 1
    ERROR = 2
    CLIENT_ERROR = 3
    OUTCOME = 4


# Enumerations are slow to look at once a message, and slower still to compute with: plain numbers and tables instead.
_RESPONSE, _OUTCOME = int(Kind.RESPONSE), int(Kind.OUTCOME)
_ERROR, _CLIENT_ERROR = int(Class.ERROR), int(Class.CLIENT_ERROR)
_OF_KIND: Final = np.full(256, Class.OUTCOME, dtype=np.int64)
_OF_KIND[[Kind.REQUEST, Kind.RESPONSE]] = Class.REQUEST, Class.SUCCESS
_IS_FAILURE: Final = np.ones(256, dtype=bool)
_IS_FAILURE[[Failure.NONE, Failure.CLIENT]] = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Events of one message, or of one pane, that were not counted, for one reason."""

    code: str
    reason: str
    events: int
    release: str = ""


@dataclass(frozen=True, slots=True)
class Columns:
    """Events as columns of equal length; seconds are event time, corrected for skew."""

    key: Ints
    kind: Ints
    """a `Class`"""
    second: Ints
    duration_us: npt.NDArray[np.uint32]
    size: npt.NDArray[np.uint32]
    metric: Ints
    value: npt.NDArray[np.float64]
    is_skewed: bool

    def where(self, keep: Bools) -> "Columns":
        """Gives the events that `keep` is true for."""
        return Columns(
            self.key[keep], self.kind[keep], self.second[keep], self.duration_us[keep],
            self.size[keep], self.metric[keep], self.value[keep], self.is_skewed,
        )  # fmt: skip


def columns_of(batch: ColumnBatch, append_ms: int, skew_ms: int, future_ms: int) -> tuple[Columns, list[Refusal]]:
    """Gives a batch's events as columns, and those that were refused: by kind, key, name, time or value.

    `append_ms` is when the broker appended the message, `skew_ms` how far the publisher's clock may be off before its
    times are corrected, `future_ms` how far ahead an event may lie.
    """
    kind = np.frombuffer(batch.kind, dtype="u1")
    key = np.frombuffer(batch.key, dtype="<u2").astype(np.int64)
    metric = _column(batch.metric, "u1", batch.count).astype(np.int64)
    value = _column(batch.value, "<f8", batch.count).astype(np.float64)
    skew = append_ms - batch.sent_ms if batch.sent_ms else 0
    is_skewed = abs(skew) > skew_ms
    base_ms = batch.base_ms + (skew if is_skewed else 0)
    time_ms = np.frombuffer(batch.time, dtype="<i4").astype(np.int64) + min(max(base_ms, -_FAR_MS), _FAR_MS)
    columns = Columns(
        key=key,
        kind=_classes(batch, kind),
        second=time_ms // 1000,
        duration_us=_column(batch.duration_us, "<u4", batch.count),
        size=_column(batch.size, "<u4", batch.count),
        metric=metric,
        value=value,
        is_skewed=is_skewed,
    )
    checks = [
        ("unknown-kind", "kind of event: expected 0, 1 or 2", kind <= _OUTCOME),
        ("unknown-key", f"key: expected an index below {len(batch.keys)}", key < len(batch.keys)),
        ("future", f"time: more than {future_ms} ms ahead of the broker's clock", time_ms <= append_ms + future_ms),
    ]
    is_other = kind != _OUTCOME
    if not is_other.all():
        known, fits = is_other | (metric < len(batch.metrics)), is_other | (np.abs(value) <= MAX_VALUE)
        checks.append(("unknown-key", f"metric: expected an index below {len(batch.metrics)}", known))
        checks.append(("bad-value", f"value: expected a finite number within {MAX_VALUE:.0f}", fits))
    keep, refusals = _checked(batch.count, checks)
    keep, refusals = _named(batch.keys, key, keep, refusals)
    return (columns if not refusals else columns.where(keep)), refusals


def _column(cells: bytes, dtype: str, count: int) -> npt.NDArray[Any]:
    """Gives a packed column, or zeros where it was left out; the wire's type decides the cells' type."""
    return np.frombuffer(cells, dtype=dtype) if cells else np.zeros(count, dtype=dtype)


def _classes(batch: ColumnBatch, kind: npt.NDArray[np.uint8]) -> Ints:
    classes: Ints = _OF_KIND[kind]
    if batch.status or batch.failure:
        status = _column(batch.status, "<u2", batch.count)
        failure = _column(batch.failure, "u1", batch.count)
        is_response = kind == _RESPONSE
        classes[is_response & (status >= _CLIENT_ERROR_STATUS)] = _CLIENT_ERROR
        classes[is_response & ((status >= _ERROR_STATUS) | _IS_FAILURE[failure])] = _ERROR
    return classes


def _checked(count: int, checks: Sequence[tuple[str, str, Bools]]) -> tuple[Bools, list[Refusal]]:
    """Gives which events pass all checks; an event that fails several is refused for the first."""
    keep = np.ones(count, dtype=bool)
    refusals = []
    for code, reason, passes in checks:
        if not passes.all():
            refused = int((keep & ~passes).sum())
            keep &= passes
            if refused:
                refusals.append(Refusal(code, reason, refused))
    return keep, refusals


def _named(keys: list[RoutingKey], key: Ints, keep: Bools, refusals: list[Refusal]) -> tuple[Bools, list[Refusal]]:
    """Refuses the events of keys that cannot be names of ours."""
    for index, routing in enumerate(keys):
        if is_name(routing.release) and is_name(routing.variant) and (not routing.segment or is_name(routing.segment)):
            continue
        refused = keep & (key == index)
        if refused.any():
            name = f"{routing.release[:64]!r}, {routing.variant[:64]!r}, {routing.segment[:64]!r}"
            refusals = [*refusals, Refusal("unknown-release", f"no names of ours: {name}", int(refused.sum()))]
            keep = keep & ~refused
    return keep, refusals
