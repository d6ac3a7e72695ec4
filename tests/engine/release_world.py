"""One evidence partition as workers live through it: its sources, a ledger that restarts, and one that never does."""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar

import msgspec

from engine import laws
from engine.builders import NO_EVENTS, NOW_MS, NOW_S, outcome, request, response
from engine.evidence_logs import Log, Taken, take
from engine.fold_rig import booked_in, totals_of
from engine.policy.policies import FACTORIES
from engine.reference import Content, Message, fold
from engine.snapshots import NOTHING, Store, all_snapshots, assert_as_expected
from trimtab.engine.evidence import EvidenceSnapshot
from trimtab.engine.ledger import Ledger, Published
from trimtab.engine.pane import FoldSpec, Mark, PaneBuilder
from trimtab.engine.release import ReleaseFold
from trimtab.engine.release_state import ReleaseSnapshot
from trimtab.schemas import decision as decisions
from trimtab.schemas.decision import Decision
from trimtab.schemas.evidence import VALUE_SCALE, Panes, Record, decode, encode
from trimtab.schemas.release import Release, parse_document
from trimtab.schemas.telemetry import Event

T = TypeVar("T")

LATER_MS: Final = 10_000
"""After that much every second that has begun is final."""
STEADY: Final = ("stable", "canary")
"""Variants of release `checkout` from its first spec to its last."""
CELLS: Final = 8
_MOST_FINAL_S: Final = 2
"""How far sources may move on within contributions that are shuffled: what is older is no longer remembered."""


def _pick(options: Sequence[T], byte: int) -> T:
    return options[byte % len(options)]


def traffic(cells: bytes, time_ms: int) -> list[Event]:
    """Responses of the first variant and another one, good, bad, slow or refused, and outcomes, some of them absurd."""
    of = _pick(("checkout", "checkout", "checkout", "search", "ghost"), cells[0])
    other = _pick(("canary", "canary", "newer", "phantom"), cells[1])
    segment = _pick(("", "", "mobile"), cells[2])
    status, duration_ms = _pick(((200, 9.0), (200, 9.0), (500, 9.0), (200, 400.0), (404, 9.0)), cells[3])
    events: list[Event] = [response("stable", time_ms, of=of, segment=segment) for _ in range(cells[4] % 40)]
    for number in range(cells[5] % 40):
        ended = status if number % 3 else 200
        events.append(response(other, time_ms, of=of, segment=segment, status=ended, duration_ms=duration_ms))
    for number in range(cells[6] % 24):
        variant = ("stable", other)[number % 2]
        converted = (number // 2) % (2 if cells[7] % 2 else 5) == 0
        factor = 3.0 if number == cells[3] % 50 else 1.0  # which makes it no share
        events.append(outcome(variant, time_ms, of=of, value=factor * converted))
        events.append(outcome(variant, time_ms, of=of, metric="revenue", value=(number - 4) * (1 + cells[7] % 7) / 4))
    events += [request(other, time_ms, of=of)] * (cells[7] // 64)
    for number in range(cells[6] % 48):
        routed = request(("stable", other)[number % 3 == 0], time_ms, of=of, segment=segment)
        events.append(msgspec.structs.replace(routed, era=NOW_S, revision=1 + cells[5] % 60))
    return events


class Source:
    """A telemetry partition, and whoever folds it."""

    def __init__(self, number: int) -> None:
        self.log: list[Message] = []
        self.done: dict[tuple[str, str], Content] = {}
        """(release, variant) -> what its events come to, by the oracle"""
        self.refused = 0
        self.events = 0
        self._clock_ms = 0
        self._number = number
        self._committed = 0
        self.crash()

    def append(self, message: Message) -> None:
        folded = fold([Message(self._clock_ms, ()), message], FoldSpec())
        for ((release, variant, _), _), content in folded.panes.items():
            self.done.setdefault((release, variant), Content()).merge(content)
        self.refused += folded.refused
        self.events += folded.events
        self._clock_ms = max(self._clock_ms, message.append_ms)
        self.log.append(message)

    def crash(self) -> None:
        """Whoever comes next begins where the last commit was; what was emitted since is emitted again."""
        self._builder = PaneBuilder(self._number, FoldSpec(), lambda _: 0)
        self._next, self._marks = self._committed, list[Mark]()

    def emit(self) -> list[Panes]:
        """Reads what there is and gives what changed; nothing is acknowledged."""
        for offset in range(self._next, len(self.log)):
            message = self.log[offset]
            self._builder.update(offset, message.append_ms, message.batch() if message.events else NO_EVENTS)
        self._next = len(self.log)
        panes, mark = self._builder.emit()
        self._marks.append(mark)
        return panes.get(0, [])

    def acknowledge(self) -> None:
        for mark in self._marks:
            self._builder.acknowledge(mark)
        self._marks.clear()
        offset = self._builder.commit_offset
        self._committed = self._committed if offset is None else offset


@dataclass
class World:
    """The evidence log, what came of each record, and who reads it."""

    log: Log = field(default_factory=list)
    made: list[Taken] = field(default_factory=list)
    """what the ledger that never restarts made of each record"""
    steady: Ledger = field(default_factory=lambda: Ledger(factories=FACTORIES))
    ledger: Ledger = field(default_factory=lambda: Ledger(factories=FACTORIES))
    """the one that restarts"""
    sources: Sequence[Source] = field(default_factory=lambda: (Source(0), Source(7)))
    now_ms: int = NOW_MS
    _store: Store = field(default_factory=Store)
    _generation: int = 1
    _past: list[Store] = field(default_factory=list)
    """what zombies restart from"""
    _newest: dict[str, Decision] = field(default_factory=dict)
    _origin: dict[str, Content] = field(default_factory=dict)
    """what each of `STEADY` had done when the present spec of `checkout` came"""

    def append(self, record: Record) -> None:
        """Appends a record as it crosses the wire; every ledger takes it, and every decision meets the laws."""
        payload = encode(record)
        self.log.append((self.now_ms, payload))
        effects = self.steady.advance(len(self.log) - 1, self.now_ms, decode(payload))
        self.made.append(Taken.of(effects))
        self._catch_up()
        for published in effects.published:
            self._judge(record, published)

    def _catch_up(self) -> None:
        while self.ledger.offset + 1 < len(self.log):
            offset = self.ledger.offset + 1
            assert_as_expected(take(self.ledger, offset, self.log[offset]), self.made[offset])

    def _judge(self, record: Record, published: Published) -> None:
        decision, weights = published.decision, published.weights
        assert decisions.decode_decision(decisions.encode(decision)) == decision
        assert decisions.decode_weights(decisions.encode(weights)) == weights
        assert (weights.id, weights.weights, weights.phase) == (decision.id, decision.weights, decision.phase)
        step = laws.Step(record, self._newest.get(decision.release), decision, parse_document(published.document))
        laws.check(step)
        self._newest[decision.release] = decision
        if decision.release == "checkout":
            self._tells_what_happened(step)

    def _tells_what_happened(self, step: laws.Step) -> None:
        """Counts the events behind a decision anew."""
        done = {variant: self._done(variant) for variant in STEADY}
        if step.starts_anew or step.goes_on:
            self._origin = done
        for arm in step.after.arms:
            if (content := done.get(arm.variant)) is not None:
                assert (arm.requests, arm.responses, arm.errors) == (
                    content.requests,
                    content.responses,
                    content.errors,
                )
                if step.release.spec.objective_metric is not None:
                    continue  # its seconds are observations: those are for tests of their own
                trials, earned = rewards(content, step.release)
                earlier_trials, earlier = rewards(self._origin.get(arm.variant, Content()), step.release)
                assert (arm.trials, arm.reward_sum) == (trials - earlier_trials, earned - earlier)

    def _done(self, variant: str) -> Content:
        """What the events of a variant of `checkout` come to, late ones and all."""
        content = Content()
        for source in self.sources:
            content.merge(source.done.get(("checkout", variant), Content()))
        return content

    def send(self, source: int, cells: bytes, age_ms: int) -> None:
        """Telemetry is appended to a source, folded, and what changed appended to the evidence log."""
        of = self.sources[source]
        of.append(Message(self.now_ms, tuple(traffic(cells, self.now_ms - age_ms))))
        self.flush(source)

    def flush(self, source: int, *, is_acknowledged: bool = True) -> None:
        for panes in self.sources[source].emit():
            self.append(panes)
        if is_acknowledged:
            self.sources[source].acknowledge()

    def restart(self, safe: str) -> None:
        """`safe`: what of the present state is written when it happens: all, the releases, one of them, nothing."""
        self._past.append(copy.deepcopy(self._store))
        if safe == "all":
            self._store.write(self.ledger, self._generation)
        elif safe != "nothing":
            self._store.write(self.ledger, self._generation, only_releases=True, at_most=1 if safe == "one" else 1000)
        self._generation += 1
        self.ledger = self._restored(self._store)
        self._catch_up()

    def _restored(self, store: Store) -> Ledger:
        ledger = store.restore()
        for offset in range(ledger.due, ledger.offset + 1):
            assert take(ledger, offset, self.log[offset]) == NOTHING
        return ledger

    def replay_from_the_past(self, which: int) -> None:
        """A zombie reads on from long ago: it says what was said, bit for bit, and ends where all others are."""
        zombie = self._restored(_pick([Store(), *self._past], which))
        for offset in range(zombie.offset + 1, len(self.log)):
            assert_as_expected(take(zombie, offset, self.log[offset]), self.made[offset])
        assert all_snapshots(zombie) == all_snapshots(self.steady) == all_snapshots(self.ledger)

    def merge_shuffled(self, random: Random) -> None:
        """A twin takes contributions twice and in another order, and has the same in its books."""
        twin = Ledger(factories=FACTORIES)
        for offset, (append_ms, record) in enumerate(shuffled(self.log, random)):
            twin.advance(offset, append_ms, record)
        for name, of in self.steady.releases.items():
            ours, theirs = books_of(twin.releases[name]), books_of(of)
            assert {name: totals_of(ours, name) for name in ours.totals} == {
                name: totals_of(theirs, name) for name in theirs.totals
            }

    def recount(self) -> None:
        """Once all is final, every event is in the books once: counted, late or refused."""
        self.now_ms += LATER_MS
        for number, source in enumerate(self.sources):
            source.append(Message(self.now_ms, ()))
            self.flush(number)
        refused = sum(pane.refusal.events for made in self.made for pane in made.refused)
        booked = sum(booked_in(books_of(release)) for release in self.steady.releases.values())
        assert booked + refused + sum(one.refused for one in self.sources) == sum(one.events for one in self.sources)
        for variant in STEADY:
            total = self._done(variant)
            counts, sums = totals_of(books_of(self.steady.releases["checkout"]), variant)
            assert counts == total.counts
            for metric, (outcomes, *_) in total.sums.items():  # all, or, where they had to be, shares alone
                assert total.shares[metric][0] <= sums.get(metric, (0,))[0] <= outcomes


def rewards(content: Content, release: Release) -> tuple[int, float]:
    """Trials and the sum of what they earned; outcomes that are no shares are none, where they have to be."""
    metric = release.spec.objective.metric
    if metric == "success":
        return content.responses, float(content.responses - content.errors)
    sums = content.shares if release.spec.objective.values == "share" else content.sums
    count, total, _ = sums.get(metric, (0, 0, 0))
    return count, total / VALUE_SCALE


def books_of(release: ReleaseFold) -> EvidenceSnapshot:
    return msgspec.msgpack.decode(release.snapshot(), type=ReleaseSnapshot).evidence


def shuffled(log: Log, random: Random) -> Iterable[tuple[int, Record]]:
    """The log, with neighbouring contributions twice and in any order, as far as all are remembered."""
    together: list[tuple[int, Record]] = []
    final_s: dict[int, int] = {}
    for append_ms, payload in log:
        record = decode(payload)
        if not isinstance(record, Panes) or record.final_s > final_s.get(record.source, 1 << 62) + _MOST_FINAL_S:
            yield from _in_any_order(together, random)
            together, final_s = [], {}
        if isinstance(record, Panes):
            together.append((append_ms, record))
            final_s[record.source] = min(record.final_s, final_s.get(record.source, 1 << 62))
        else:
            yield append_ms, record
    yield from _in_any_order(together, random)


def _in_any_order(together: list[tuple[int, Record]], random: Random) -> list[tuple[int, Record]]:
    twice = together + random.choices(together, k=len(together)) if together else []
    random.shuffle(twice)
    return twice
