"""Strategies as functions of a situation: at the very edge of each of their rules."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from engine.builders import Json, release
from trimtab.engine.experiment.confidence_sequence import Level
from trimtab.engine.experiment.sample import Sample, Share
from trimtab.engine.experiment.winner import assess
from trimtab.engine.strategy.choice import choose
from trimtab.engine.strategy.situation import Situation
from trimtab.engine.strategy.steps import shortest_ms
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.strategy import BlueGreen, Canary, Shadow

CANARY: Json = {"type": "canary", "steps": [1_000, 4_000], "hold": "5s", "minResponses": 10}
AB_TEST: Json = {"type": "abTest", "duration": "60s", "plannedTrials": 3_000}


def situation(strategy: Json, variants: Sequence[str] = ("stable", "canary"), **more: object) -> Situation:
    """One in which the candidates have what the first step of `CANARY` gives, and nothing is left to wait for."""
    arms = len(variants)
    plain = Situation(
        spec=release(variants=variants, strategy=strategy).spec, now_ms=105_000, weights=(9_000, 1_000), step=0,
        eligible=(True,) * arms, probabilities=(1 / arms,) * arms, responses=(1_000,) * arms, assessments={},
        step_began_ms=100_000, step_responses=(990,) * arms, shares=(), samples=(Share(100, 50),) * arms,
        is_heard=(True,) * arms,
    )  # fmt: skip
    return replace(plain, **more)


def verdict(of: Verdict, severity: str, variant: str = "canary") -> Mapping[str, Sequence[Assessment]]:
    seen = Assessment(
        guardrail="errors", variant=variant, verdict=of, value=None, limit=1.0, n=0, breaches=0, allowed_ratio=0.1,
        window_s=10, severity=severity,
    )  # fmt: skip
    return {variant: [seen]}


def test_a_step_ends_once_it_has_lasted_and_has_had_its_responses() -> None:
    assert choose(situation(CANARY)).rule == "canary: step 1 of 2 passed"
    assert choose(situation(CANARY)).target == (6_000, 4_000)


@pytest.mark.parametrize(
    ("more", "waits"),
    [
        ({"now_ms": 104_999}, "held until 5s have passed"),
        ({"step_responses": (0, 991)}, "canary has had 9 responses in it, waits for 10"),
        ({"is_heard": (True, False)}, "canary has had no responses for 1m"),
        ({"weights": (9_001, 999)}, "on the way"),
        ({"assessments": verdict(Verdict.INCONCLUSIVE, "critical")}, "errors of canary is inconclusive"),
        ({"assessments": verdict(Verdict.FAIL, "ordinary")}, "errors of canary is fail"),
    ],
)
def test_a_step_waits(more: Mapping[str, Any], waits: str) -> None:
    move = choose(situation(CANARY, **more))
    assert (move.rule, move.step, move.target) == (f"canary step 1 of 2: {waits}", 0, (9_000, 1_000))


@pytest.mark.parametrize(
    "assessments",
    [
        verdict(Verdict.PASS, "critical"),
        verdict(Verdict.INCONCLUSIVE, "ordinary"),
        verdict(Verdict.FAIL, "signal"),
        verdict(Verdict.FAIL, "critical", "stable"),
    ],
)
def test_a_step_does_not_wait_for(assessments: Mapping[str, Sequence[Assessment]]) -> None:
    assert choose(situation(CANARY, assessments=assessments)).step == 1


def test_silent_baselines_and_their_few_responses_hold_nobody_up() -> None:
    assert choose(situation(CANARY, is_heard=(False, True), step_responses=(1_000, 0))).step == 1


def test_a_baseline_that_is_best_with_just_enough_probability_stays() -> None:
    worse = (Share(100, 50), Share(100, 49))
    at_last = situation(CANARY, step=1, weights=(6_000, 4_000), probabilities=(0.95, 0.05), samples=worse)
    assert choose(at_last).chosen == 0
    assert choose(at_last).rule == "canary: stable is best with probability 0.950, so it stays"
    assert choose(replace(at_last, probabilities=(0.949, 0.051))).chosen == 1


@pytest.mark.parametrize(
    ("goal", "samples", "chosen"),
    [
        ("maximize", (Share(1_000, 1_000), Share(20, 20)), 1),
        ("maximize", (Share(1_000, 999), Share(20, 19)), 0),
        ("maximize", (Share(1_000, 999), Share(0, 0)), 0),
        ("minimize", (Share(1_000, 0), Share(20, 0)), 1),
        ("minimize", (Share(1_000, 1), Share(20, 1)), 0),
    ],
)
def test_a_baseline_that_has_shown_no_more_does_not_stay_for_its_traffic_alone(
    goal: str, samples: tuple[Share, Share], chosen: int
) -> None:
    at_last = situation(CANARY, step=1, weights=(6_000, 4_000), probabilities=(0.99, 0.01), samples=samples)
    spec = at_last.spec.model_copy(update={"objective": at_last.spec.objective.model_copy(update={"goal": goal})})
    assert choose(replace(at_last, spec=spec)).chosen == chosen


def test_a_step_that_a_person_has_cleared_ends_and_no_later_one() -> None:
    early = situation(CANARY, now_ms=100_001)
    assert not early.is_cleared
    assert choose(replace(early, cleared_step=0)).step == 1
    assert choose(replace(early, step=1, cleared_step=0, weights=(6_000, 4_000))).step == 1


@pytest.mark.parametrize(
    ("strategy", "ms"),
    [
        (Canary(type="canary", hold=7), 7_000),
        (BlueGreen(type="blueGreen", verify=9, watch=4), 4_000),
        (BlueGreen(type="blueGreen", verify=3, watch=4), 3_000),
        (Shadow(type="shadow", duration=8), 8_000),
    ],
)
def test_the_shortest_time_that_a_step_lasts(strategy: Canary | BlueGreen | Shadow, ms: int) -> None:
    assert shortest_ms(strategy) == ms


def test_an_experiment_is_over_exactly_when_its_time_is() -> None:
    running = situation(AB_TEST, now_ms=159_999)
    assert not choose(running).is_complete
    assert choose(replace(running, now_ms=160_000)).is_complete


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_an_experiment_is_judged_at_the_trials_of_each_arm_that_are_planned(goal: str) -> None:
    applied = release(strategy=AB_TEST, objective={"goal": goal}).spec
    samples: dict[str, Sample] = {"stable": Share(2_000, 1_000), "canary": Share(2_000, 1_200)}
    by_hand = assess(samples, Level(0.05, 1_500), minimize=goal == "minimize")
    move = choose(situation(AB_TEST, spec=applied, samples=tuple(samples.values())))
    winner = "canary" if goal == "maximize" else "stable"
    assert move.rule == f"A/B test: {winner} wins, {by_hand.reason}"
    assert move.is_complete


def test_an_excluded_arm_is_not_compared_and_its_share_is_the_baseline_s() -> None:
    samples = (Share(2_000, 1_000), Share(2_000, 1_200), Share(2_000, 1_900))
    three = situation(AB_TEST, ("stable", "canary", "newer"), samples=samples, weights=(3_334, 3_333, 3_333))
    assert "newer wins" in choose(three).rule
    left = choose(replace(three, eligible=(True, True, False)))
    assert "canary wins" in left.rule
    assert left.target == pytest.approx((6_666.67, 3_333.33, 0.0), abs=0.01)
