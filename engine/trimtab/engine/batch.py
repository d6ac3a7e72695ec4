"""Telemetry messages as NumPy columns, each cell checked; what makes no sense is refused event by event.

Messages are read several at a time: their columns are laid end to end, so that a message of one event costs hardly
more than an event in a message of 500.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from trimtab.schemas.evidence import MAX_VALUE, PaneKey
from trimtab.schemas.ids import is_name, is_release_name
from trimtab.schemas.telemetry import MAX_AGE_MS, MAX_AHEAD_MS, ColumnBatch, Failure, Kind, RoutingKey

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ERROR_STATUS: Final = 500
_CLIENT_ERROR_STATUS: Final = 400
_NO_KEY: Final = RoutingKey("", "", "", 0, 0)
_FAR_MS: Final = 1 << 62
"""Further from the epoch than any instant, and still safe to add to in 64 bits."""


class Class(IntEnum):
    """What an event adds to a pane."""

    REQUEST = 0
    SUCCESS = 1
    ERROR = 2
    CLIENT_ERROR = 3
    OUTCOME = 4
    TIMEOUT = 5
    CONNECT = 6
    RESET = 7
    OVERLOAD = 8


# Enumerations are slow to look at once a message, and slower still to compute with: plain numbers and tables instead.
_RESPONSE, _OUTCOME = int(Kind.RESPONSE), int(Kind.OUTCOME)
_ERROR, _CLIENT_ERROR = int(Class.ERROR), int(Class.CLIENT_ERROR)
_OF_KIND: Final = np.full(256, Class.OUTCOME, dtype=np.int64)
_OF_KIND[[Kind.REQUEST, Kind.RESPONSE]] = Class.REQUEST, Class.SUCCESS
_OF_FAILURE: Final = np.full(256, Class.ERROR, dtype=np.int64)
"""What failures make of a response that is no error by its status; 0 where nothing changes."""
_OF_FAILURE[[Failure.NONE, Failure.CLIENT]] = 0
for _failure in (Failure.TIMEOUT, Failure.CONNECT, Failure.RESET, Failure.OVERLOAD):
    _OF_FAILURE[_failure] = Class[_failure.name]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Events of one message, or of one pane, that were not counted, for one reason."""

    code: str
    reason: str
    events: int
    release: str = ""


class Message(NamedTuple):
    """A telemetry message as it lies in its partition."""

    offset: int
    append_ms: int
    """when the broker appended it"""
    batch: ColumnBatch


class PaneKeys:
    """Numbers for the (release, variant, segment) that occur, so that columns of them can be computed with."""

    __slots__ = ("_ids", "_place", "names", "places")

    def __init__(self, place: Callable[[str], int]) -> None:
        """`place` gives the evidence partition of a release."""
        self._place = place
        self._ids: dict[tuple[str, str, str], int] = {}
        self.names: list[PaneKey] = []
        self.places: list[int] = []

    def __len__(self) -> int:
        return len(self.names)

    def ids(self, keys: Sequence[RoutingKey]) -> list[int]:
        """Gives the number of each key; -1 where it cannot be a name of ours."""
        known = self._ids
        try:
            return [known[key.release, key.variant, key.segment] for key in keys]
        except KeyError:
            return [self._id(key) for key in keys]

    def _id(self, key: RoutingKey) -> int:
        name = (key.release, key.variant, key.segment)
        known = self._ids.get(name)
        if known is None:
            if not (
                is_release_name(key.release) and is_name(key.variant) and (not key.segment or is_name(key.segment))
            ):
                return -1
            known = self._ids[name] = len(self.names)
            self.names.append(PaneKey(*name))
            self.places.append(self._place(key.release))
        return known


class Slots(NamedTuple):
    """The keys of messages that are read together, laid end to end: there are few of them, and many events of each."""

    keys: Ints
    """number of the `PaneKey`; -1 where there is none"""
    routes: list[tuple[int, int]]
    """(era, revision) of the weights that routed; revision 0 where that is not known"""


@dataclass(frozen=True, slots=True)
class Columns:
    """Events as columns of equal length; seconds are event time, corrected for skew."""

    message: Ints
    """position of the message that an event came in; never falls"""
    key: Ints
    """number of its `PaneKey`"""
    kind: Ints
    """a `Class`"""
    second: Ints
    duration_us: npt.NDArray[np.uint32]
    size: npt.NDArray[np.uint32]
    metric: Ints
    """index into `metrics`; matters for outcomes only"""
    value: npt.NDArray[np.float64]
    is_skewed: Bools
    metrics: list[str]
    slot: Ints | None = None
    """index into `slots`; None where no key names a revision"""
    slots: Slots | None = None
    age_s: Ints | None = None
    """of outcomes: seconds since their request was routed; None where all are 0"""
    request: npt.NDArray[np.uint64] | None = None
    """of outcomes: number of their request, 0 where it is not known; None where none is"""

    def where(self, keep: Bools) -> "Columns":
        """Gives the events that `keep` is true for."""
        return Columns(
            self.message[keep], self.key[keep], self.kind[keep], self.second[keep], self.duration_us[keep],
            self.size[keep], self.metric[keep], self.value[keep], self.is_skewed[keep], self.metrics,
            slot=None if self.slot is None else self.slot[keep], slots=self.slots,
            age_s=None if self.age_s is None else self.age_s[keep],
            request=None if self.request is None else self.request[keep],
        )  # fmt: skip


_Cells = npt.NDArray[Any]
_Checks = list[tuple[str, str, Bools]]


class Reading:
    """Messages that are read together. None of them is empty."""

    __slots__ = ("_batches", "_counts", "_future_ms", "_key", "_kind", "_limits_ms", "_messages", "_started", "_time",
                 "columns")  # fmt: skip

    def __init__(self, messages: Sequence[Message], keys: PaneKeys, skew_ms: int, future_ms: int) -> None:
        """Both limits in milliseconds.

        `skew_ms` is how far a publisher's clock may be off before its times are corrected, `future_ms` how far ahead
        of its append time an event may lie.
        """
        self._messages = messages
        self._batches = [message.batch for message in messages]
        self._counts = np.array([batch.count for batch in self._batches], dtype=np.int64)
        self._kind = self._column("kind", "u1")
        self._key = self._column("key", "<u2")
        self._time = self._column("time", "<i4")
        has_starts = any(batch.started for batch in self._batches)
        self._started = self._column("started", "<i4") if has_starts else None
        self._future_ms = future_ms
        self.columns = self._read(keys, skew_ms)

    def _column(self, name: str, dtype: str) -> _Cells:
        """Gives a column of all messages, with zeros for those that left it out."""
        width = np.dtype(dtype).itemsize
        cells = [getattr(batch, name) for batch in self._batches]
        if not any(cells):
            return np.zeros(int(self._counts.sum()), dtype=dtype)
        if not all(cells):
            cells = [cell or bytes(width * batch.count) for cell, batch in zip(cells, self._batches, strict=True)]
        return np.frombuffer(b"".join(cells), dtype=dtype)

    def _read(self, keys: PaneKeys, skew_ms: int) -> Columns:
        skewed = [_skew_of(message, skew_ms) for message in self._messages]
        bases = [
            min(max(message.batch.base_ms + skew, -_FAR_MS), _FAR_MS)
            for message, skew in zip(self._messages, skewed, strict=True)
        ]
        self._limits_ms = np.array(
            [message.append_ms + self._future_ms - base for message, base in zip(self._messages, bases, strict=True)]
        )
        message = np.repeat(np.arange(len(self._batches)), self._counts)
        time_ms = np.array(bases)[message] + self._time
        metric, metrics = self._metric()
        second = time_ms // 1000
        slots, slot = self._slots(keys, message)
        is_routed = any(revision for _, revision in slots.routes)
        has_requests = any(batch.request for batch in self._batches)
        return Columns(
            message=message, key=slots.keys[slot], kind=self._classes(), second=second,
            duration_us=self._column("duration_us", "<u4"), size=self._column("size", "<u4"), metric=metric,
            value=self._column("value", "<f8"), is_skewed=(np.array(skewed) != 0)[message], metrics=metrics,
            slot=slot if is_routed else None, slots=slots if is_routed else None,
            age_s=None if self._started is None else second - (time_ms - self._started) // 1000,
            request=self._column("request", "<u8") if has_requests else None,
        )  # fmt: skip

    def _slots(self, keys: PaneKeys, message: Ints) -> tuple[Slots, Ints]:
        """Gives the keys of all messages, and which of them each event has."""
        ids = [keys.ids(batch.keys) for batch in self._batches]
        # One more at the end of each message takes whatever points beyond its keys.
        sizes = np.array([len(known) for known in ids], dtype=np.int64)
        starts = np.cumsum(sizes + 1) - sizes - 1
        table = np.array([number for known in ids for number in (*known, -1)], dtype=np.int64)
        routes = [(key.era, key.revision) for batch in self._batches for key in (*batch.keys, _NO_KEY)]
        return Slots(table, routes), np.minimum(self._key, sizes[message]) + starts[message]

    def _metric(self) -> tuple[Ints, list[str]]:
        cells = self._column("metric", "u1").astype(np.int64)
        names: dict[str, int] = {}
        indexes = [[names.setdefault(name, len(names)) for name in batch.metrics] for batch in self._batches]
        if not names:
            return cells, []
        sizes = np.array([len(known) for known in indexes], dtype=np.int64)
        starts = np.cumsum(sizes + 1) - sizes - 1
        table = np.array([number for known in indexes for number in (*known, -1)], dtype=np.int64)
        message = np.repeat(np.arange(len(self._batches)), self._counts)
        return table[np.minimum(cells, sizes[message]) + starts[message]], list(names)

    def _classes(self) -> Ints:
        classes: Ints = _OF_KIND[self._kind]
        if any(batch.status or batch.failure for batch in self._batches):
            status, failure = self._column("status", "<u2"), self._column("failure", "u1")
            is_response = self._kind == _RESPONSE
            classes[is_response & (status >= _CLIENT_ERROR_STATUS)] = _CLIENT_ERROR
            classes[is_response & (status >= _ERROR_STATUS)] = _ERROR
            if failure.any():
                failed = is_response & (_OF_FAILURE[failure] > 0)
                classes[failed] = _OF_FAILURE[failure[failed]]
        return classes

    @property
    def is_clean(self) -> bool:
        """Whether every event can be counted."""
        return all(bool(passes.all()) for _, _, passes in self._checks())

    def refusals(self) -> tuple[Bools, list[Refusal]]:
        """Gives which events of a single message can be counted, and for what the others are refused.

        An event that fails several checks is refused for the first; those of bad keys name the key.
        """
        keep = np.ones(len(self._kind), dtype=bool)
        refusals = []
        for code, reason, passes in self._checks():
            refused = keep & ~passes
            keep &= passes
            if code == "unknown-name":
                refusals += self._unnamed(refused)
            elif refused.any():
                refusals.append(Refusal(code, reason, int(refused.sum())))
        return keep, refusals

    def _checks(self) -> _Checks:
        columns, batch = self.columns, self._batches[0]
        is_within = self._key < np.array([len(batch.keys) for batch in self._batches])[columns.message]
        checks: _Checks = [
            ("unknown-kind", "kind of event: expected 0, 1 or 2", self._kind <= _OUTCOME),
            ("unknown-key", f"key: expected an index below {len(batch.keys)}", is_within),
            (
                "future",
                f"time: more than {self._future_ms} ms ahead of the broker's clock",
                self._time <= self._limits_ms[columns.message],
            ),
        ]
        is_other = self._kind != _OUTCOME
        if not is_other.all():
            known = is_other | ((columns.metric >= 0) & bool(columns.metrics))
            fits = is_other | (np.abs(columns.value) <= MAX_VALUE)
            checks.append(("unknown-key", f"metric: expected an index below {len(batch.metrics)}", known))
            checks.append(("bad-value", f"value: expected a finite number within {MAX_VALUE:.0f}", fits))
            if self._started is not None:
                fits = is_other | ((self._started >= -MAX_AHEAD_MS) & (self._started <= MAX_AGE_MS))
                checks.append(("bad-value", f"started: expected {-MAX_AHEAD_MS} to {MAX_AGE_MS} ms before time", fits))
        checks.append(("unknown-name", "", columns.key >= 0))
        return checks

    def _unnamed(self, refused: Bools) -> list[Refusal]:
        """Gives refusals of the events of keys that cannot be names of ours, key by key."""
        indexes, counts = np.unique(self._key[refused], return_counts=True)
        refusals = []
        for index, count in zip(indexes.tolist(), counts.tolist(), strict=True):
            routing = self._batches[0].keys[index]
            name = f"{routing.release[:64]!r}, {routing.variant[:64]!r}, {routing.segment[:64]!r}"
            refusals.append(Refusal("unknown-release", f"no names of ours: {name}", count))
        return refusals


def _skew_of(message: Message, skew_ms: int) -> int:
    """Gives what a message's times are corrected by: 0 while its publisher's clock is about right."""
    sent_ms = message.batch.sent_ms
    skew = message.append_ms - sent_ms if sent_ms else 0
    return skew if abs(skew) > skew_ms else 0
