"""One telemetry partition folded through crashes, zombies and lost acknowledgements into two evidence partitions."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from engine.builders import NO_EVENTS, NOW_MS, release, spec
from engine.reference import Message
from trimtab.engine.evidence import EvidenceSnapshot
from trimtab.engine.ledger import Ledger
from trimtab.engine.pane import FoldSpec, Mark, PaneBuilder
from trimtab.engine.release_state import ReleaseSnapshot
from trimtab.schemas.evidence import COUNTS, Record, decode, encode

PLACES = {"checkout": 0, "search": 1, "ghost": 1}
APPLIED = ("checkout", "search")
LATER_MS = 200_000
"""After a clock step of that much every pane is final."""


@dataclass
class EvidencePartition:
    """A ledger, its log, and what it refused."""

    ledger: Ledger = field(default_factory=Ledger)
    log: list[Record] = field(default_factory=list)
    refused: int = 0

    def append(self, record: Record) -> None:
        """Appends a record as it would cross the wire."""
        offset = len(self.log)
        self.log.append(decode(encode(record)))
        effects = self.ledger.advance(offset, NOW_MS + offset * 10, self.log[-1])
        assert effects.rejected == ""
        self.refused += sum(pane.refusal.events for pane in effects.refused)


class Worker:
    """Whoever folds the source: from the committed offset on, with emissions that may not have been acknowledged."""

    def __init__(self, start: int, foldspec: FoldSpec) -> None:
        self.builder = PaneBuilder(3, foldspec, PLACES.__getitem__)
        self.next = start
        self.marks: list[Mark] = []


class FoldRig:
    """The source's log, the worker in office, its zombie predecessors, and what became of every event."""

    def __init__(self, log: Sequence[Message], foldspec: FoldSpec | None = None) -> None:
        self.log = list(log)
        self.partitions = [EvidencePartition(), EvidencePartition()]
        self.refusals: dict[tuple[int, str, str], int] = {}
        """(offset, code, reason) -> events: a letter that is written twice is one letter"""
        self.committed = 0
        self._foldspec = foldspec or FoldSpec()
        self._worker = Worker(0, self._foldspec)
        self._zombies: list[Worker] = []
        self._furthest = 0

    def apply(self, *names: str, variants: Sequence[str] = ("stable", "canary")) -> None:
        for name in names:
            self.partitions[PLACES[name]].append(spec(release(name, variants=variants)))

    @property
    def is_done(self) -> bool:
        return self._worker.next >= len(self.log)

    def read(self, worker: Worker | None = None) -> None:
        """Takes the next message, if there is one."""
        worker = worker or self._worker
        if worker.next < len(self.log):
            self._take(worker, worker.next)
            worker.next += 1
            self._furthest = max(self._furthest, worker.next)

    def catch_up(self) -> None:
        """Reads as far as anybody did, without emitting, as a worker that has just started."""
        while self._worker.next < self._furthest:
            self.read()

    def read_again(self) -> None:
        """Takes all that was read since the commit once more, as some clients deliver it after a rebalance."""
        for offset in range(self.committed, self._worker.next):
            self._take(self._worker, offset)

    def _take(self, worker: Worker, offset: int) -> None:
        message = self.log[offset]
        content = message.batch() if message.events else NO_EVENTS
        for refusal in worker.builder.update(offset, message.append_ms, content):
            letter = (offset, refusal.code, refusal.reason)
            assert self.refusals.setdefault(letter, refusal.events) == refusal.events

    def emit(self, *, delivered_to: Sequence[int] = (0, 1), worker: Worker | None = None) -> None:
        worker = worker or self._worker
        panes, mark = worker.builder.emit()
        for place, records in panes.items():
            if place in delivered_to:
                for record in records:
                    self.partitions[place].append(record)
        worker.marks.append(mark)

    def read_and_emit(self) -> None:
        self.read()
        self.emit()

    def acknowledge(self, count: int = 1) -> None:
        """Takes the oldest emissions as safe."""
        for mark in self._worker.marks[:count]:
            self._worker.builder.acknowledge(mark)
        del self._worker.marks[:count]

    def settle(self) -> None:
        """A round of a worker with whom all is well: read, emit, acknowledge, commit."""
        self.read_and_emit()
        self.acknowledge(len(self._worker.marks))
        offset = self._worker.builder.commit_offset
        if offset is not None:
            assert offset >= self.committed, "a commit never goes back"
            self.committed = offset

    def crash(self) -> None:
        """The next worker starts from the commit; what was emitted may be delivered but is not acknowledged."""
        self._worker = Worker(self.committed, self._foldspec)

    def emit_and_crash(self) -> None:
        self.emit()
        self.crash()

    def crash_while_emitting(self) -> None:
        """One evidence partition has the emission, the other has not."""
        self.emit(delivered_to=(0,))
        self.crash()

    def crash_before_delivery(self) -> None:
        self.emit(delivered_to=())
        self.crash()

    def leave_a_zombie(self) -> None:
        """The worker lost its partition and does not know it yet."""
        self._zombies.append(self._worker)
        self.crash()

    def zombies_go_on(self) -> None:
        """Every zombie reads on and emits; nobody takes its commits."""
        for zombie in self._zombies:
            self.read(zombie)
            self.emit(worker=zombie)

    def finish(self) -> None:
        """Reads to the end, lets time pass until every pane is final, and emits until nothing is left."""
        self.log.append(Message(max(message.append_ms for message in self.log) + LATER_MS, ()))
        while not self.is_done:
            self.read()
            self.zombies_go_on()
        rounds = len(self.log) + 70
        while self._worker.builder.is_open and rounds:
            rounds -= 1
            self.settle()
        assert rounds, "what is final goes out in the end"

    @property
    def refused(self) -> int:
        """Events of dead letters, of the fold and of the ledgers."""
        return sum(self.refusals.values()) + sum(partition.refused for partition in self.partitions)

    def snapshot(self, name: str) -> EvidenceSnapshot:
        """The books of a release."""
        fold = self.partitions[PLACES[name]].ledger.releases[name]
        return msgspec.msgpack.decode(fold.snapshot(), type=ReleaseSnapshot).evidence

    @property
    def booked(self) -> int:
        """Events in the books of all releases, counted or late."""
        return sum(booked_in(self.snapshot(name)) for name in PLACES if name in self._applied)

    @property
    def _applied(self) -> set[str]:
        return {name for partition in self.partitions for name in partition.ledger.releases}


def booked_in(books: EvidenceSnapshot) -> int:
    """Events in the books of a release, counted or late."""
    places = [COUNTS.index(name) for name in ("requests", "responses", "late")]
    totals = books.totals.values()
    outcomes = sum(int(sums[0]) for _, values in totals for sums in values.values())
    return sum(counts[place] for counts, _ in totals for place in places) + outcomes


def totals_of(books: EvidenceSnapshot, variant: str) -> tuple[list[int], dict[str, tuple[int, ...]]]:
    """The counts of a variant, and its sums by metric."""
    counts, values = books.totals[variant]
    return counts, {metric: tuple(map(int, sums)) for metric, sums in values.items()}
