"""What each strategy answers, word for word, wherever its release stands."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from engine.builders import Json, release
from engine.test_strategies import CANARY, situation, verdict
from trimtab.engine.experiment.sample import Share
from trimtab.engine.strategy.choice import choose
from trimtab.engine.strategy.situation import Move, Situation, all_to
from trimtab.engine.strategy.steps import dealt, interval_ms, shares, steps_of
from trimtab.schemas.decision import Verdict

BLUE_GREEN: Json = {"type": "blueGreen", "preview": 1_000, "verify": "5s", "watch": "8s", "minResponses": 10}
SHADOW: Json = {"type": "shadow", "duration": "5s", "minResponses": 10}
BANDIT: Json = {"type": "bandit", "policy": {"type": "uniform"}}
ENSEMBLE: Json = {"type": "ensemble", "interval": "3s"}
THREE = ("stable", "canary", "other")
INCONCLUSIVE = verdict(Verdict.INCONCLUSIVE, "critical")


def spec_of(strategy: Json, variants: Sequence[str] = ("stable", "canary"), **limits: int) -> Any:
    return release(strategy=strategy, variants=variants, limits=limits).spec


@pytest.mark.parametrize(
    ("strategy", "steps"),
    [
        (CANARY, (1_000, 4_000)),
        (BLUE_GREEN, (1_000, 9_300)),
        (SHADOW, (0,)),
        (BANDIT, ()),
        (ENSEMBLE, ()),
        ({"type": "abTest"}, ()),
    ],
    ids=str,
)
def test_the_steps_of_each_strategy(strategy: Json, steps: tuple[int, ...]) -> None:
    assert steps_of(spec_of(strategy, holdout=700)) == steps


@pytest.mark.parametrize(
    ("strategy", "pace", "ms"),
    [
        ({"type": "bandit", "interval": "7s"}, 5, 7_000),
        (ENSEMBLE, 5, 3_000),
        ({"type": "abTest"}, 5, 5_000),
        ({**CANARY, "hold": "5m"}, 1, 1_000),
        ({**CANARY, "hold": "5m"}, 5, 5_000),
        ({**CANARY, "hold": "5m"}, 50, 15_000),
        ({**CANARY, "hold": "70001ms"}, 50, 3_500),
        ({**CANARY, "hold": "5s"}, 50, 1_000),
    ],
    ids=str,
)
def test_how_often_weights_are_chosen(strategy: Json, pace: int, ms: int) -> None:
    interval = interval_ms(spec_of(strategy).strategy, pace)
    assert (interval, type(interval)) == (ms, int)


def test_what_is_over_a_cap_goes_to_who_has_a_higher_one() -> None:
    assert dealt(6_000, [10_000, 10_000, 10_000]) == [2_000.0] * 3
    assert dealt(6_000, [500, 1_000, 10_000]) == [500.0, 1_000.0, 4_500.0]
    assert dealt(0, [10_000]) == [0.0]
    assert dealt(0, []) == []


def test_candidates_that_are_left_share_a_step() -> None:
    three = situation(CANARY, THREE, weights=(9_000, 500, 500))
    assert shares(three, 3_000) == (7_000.0, 1_500.0, 1_500.0)
    assert shares(replace(three, eligible=(True, False, True)), 3_000) == (7_000.0, 0.0, 3_000.0)


@pytest.mark.parametrize(
    ("responses", "step_responses", "is_heard", "waits"),
    [
        ((1_000, 1_000, 1_000), (990, 990, 991), (True, True, True), "other has had 9 responses in it, waits for 10"),
        ((1_000, 1_000, 1_000), (990, 990, 990), (True, True, False), "other has had no responses for 1m"),
        ((1_000, 1_000, 1_000), (990, 991, 990), (True, True, False), "canary has had 9 responses in it, waits for 10"),
    ],
)
def test_a_step_waits_for_every_candidate(
    responses: Sequence[int], step_responses: Sequence[int], is_heard: Sequence[bool], waits: str
) -> None:
    three = situation(
        CANARY, THREE, weights=(9_000, 500, 500), responses=responses, step_responses=step_responses, is_heard=is_heard
    )
    assert choose(three).rule == f"canary step 1 of 2: {waits}"


def test_a_step_waits_for_the_guardrails_of_every_candidate() -> None:
    three = situation(CANARY, THREE, weights=(9_000, 500, 500))
    waits = replace(three, assessments=verdict(Verdict.FAIL, "ordinary", "other"))
    assert choose(waits).rule == "canary step 1 of 2: errors of other is fail"


def test_a_canary_waits_for_what_its_advance_says() -> None:
    by_time, by_hand = ({**CANARY, "advance": advance} for advance in ("time", "manual"))
    assert choose(situation(by_time, assessments=INCONCLUSIVE)).rule == "canary: step 1 of 2 passed"
    waits = choose(situation(by_hand, assessments=INCONCLUSIVE))
    assert waits.rule == "canary step 1 of 2: errors of canary is inconclusive"
    ready = choose(situation(by_hand))
    assert (ready.rule, ready.step) == ("canary step 1 of 2: ready, waits for a person to promote it", 0)
    assert choose(situation(by_hand, cleared_step=0)).step == 1


def test_a_canary_goes_on_with_the_next_step_and_to_its_share() -> None:
    three_steps: Json = {**CANARY, "steps": [1_000, 4_000, 9_000]}
    at_second = situation(three_steps, step=1, weights=(6_000, 4_000))
    assert choose(at_second) == Move((1_000.0, 9_000.0), "canary: step 2 of 3 passed", 2)
    waits = choose(replace(at_second, now_ms=100_000))
    assert waits == Move((6_000.0, 4_000.0), "canary step 2 of 3: held until 5s have passed", 1)


def test_the_best_candidate_takes_all_after_the_last_step() -> None:
    at_last = situation(CANARY, THREE, step=1, weights=(6_000, 2_000, 2_000), probabilities=(0.3, 0.3, 0.4))
    assert choose(at_last) == Move((0.0, 0.0, 10_000.0), "canary: all steps passed, other takes all", 1, 2)


def at_green(**more: object) -> Situation:
    """After the switch, as soon as it may end."""
    after = situation(BLUE_GREEN, step=1, weights=(0, 10_000), now_ms=108_000)
    return replace(after, **more)


@pytest.mark.parametrize(
    ("now", "move"),
    [
        (situation(BLUE_GREEN, now_ms=104_999),
         Move((9_000.0, 1_000.0), "blue/green before the switch: held until 5s have passed", 0)),
        (situation(BLUE_GREEN), Move(all_to(1, 2), "blue/green: canary takes all traffic, the way back stays open", 1)),
        (situation({**BLUE_GREEN, "switch": "manual"}),
         Move((9_000.0, 1_000.0), "blue/green before the switch: ready, waits for a person to promote it", 0)),
        (situation({**BLUE_GREEN, "switch": "manual"}, now_ms=100_000, cleared_step=0),
         Move(all_to(1, 2), "blue/green: canary takes all traffic, the way back stays open", 1)),
        (at_green(now_ms=107_999), Move(all_to(1, 2), "blue/green after the switch: held until 8s have passed", 1)),
        (at_green(), Move(all_to(1, 2), "blue/green: canary has passed after the switch", 1, 1)),
        (at_green(now_ms=100_000, cleared_step=1),
         Move(all_to(1, 2), "blue/green: canary has passed after the switch", 1, 1)),
    ],
)  # fmt: skip
def test_blue_green_looks_before_the_switch_and_after_it(now: Situation, move: Move) -> None:
    assert choose(now) == move


@pytest.mark.parametrize(
    ("more", "rule", "is_complete"),
    [
        ({"now_ms": 104_999}, "shadow: held until 5s have passed", False),
        ({"weights": (9_999, 1)}, "shadow: on the way", False),
        ({}, "shadow: canary passed", True),
        ({"now_ms": 100_000, "cleared_step": 0}, "shadow: canary passed", True),
    ],
)
def test_a_shadow_moves_nothing_and_ends_when_it_has_passed(
    more: Mapping[str, object], rule: str, *, is_complete: bool
) -> None:
    now = replace(situation(SHADOW, weights=(10_000, 0)), **more)
    assert choose(now) == Move((10_000.0, 0.0), rule, is_complete=is_complete)


def test_a_shadow_names_all_that_have_passed() -> None:
    assert choose(situation(SHADOW, THREE, weights=(10_000, 0, 0))).rule == "shadow: canary, other passed"


def test_a_bandit_follows_its_policy_and_keeps_floors() -> None:
    now = situation(BANDIT, shares=(0.25, 0.75))
    rule = "bandit: weights follow the policy uniform"
    assert choose(now) == Move((2_500.0, 7_500.0), rule, keeps_floor=True)
    assert choose(now).step == 0
    assert choose(replace(now, fault="it gave nothing")).rule == f"{rule}; it gave nothing"
    apart = choose(replace(now, segment_shares={"mobile": (0.5, 0.5)}))
    assert (apart.rule, apart.segments) == (f"{rule}, in each segment", {"mobile": (5_000.0, 5_000.0)})


def test_an_ensemble_follows_what_its_members_have_earned_and_keeps_floors() -> None:
    rule = "ensemble: weights follow what each member's own answers have earned"
    now = situation(ENSEMBLE, shares=(0.25, 0.75))
    assert choose(now) == Move((2_500.0, 7_500.0), rule, keeps_floor=True)


def test_a_winner_may_take_all_traffic_or_leave_the_split_as_it_was() -> None:
    split: Json = {"type": "abTest", "split": {"stable": 7_000, "canary": 3_000}, "plannedTrials": 3_000}
    stays, promoted = (
        choose(
            situation(
                {**split, "onWinner": on}, samples=(Share(2_000, 1_000), Share(2_000, 1_900)), weights=(7_000, 3_000)
            )
        )
        for on in ("keep", "promote")
    )
    assert (stays.target, stays.chosen, stays.is_complete) == ((7_000.0, 3_000.0), None, True)
    assert (promoted.target, promoted.chosen, promoted.is_complete) == ((0.0, 10_000.0), 1, False)
    assert promoted.rule == stays.rule
