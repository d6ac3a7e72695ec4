"""Panes: one source partition's events, summed by (release, variant, segment, second).

What is decided here, and nowhere else:

* The clock of a source is the greatest append time in its log so far. Nobody's wall clock matters.
* A second is final once the clock is past its end by the allowed lateness. An event of a final second is late. It is
  booked as `late` in the second in which it came, and counts nowhere else.
* An event's time is corrected by its publisher's skew (append time minus the publisher's stamp) when that is beyond
  `skew_ms`; an event more than `future_ms` ahead of the append time, after correction, is refused.
* What is emitted is the whole present content of every pane that changed. That a second has become final is told also
  where nothing of it has changed. Whoever is far behind has many seconds that become final at once: they go out a few
  at a time, whole seconds, oldest first, and those that wait are taken for final only when they are sent.
* A source may be committed only below the first message that feeds a pane which is not final or whose final content
  is not acknowledged, and only at a message that moved the clock: whoever starts reading there has the same clock at
  once, so all of this is a function of the log alone, wherever reading starts.
* Outcomes that name their request are compared with those of `repeats_ms` before them (`repeat.py`). Messages with such
  outcomes hold the commit back for as long as some pane may rest on them.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.batch import Bools, Class, Columns, Message, PaneKeys, Reading, Refusal
from trimtab.engine.block import Block
from trimtab.engine.cohort import coarse
from trimtab.engine.contribution import MAX_BYTES, panes_of
from trimtab.engine.repeat import Repeats
from trimtab.schemas.evidence import Panes
from trimtab.schemas.telemetry import ColumnBatch

Ints = npt.NDArray[np.int64]


MANY_PANES: Final = 200
"""Panes of a second, beyond which they are emitted once the second is over and not before: what is left to tell of a
pane then is little. Panes with more errors than chance explains are emitted at once in any case."""


@dataclass(frozen=True, slots=True)
class FoldSpec:
    """How events are summed into panes; milliseconds throughout."""

    lateness_ms: int = 2_000
    """how long after its end a second still takes events"""
    skew_ms: int = 1_000
    """how far a publisher's clock may be off before its events are corrected"""
    future_ms: int = 60_000
    """how far ahead of its append time an event may lie"""
    repeats_ms: int = 30_000
    """how long an outcome that names its request is remembered, so that one that comes again is known as such; whoever
    starts again reads as much again, of sources that have such outcomes"""
    repeats_per_second: int = 2_000
    """how many of a second are remembered"""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the source's log up to which everything was emitted; given back when that is acknowledged."""

    offset: int
    final_s: int


_REMEMBERED_S: Final = 4
"""Whoever merges contents looks again at seconds that are final for so long: what they rest on is held, too."""
_NEVER_S: Final = -1
_MANY_KEYS: Final = 1 << 16
"""Pane keys that are remembered by number; more than a source has at a time."""


@dataclass(slots=True)
class _Held:
    """A message that may have to be read again."""

    offset: int
    clock_ms: int
    moved_clock: bool
    newest_s: int = _NEVER_S
    """the newest second that it fed"""


class PaneBuilder:
    """The open panes of one source partition.

    Feed it every message of the partition in order with `update`; `emit` gives the contributions by evidence
    partition, and `acknowledge` tells it that they are safe, after which `commit_offset` may move.
    """

    __slots__ = (
        "_blocks",
        "_clock_ms",
        "_commit_offset",
        "_held",
        "_keys",
        "_next_offset",
        "_place",
        "_repeats",
        "_sent_final_s",
        "_source",
        "_spec",
    )  # fmt: skip

    def __init__(self, source: int, spec: FoldSpec, place: Callable[[str], int]) -> None:
        """`source` is the telemetry partition, `place` gives the evidence partition of a release."""
        self._source = source
        self._spec = spec
        self._place = place
        self._keys = PaneKeys(place)
        self._blocks: dict[int, Block] = {}
        self._held: deque[_Held] = deque()
        self._clock_ms = 0
        self._next_offset = 0
        self._commit_offset: int | None = None
        self._sent_final_s = 0
        self._repeats = Repeats(-(-spec.repeats_ms // 1000), spec.repeats_per_second)

    @property
    def source(self) -> int:
        """The telemetry partition."""
        return self._source

    @property
    def next_offset(self) -> int:
        """Messages below it were taken; `update` skips them."""
        return self._next_offset

    @property
    def commit_offset(self) -> int | None:
        """Where reading may start again without losing anything; None while that is not known."""
        return self._commit_offset

    @property
    def clock_ms(self) -> int:
        """The source's clock: the greatest append time so far."""
        return self._clock_ms

    @property
    def is_open(self) -> bool:
        """Whether some pane waits to become final, or to be acknowledged as such."""
        return bool(self._blocks)

    @property
    def _final_s(self) -> int:
        return (self._clock_ms - self._spec.lateness_ms) // 1000

    def update(self, offset: int, append_ms: int, batch: ColumnBatch) -> list[Refusal]:
        """Adds a message's events to their panes, and gives those that were refused, by reason."""
        refused = self.update_all([Message(offset, append_ms, batch)])
        return refused.get(offset, [])

    def update_all(self, messages: Iterable[Message]) -> dict[int, list[Refusal]]:
        """Adds the events of messages that follow each other; gives what was refused of them, by offset.

        The same as `update` with one after another, at a fraction of the cost.
        """
        taken: list[Message] = []
        held: list[_Held] = []
        refused: dict[int, list[Refusal]] = {}
        for message in messages:
            if message.offset < self._next_offset:
                continue
            self._next_offset = message.offset + 1
            moved_clock = message.append_ms >= self._clock_ms
            self._clock_ms = max(self._clock_ms, message.append_ms)
            self._held.append(_Held(message.offset, self._clock_ms, moved_clock))
            if message.batch.count:
                taken.append(message)
                held.append(self._held[-1])
        self._fold(taken, held, refused)
        return refused

    def _fold(self, messages: Sequence[Message], held: Sequence[_Held], refused: dict[int, list[Refusal]]) -> None:
        """Adds messages that have events to the blocks of their seconds; by halves where something is to be refused."""
        if not messages:
            return
        reading = Reading(messages, self._keys, self._spec.skew_ms, self._spec.future_ms)
        if reading.is_clean:
            self._add(messages, held, reading.columns)
        elif len(messages) > 1:
            half = len(messages) // 2
            self._fold(messages[:half], held[:half], refused)
            self._fold(messages[half:], held[half:], refused)
        else:
            keep, refused[messages[0].offset] = reading.refusals()
            if keep.any():
                self._add(messages, held, reading.columns.where(keep))

    def _add(self, messages: Sequence[Message], held: Sequence[_Held], events: Columns) -> None:
        offsets = np.array([message.offset for message in messages], dtype=np.int64)
        clock_ms = np.array([one.clock_ms for one in held], dtype=np.int64)
        late = events.second < ((clock_ms - self._spec.lateness_ms) // 1000)[events.message]
        booked_s = events.second
        if late.any():
            booked_s = np.where(late, (clock_ms // 1000)[events.message], events.second)
        for second in _distinct(booked_s):
            here = booked_s == second
            self._add_to(self._block(second), offsets, events, here & ~late, here & late)
        starts = np.flatnonzero(np.diff(events.message, prepend=-1))
        newest_s = np.maximum.reduceat(booked_s, starts).tolist()
        for message, newest in zip(events.message[starts].tolist(), newest_s, strict=True):
            held[message].newest_s = newest
        if events.request is not None:
            self._add_repeats(held, events, ~late & (events.request > 0) & (events.kind == Class.OUTCOME))

    def _add_repeats(self, held: Sequence[_Held], events: Columns, joined: Bools) -> None:
        """Corrects for outcomes that came again, in the order of the log, and holds what later ones rest on."""
        self._repeats.forget((held[0].clock_ms - self._spec.lateness_ms) // 1000)
        rests_s = -(-self._spec.repeats_ms // 1000) + _REMEMBERED_S
        ages = np.zeros(len(joined), dtype=np.int64) if events.age_s is None else coarse(events.age_s)
        here = np.flatnonzero(joined)
        columns = (events.message, events.key, events.second, events.metric, events.value, ages, events.request)
        for message, key, second, metric, value, age_s, request in zip(
            *(column[here].tolist() for column in columns if column is not None), strict=True
        ):
            name, of = events.metrics[metric], self._keys.names[key]
            held[message].newest_s = max(held[message].newest_s, second + rests_s)
            corrections = self._repeats.take((request, name, of.release, of.variant), second, value)
            if any(corrections.of_all):
                self._blocks[second].correct(key, name, age_s, corrections)

    def _add_to(self, block: Block, offsets: Ints, events: Columns, timely: Bools, late: Bools) -> None:
        if timely.all():
            block.add(offsets, self._keys, events)
            return
        if timely.any():
            block.add(offsets, self._keys, events.where(timely))
        if late.any():
            block.add_late(offsets, self._keys, events.where(late))

    def _block(self, second: int) -> Block:
        block = self._blocks.get(second)
        if block is None:
            block = self._blocks[second] = Block(second)
        return block

    @property
    def changed(self) -> int:
        """How many panes an emission would hold now, about."""
        return sum(block.changed for block in self._blocks.values())

    def emit(self) -> tuple[dict[int, list[Panes]], Mark]:
        """Gives what changed since the last time, by evidence partition, and the mark to acknowledge it with."""
        final_s = self._emitted_final_s()
        self._sent_final_s = final_s
        now_s = self._clock_ms // 1000
        mark = Mark(self._next_offset - 1, final_s)
        by_place: dict[int, list[tuple[Block, Ints]]] = {}
        for second, block in sorted(self._blocks.items()):
            if final_s <= second < self._final_s or (second >= now_s and len(block.keys) > MANY_PANES):
                continue  # its turn comes with a later emission
            if second < final_s and not block.is_closed:
                for place in set(block.places):
                    by_place.setdefault(place, [])
            rows = block.take_changed(is_final=second < final_s)
            for place, here in block.placed(rows).items():
                by_place.setdefault(place, []).append((block, here))
        if len(self._keys) > _MANY_KEYS:
            self._number_anew()
        records = {place: panes_of(self._source, mark.offset, final_s, here) for place, here in by_place.items()}
        return records, mark

    def emit_urgent(self) -> dict[int, list[Panes]]:
        """Gives the panes with more new errors than chance explains, by evidence partition. It makes nothing final."""
        by_place: dict[int, list[tuple[Block, Ints]]] = {}
        for second, block in sorted(self._blocks.items()):
            if second >= self._final_s:
                for place, here in block.placed(block.take_urgent()).items():
                    by_place.setdefault(place, []).append((block, here))
        offset = self._next_offset - 1
        return {place: panes_of(self._source, offset, self._sent_final_s, here) for place, here in by_place.items()}

    def _number_anew(self) -> None:
        """Forgets the numbers of pane keys, of which most are of the past by now."""
        self._keys = PaneKeys(self._place)
        for block in self._blocks.values():
            block.forget_numbers()

    def _emitted_final_s(self) -> int:
        """Gives the second below which the next emission is final: not all at once where a great many are due."""
        size = 0
        for second, block in sorted(self._blocks.items()):
            if second >= self._final_s:
                break
            if size >= MAX_BYTES:
                return second
            size += 0 if block.is_closed else block.size
        return self._final_s

    def acknowledge(self, mark: Mark) -> None:
        """Takes note that everything emitted up to `mark` is safe: final panes are let go, the commit may move."""
        for second in [second for second in self._blocks if second < mark.final_s]:
            del self._blocks[second]
        held = self._held
        while held and held[0].offset <= mark.offset and held[0].newest_s < mark.final_s:
            gone = held.popleft()
            if gone.moved_clock:
                self._commit_offset = gone.offset
        if held and held[0].moved_clock:
            self._commit_offset = held[0].offset


def _distinct(seconds: Ints) -> Iterable[int]:
    low, high = int(seconds.min()), int(seconds.max())
    return (low,) if low == high else np.unique(seconds).tolist()
