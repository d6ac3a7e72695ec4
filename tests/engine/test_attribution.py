"""Rewards that come late: what counts for which request, when, and what learns of it."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import NOW_MS, NOW_S, outcome, release, request, response
from engine.evidence_rig import EvidenceRig, decision, decisions
from engine.late_rewards import Asked, last_s, mature, play, requests
from trimtab.engine.cohort_book import CohortBook, CohortSpec
from trimtab.engine.contribution import rows_of
from trimtab.engine.evidence import Evidence, EvidenceSnapshot
from trimtab.engine.ledger import Ledger
from trimtab.engine.request_book import RequestKeep
from trimtab.engine.window import Keep
from trimtab.schemas.decision import Decision, encode
from trimtab.schemas.evidence import VALUE_SCALE, Panes
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Outcome

RULES = ("first", "last", "sum", "max")


def waiting(window_s: int = 5, rule: str = "last", default: float = 0.0, **more: object) -> Release:
    attribution = {"window": f"{window_s}s", "repeated": rule, "default": default}
    values = "real" if rule == "sum" else "share"
    more.setdefault("strategy", {"type": "bandit", "policy": {"type": "thompson"}})
    return release(objective={"metric": "rating", "values": values, "attribution": attribution}, **more)  # type: ignore[arg-type]


def earned(made: Decision) -> dict[str, tuple[int, float]]:
    return {arm.variant: (arm.trials, arm.reward_sum) for arm in made.arms}


def joined(asked: Sequence[Asked], window_s: int, rule: str, default: float) -> dict[str, tuple[int, float]]:
    """Trials and rewards by brute force: each request with its own outcomes."""
    return {
        variant: (
            sum(one.variant == variant for one in asked),
            sum(one.reward(window_s, rule, default) for one in asked if one.variant == variant),
        )
        for variant in ("stable", "canary")
    }


@settings(max_examples=60)
@given(requests(), st.sampled_from((1, 5, 12, 60)), st.sampled_from(RULES), st.sampled_from((0.0, 0.5)))
def test_every_decision_rests_on_what_joining_mature_requests_gives(
    asked: list[Asked], window_s: int, rule: str, default: float
) -> None:
    rig = EvidenceRig()
    rig.apply(waiting(window_s, rule, default))
    made = play(rig, asked, last_s(window_s))
    for now_ms, one in made:
        assert earned(one) == joined(mature(asked, now_ms, window_s), window_s, rule, default)
    assert earned(made[-1][1]) == joined(asked, window_s, rule, default)
    assert sum(arm.maturing for arm in made[-1][1].arms) == 0
    outside = sum(len(one.outcomes) - len(one.counted(window_s)) for one in asked)
    assert sum(arm.outside for arm in made[-1][1].arms) == outside
    assert made[-1][1].seen.counted == sum(1 + len(one.outcomes) for one in asked)


@settings(max_examples=25)
@given(requests(), st.sampled_from(RULES))
def test_repetitions_of_records_change_no_decision(asked: list[Asked], rule: str) -> None:
    once, twice = EvidenceRig(), EvidenceRig()
    for rig in (once, twice):
        rig.apply(waiting(5, rule))
    last = [play(rig, asked, last_s(5), again=again)[-1][1] for rig, again in ((once, 1), (twice, 3))]
    assert earned(last[0]) == earned(last[1])


@settings(max_examples=25)
@given(requests(), st.sampled_from(RULES), st.integers(0, 200))
def test_replay_and_a_restart_anywhere_decide_the_same_bit_for_bit(asked: list[Asked], rule: str, at: int) -> None:
    rig = EvidenceRig()
    rig.apply(waiting(5, rule, 0.25, guardrails=[{"metric": "sample_ratio"}]))
    made = [one for _, one in play(rig, asked, last_s(5))]
    assert [encode(one) for one in decisions(rig.replay())][1:] == [encode(one) for one in made]
    ledger, again = Ledger(), []
    for offset, (at_ms, record) in enumerate(rig.log):
        again += decisions(ledger.advance(offset, at_ms, record))
        if offset == at % len(rig.log):
            ledger = Ledger.restore([ledger.snapshot()], [[fold.snapshot()] for fold in ledger.releases.values()])
    assert [encode(one) for one in again][1:] == [encode(one) for one in made]


COHORTS = CohortSpec("rating", 5, VALUE_SCALE // 4, "max")
KEEP = Keep(requests=RequestKeep(("stable", "canary"), COHORTS, has_ratio=True))


def merged(sent: Sequence[Panes], now_s: int) -> EvidenceSnapshot:
    evidence = Evidence(("stable", "canary"), {}, KEEP)
    for panes in sent:
        evidence.merge(panes.source, panes.offset, panes.final_s, list(rows_of(panes)), now_s)
    snapshot = evidence.snapshot()
    snapshot.contents.sort(key=lambda known: known[0])
    return snapshot


@settings(max_examples=60)
@given(requests(), st.integers(0, 40), st.randoms(use_true_random=False))
def test_contributions_may_come_in_any_order_and_twice(asked: list[Asked], after_s: int, random: Random) -> None:
    rig = EvidenceRig()
    young = [replace(one, start_ms=NOW_MS + one.start_ms % 1_000) for one in asked]
    rig.apply(waiting())
    play(rig, young, NOW_S + 3)
    sent = [record for _, record in rig.log if isinstance(record, Panes)]
    shuffled = sent + random.choices(sent, k=len(sent))
    random.shuffle(shuffled)
    assert merged(shuffled, NOW_S + after_s) == merged(sent, NOW_S + after_s)


def told(rig: EvidenceRig, *events: object) -> Decision:
    """The last decision once these events are there and their cohorts are mature."""
    made = decisions(rig.bring(*events))  # type: ignore[arg-type]
    for _ in range(12):
        made += decisions(rig.wait(1_000))
    return made[-1]


def rating(value: float, *, start_ms: int, at_ms: int, variant: str = "canary", number: int = 0) -> Outcome:
    return Outcome(
        release="checkout", variant=variant, time_ms=at_ms, metric="rating", value=value, started_ms=start_ms,
        request=number,
    )  # fmt: skip


def test_a_request_counts_once_its_cohort_is_mature_and_not_before() -> None:
    rig = EvidenceRig()
    rig.apply(waiting(window_s=5))
    rig.bring(request(), rating(1.0, start_ms=NOW_MS, at_ms=NOW_MS))
    seen = [(rig.now_ms - NOW_MS, one) for _ in range(12) for one in decisions(rig.wait(1_000))]
    assert [earned(one)["canary"] for _, one in seen] == [(0, 0.0), (1, 1.0)]
    assert [at_ms for at_ms, _ in seen] == [1_000, 9_000], "the second of the request, its window, and three"
    assert [one.arms[1].maturing for _, one in seen] == [1, 0]


def test_time_alone_lets_cohorts_mature_and_be_decided_on() -> None:
    rig = EvidenceRig()
    rig.apply(waiting(window_s=2, default=1.0))
    made = told(rig, request(), request("stable"))
    assert earned(made) == {"stable": (1, 1.0), "canary": (1, 1.0)}


def test_a_request_of_which_nobody_told_is_a_trial_by_its_outcome() -> None:
    rig = EvidenceRig()
    rig.apply(waiting(default=0.5))
    made = told(rig, rating(1.0, start_ms=NOW_MS - 1_000, at_ms=NOW_MS))
    assert earned(made)["canary"] == (1, 1.0)


def test_outcomes_of_other_metrics_earn_nothing() -> None:
    rig = EvidenceRig()
    rig.apply(waiting())
    assert earned(told(rig, request(), outcome(value=1.0)))["canary"] == (1, 0.0)


def test_a_release_starts_anew_with_cohorts_of_its_own() -> None:
    rig = EvidenceRig()
    rig.apply(waiting(window_s=5))
    told(rig, request(), rating(1.0, start_ms=NOW_MS, at_ms=NOW_MS))
    before_ms = rig.now_ms - 2_000
    rig.apply(waiting(window_s=6))
    made = told(rig, rating(1.0, start_ms=before_ms, at_ms=rig.now_ms), request(time_ms=rig.now_ms))
    assert earned(made)["canary"] == (1, 0.0)
    assert made.arms[1].outside == 1


def test_a_source_that_is_far_behind_adds_to_what_is_mature() -> None:
    rig = EvidenceRig()
    rig.apply(waiting(window_s=2))
    late = rig.panes(request(), rating(1.0, start_ms=NOW_MS, at_ms=NOW_MS))
    assert late is not None
    rig.wait(30_000)
    made = decision(rig.append(msgspec.structs.replace(late, source=7)))
    assert earned(made)["canary"] == (1, 1.0)


def test_without_an_attribution_outcomes_count_when_they_come() -> None:
    rig = EvidenceRig()
    rig.apply(release(objective={"metric": "rating"}))
    rig.bring(request(), rating(1.0, start_ms=NOW_MS - 60_000, at_ms=NOW_MS))
    made = decision(rig.wait(1_000))
    assert earned(made)["canary"] == (1, 1.0)
    assert (made.arms[1].maturing, made.arms[1].outside) == (0, 0)


def test_a_bandit_moves_on_mature_rewards_and_on_nothing_else() -> None:
    rig = EvidenceRig()
    rig.apply(waiting(window_s=20))
    weights: dict[int, int] = {}
    for second in range(60):
        at_ms = rig.now_ms
        events = [
            event
            for variant, value in (("stable", 0.0), ("canary", 1.0))
            for number in range(20)
            for event in (
                request(variant, at_ms),
                rating(value, start_ms=at_ms - 3_000, at_ms=at_ms, variant=variant, number=second * 100 + number + 1),
            )
        ]
        for one in decisions([rig.bring(*events), rig.wait(1_000)]):
            weights[second] = one.weights["canary"]
    early = [weight for second, weight in weights.items() if second < 20]
    late = [weight for second, weight in weights.items() if second > 40]
    assert max(early) <= 5_000 + 10, "nothing is known yet"
    assert min(late) > 9_000


def test_a_canary_promotes_whom_mature_rewards_show_to_be_best() -> None:
    strategy = {"type": "canary", "steps": [5_000], "hold": "30s"}
    rig = EvidenceRig()
    rig.apply(waiting(window_s=4, strategy=strategy))
    chances = []
    for _ in range(40):
        at_ms = rig.now_ms
        events = [event for _ in range(20) for event in (
            request("stable", at_ms), response("stable", at_ms), request("canary", at_ms), response("canary", at_ms),
            rating(1.0, start_ms=at_ms - 2_000, at_ms=at_ms),
        )]  # fmt: skip
        chances += [one.arms[1].probability_best for one in decisions([rig.bring(*events), rig.wait(1_000)])]
    assert chances[3] == pytest.approx(0.5)
    assert chances[-1] > 0.99


def test_a_policy_is_told_the_weights_that_routed_what_matured() -> None:
    book = CohortBook(CohortSpec("rating", 5, 0, "last"), arms=2, since_s=0)
    book.expect(100, 3, (9_000, 1_000))
    book.expect(100, 1, (5_000, 5_000))
    book.advance(109)
    assert book.expected() == [32_000, 8_000]


def test_a_policy_that_knows_segments_is_told_of_mature_requests_of_each() -> None:
    rig, means = EvidenceRig(), {"mobile": (0, 1), "desktop": (1, 0), "": (1, 0)}
    strategy = {"type": "bandit", "policy": {"type": "segmented"}}
    rig.apply(waiting(3, segments=[{"name": "mobile"}, {"name": "desktop"}], strategy=strategy))
    made: list[Decision] = []
    for _ in range(25):
        rig.now_ms += 1_000
        events = [
            event
            for segment, values in means.items()
            for variant, value in zip(("stable", "canary"), values, strict=True)
            for event in (
                request(variant, rig.now_ms, segment=segment),
                outcome(variant, rig.now_ms, value=value, metric="rating", segment=segment),
            )
            for _ in range(20)
        ]
        made += decisions(rig.bring(*events))
    newest = made[-1]
    assert {segment: weights["canary"] for segment, weights in newest.segments.items()} == {
        "desktop": 100, "mobile": 9_900,
    }  # fmt: skip
    assert newest.weights["canary"] == 100
    mobile = newest.arms[1].segments["mobile"]
    assert mobile.trials == mobile.reward_sum == newest.arms[1].trials / 3
    assert 0 < mobile.trials < 25 * 20
    steady, restored = Ledger(), Ledger()
    for offset, (at_ms, record) in enumerate(rig.log):
        assert restored.advance(offset, at_ms, record) == steady.advance(offset, at_ms, record)
        restored = Ledger.restore([restored.snapshot()], [[fold.snapshot()] for fold in restored.releases.values()])
