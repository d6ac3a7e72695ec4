"""Reaction time: what waits longest is what is measured."""

import numpy as np
from prometheus_client import CollectorRegistry

from trimtab.engine.batch import Message
from trimtab.engine.pane import FoldSpec
from trimtab.schemas.evidence import Reactions
from trimtab.schemas.telemetry import ColumnBatch
from trimtab.streams.latency import MOST_TOLD, Awaited, Latency
from trimtab.streams.reaction_watch import reactions_of

SPEC = FoldSpec(lateness_ms=2_000, skew_ms=1_000)
APPENDED_MS = 1_700_000_000_000


def message(*event_ms: int, sent_ms: int = APPENDED_MS - 20, append_ms: int = APPENDED_MS) -> Message:
    base_ms = min(event_ms, default=0)
    time = np.array([one - base_ms for one in event_ms], dtype="<i4").tobytes()
    batch = ColumnBatch(
        publisher="p", seq=0, sent_ms=sent_ms, base_ms=base_ms, count=len(event_ms), keys=[], metrics=[], kind=b"",
        key=b"", time=time,
    )  # fmt: skip
    return Message(0, append_ms, batch)


def awaited(*messages: Message) -> int:
    made = Awaited(SPEC)
    made.note(messages)
    return made.event_ms


def test_the_newest_event_of_the_oldest_message_is_awaited() -> None:
    assert awaited(message(APPENDED_MS - 90, APPENDED_MS - 30), message(APPENDED_MS - 5)) == APPENDED_MS - 30


def test_a_heartbeat_waits_for_nothing() -> None:
    assert awaited(message(), message(APPENDED_MS - 5)) == APPENDED_MS - 5


def test_a_message_of_late_events_waits_for_nothing() -> None:
    assert awaited(message(APPENDED_MS - 60_000), message(APPENDED_MS - 5)) == APPENDED_MS - 5


def test_a_wrong_clock_is_corrected_as_the_fold_corrects_it() -> None:
    hour_ms = 3_600_000
    assert awaited(message(APPENDED_MS - hour_ms - 50, sent_ms=APPENDED_MS - hour_ms)) == APPENDED_MS - 50


def test_an_event_is_never_after_the_broker_has_it() -> None:
    assert awaited(message(APPENDED_MS + 400)) == APPENDED_MS


def test_after_an_emission_the_next_message_is_awaited() -> None:
    made = Awaited(SPEC)
    made.note([message(APPENDED_MS - 40)])
    made.emitted()
    made.note([message(APPENDED_MS - 10)])
    assert made.event_ms == APPENDED_MS - 10


class Measured:
    """A latency on a clock of the test's own, and what it has observed."""

    def __init__(self) -> None:
        self.registry, self.now_ms = CollectorRegistry(), APPENDED_MS
        self.latency = Latency(self.registry, lambda: self.now_ms / 1000)

    def sums_ms(self) -> tuple[float, float]:
        """Count of reactions, and the milliseconds that they took together."""
        count = self.registry.get_sample_value("trimtab_decision_latency_seconds_count")
        total = self.registry.get_sample_value("trimtab_decision_latency_seconds_sum")
        assert count is not None
        assert total is not None
        return count, round(total * 1000)

    def stage_ms(self, stage: str) -> float:
        total = self.registry.get_sample_value("trimtab_stage_latency_seconds_sum", {"stage": stage})
        assert total is not None
        return round(total * 1000)


def test_stages_add_up_to_the_reaction_time() -> None:
    it = Measured()
    it.now_ms += 60
    it.latency.folded(APPENDED_MS - 50, APPENDED_MS)
    it.now_ms += 25
    it.latency.heard(["checkout"], APPENDED_MS - 50, APPENDED_MS + 60)
    it.latency.decided("checkout", (7, 1))
    it.now_ms += 3
    it.latency.visible("checkout", (7, 1))
    assert [it.stage_ms(stage) for stage in ("telemetry", "fold", "decide", "publish")] == [50, 60, 25, 3]
    assert it.sums_ms() == (1, 50 + 60 + 25 + 3)


def test_a_decision_that_is_passed_over_hands_on_how_long_it_waited() -> None:
    it = Measured()
    it.latency.heard(["checkout"], APPENDED_MS - 500, APPENDED_MS)
    it.latency.decided("checkout", (7, 1))
    it.latency.heard(["checkout"], APPENDED_MS - 100, APPENDED_MS)
    it.latency.decided("checkout", (7, 2))
    it.latency.decided("checkout", (7, 3))
    it.latency.visible("checkout", (7, 3))
    assert it.sums_ms() == (1, 500)


def test_evidence_waits_for_the_decision_that_takes_it_up() -> None:
    it = Measured()
    it.latency.heard(["checkout"], APPENDED_MS - 300, APPENDED_MS)
    it.latency.heard(["checkout"], APPENDED_MS - 10, APPENDED_MS)
    it.now_ms += 200
    it.latency.decided("checkout", (7, 1))
    it.latency.visible("checkout", (7, 1))
    assert it.sums_ms() == (1, 500)


def test_a_decision_on_time_alone_is_not_measured() -> None:
    it = Measured()
    it.latency.heard(["search"], APPENDED_MS, APPENDED_MS)
    it.latency.decided("checkout", (7, 1))
    it.latency.visible("checkout", (7, 1))
    assert it.sums_ms() == (0, 0)


def test_reactions_of_a_release_that_is_watched_are_told_once() -> None:
    it = Measured()
    for revision in range(1, 4):
        it.latency.heard(["checkout"], it.now_ms, it.now_ms)
        it.latency.decided("checkout", (7, revision))
        it.now_ms += 100 * revision
        it.latency.visible("checkout", (7, revision))
        it.latency.watch(["checkout"])
    assert reactions_of(it.latency, "checkout") == Reactions(release="checkout", took_ms=[200, 300])
    assert reactions_of(it.latency, "checkout") is None


def test_an_event_that_waits_for_redis_is_told_of_again_and_again() -> None:
    it = Measured()
    it.latency.watch(["checkout"])
    it.latency.heard(["checkout"], it.now_ms, it.now_ms)
    it.latency.decided("checkout", (7, 1))
    told = []
    for _ in range(3):
        it.now_ms += 600
        told.append(reactions_of(it.latency, "checkout"))
    waiting = [Reactions(release="checkout", took_ms=[], waiting_ms=waits_ms) for waits_ms in (1_200, 1_800)]
    assert told == [None, *waiting]


def test_so_many_reactions_are_kept_and_no_more() -> None:
    it = Measured()
    it.latency.watch(["checkout"])
    for revision in range(MOST_TOLD + 5):
        it.latency.heard(["checkout"], it.now_ms, it.now_ms)
        it.latency.decided("checkout", (7, revision))
        it.latency.visible("checkout", (7, revision))
    told = reactions_of(it.latency, "checkout")
    assert told is not None
    assert len(told.took_ms) == MOST_TOLD


def test_a_release_that_went_to_another_worker_is_not_measured() -> None:
    it = Measured()
    it.latency.heard(["checkout"], APPENDED_MS, APPENDED_MS)
    it.latency.decided("checkout", (7, 1))
    it.latency.heard(["checkout"], APPENDED_MS, APPENDED_MS)
    it.latency.forget("checkout")
    it.latency.decided("checkout", (7, 9))
    it.latency.visible("checkout", (7, 9))
    assert it.sums_ms() == (0, 0)
