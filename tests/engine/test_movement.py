"""How the weights of a release move: exclusions, moves, steps and who has it all, one rule at a time."""

from typing import Any

import pytest

from engine.builders import Json, release
from trimtab.engine.movement import Movement
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.strategy.situation import Move, all_to
from trimtab.schemas.decision import Phase

CANARY: Json = {"type": "canary", "steps": [1_000, 3_000, 6_000], "hold": "1s"}
BLUE_GREEN: Json = {"type": "blueGreen", "preview": 500, "verify": "2s", "watch": "5s"}
BANDIT: Json = {"type": "bandit"}
THREE = ("stable", "canary", "other")
NOW_MS = 50_000
TO_STABLE, TO_CANARY = all_to(0, 3), all_to(1, 3)


def moving(
    strategy: Json = CANARY, weights: tuple[int, ...] = (9_000, 600, 400), limits: Json | None = None, **state: Any
) -> tuple[Movement, ReleaseState]:
    """The movement of as many variants as there are weights, and the state that it moves."""
    kept = ReleaseState(weights=list(weights), now_ms=NOW_MS, **state)
    return Movement(release(variants=THREE[: len(weights)], strategy=strategy, limits=limits).spec, kept), kept


def test_all_may_take_traffic_until_they_are_excluded() -> None:
    movement, _ = moving(limits={"maxWeight": 3_500})
    assert (movement.baseline, movement.names) == (0, list(THREE))
    assert (movement.eligible, movement.candidates, movement.room) == ([True] * 3, ["canary", "other"], 7_000)
    movement.exclude({"canary": "it is slow"})
    assert (movement.eligible, movement.candidates, movement.room) == ([True, False, True], ["other"], 3_500)
    movement.exclude({"other": "it is slow, too"})
    assert (movement.eligible, movement.candidates) == ([True, False, False], [])


def test_what_is_excluded_when_a_release_is_restored_is_known_at_once() -> None:
    asked = [moving(limits={"maxWeight": 3_500}, excluded={"canary": "it is slow"})[0] for _ in range(3)]
    assert (asked[0].eligible, asked[1].candidates, asked[2].room) == ([True, False, True], ["other"], 3_500)


def test_an_excluded_variant_loses_its_weight_to_the_baseline_in_every_segment() -> None:
    movement, state = moving(segment_weights={"mobile": [5_000, 3_000, 2_000]})
    movement.exclude({"canary": "it is slow"})
    assert (state.weights, state.segment_weights) == ([9_600, 0, 400], {"mobile": [8_000, 0, 2_000]})
    assert (state.excluded, state.moved_ms, state.phase) == ({"canary": "it is slow"}, NOW_MS, Phase.PROGRESSING)


@pytest.mark.parametrize(("chosen", "after"), [("canary", ""), ("other", "other"), ("", "")])
def test_a_choice_is_void_once_it_is_excluded(chosen: str, after: str) -> None:
    movement, state = moving(chosen=chosen)
    movement.exclude({"canary": "it is slow"})
    assert state.chosen == after


def test_without_a_candidate_the_release_is_rolled_back() -> None:
    movement, state = moving(segment_weights={"mobile": [5_000, 3_000, 2_000]})
    movement.exclude({"canary": "it is slow", "other": "it is slow"})
    assert (state.phase, state.weights, state.segment_weights) == (Phase.ROLLED_BACK, [10_000, 0, 0], {})


def test_weights_that_a_person_sets_hold_for_every_segment() -> None:
    movement, state = moving(segment_weights={"mobile": [5_000, 3_000, 2_000]})
    movement.put({"stable": 4_000, "canary": 6_000})
    assert (state.weights, state.segment_weights, state.moved_ms) == ([4_000, 6_000, 0], {}, NOW_MS)


def test_weights_that_stay_are_no_move() -> None:
    movement, state = moving()
    movement.put({"stable": 9_000, "canary": 600, "other": 400})
    assert state.moved_ms == 0


@pytest.mark.parametrize(
    ("cooldown", "moved_ms", "left_ms"),
    [("7s", NOW_MS - 2_000, 5_000), ("7s", NOW_MS - 7_000, 0), ("7s", NOW_MS - 9_000, 0), ("7s", 0, 0),
     ("0s", NOW_MS, 0), ("1m", 0, 0)],
)  # fmt: skip
def test_weights_stay_for_the_rest_of_the_cooldown(cooldown: str, moved_ms: int, left_ms: int) -> None:
    movement, _ = moving(limits={"cooldown": cooldown}, moved_ms=moved_ms)
    assert movement.cooldown_left_ms == left_ms


def test_a_move_goes_as_far_as_the_step_limit_lets_it() -> None:
    movement, state = moving(limits={"maxStep": 500})
    movement.settle(Move((4_000.0, 3_000.0, 3_000.0), "", 2), [7, 8, 9])
    assert (state.weights, state.step, state.moved_ms) == ([8_500, 750, 750], 2, NOW_MS)
    assert (state.step_began_ms, state.step_responses) == (0, [])


def test_a_step_begins_when_its_share_is_reached_and_only_then() -> None:
    movement, state = moving()
    movement.settle(Move((7_000.0, 1_500.0, 1_500.0), "", 1), [7, 8, 9])
    assert (state.step, state.step_began_ms, state.step_responses) == (1, NOW_MS, [7, 8, 9])
    state.now_ms += 1_000
    movement.settle(Move((7_000.0, 1_500.0, 1_500.0), "", 1), [17, 18, 19])
    assert (state.step_began_ms, state.step_responses) == (NOW_MS, [7, 8, 9])


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_step_that_the_release_comes_to_stand_on_begins_whichever_it_is(step: int) -> None:
    movement, state = moving(weights=(10_000, 0, 0), limits={"maxStep": 10_000}, step=step)
    half = (1_000, 3_000, 6_000)[step] / 2
    movement.settle(Move((10_000.0 - 2 * half, half, half), "", step), [1, 1, 1])
    assert (state.step_began_ms, state.step_responses) == (NOW_MS, [1, 1, 1])


def test_strategies_without_steps_never_reach_one() -> None:
    assert not moving(BANDIT)[0].has_reached(0)
    assert moving()[0].has_reached(0)
    assert not moving()[0].has_reached(1)


@pytest.mark.parametrize(
    ("arm", "holdout", "weights", "phase"),
    [(1, 0, [0, 10_000, 0], Phase.PROMOTED), (1, 700, [700, 9_300, 0], Phase.PROMOTED),
     (0, 700, [10_000, 0, 0], Phase.ROLLED_BACK)],
)  # fmt: skip
def test_a_release_is_over_once_its_choice_has_all(arm: int, holdout: int, weights: list[int], phase: Phase) -> None:
    movement, state = moving(limits={"holdout": holdout, "maxStep": 10_000})
    movement.settle(Move(all_to(arm, 3), "", 0, arm), [0, 0, 0])
    assert (state.chosen, state.weights, state.phase) == (THREE[arm], weights, phase)


def test_a_release_is_not_over_while_its_choice_has_less() -> None:
    movement, state = moving(limits={"maxStep": 1_000})
    movement.settle(Move(TO_CANARY, "", 0, 1), [0, 0, 0])
    assert (state.chosen, state.phase) == ("canary", Phase.PROGRESSING)


def test_a_release_is_not_over_while_a_segment_is_on_its_way() -> None:
    movement, state = moving(weights=(500, 9_500, 0), limits={"maxStep": 1_000},
                             segment_weights={"mobile": [8_000, 2_000, 0]})  # fmt: skip
    movement.settle(Move(TO_CANARY, "", 0, 1), [0, 0, 0])
    assert (state.weights, state.segment_weights) == ([0, 10_000, 0], {"mobile": [7_000, 3_000, 0]})
    assert state.phase is Phase.PROGRESSING


def test_who_has_all_without_being_chosen_is_not_promoted() -> None:
    movement, state = moving(limits={"maxStep": 10_000})
    movement.settle(Move(TO_CANARY, "", 0), [0, 0, 0])
    assert (state.weights, state.phase) == ([0, 10_000, 0], Phase.PROGRESSING)


def test_a_move_may_end_the_release_without_a_choice() -> None:
    movement, state = moving()
    movement.settle(Move(TO_STABLE, "", is_complete=True), [0, 0, 0])
    assert state.phase is Phase.COMPLETED


@pytest.mark.parametrize(("keeps_floor", "weights"), [(True, [5_000, 3_000, 2_000]), (False, [4_900, 3_100, 2_000])])
def test_only_moves_of_a_policy_have_to_be_worth_it(keeps_floor: bool, weights: list[int]) -> None:  # noqa: FBT001
    movement, state = moving(BANDIT, (5_000, 3_000, 2_000), {"hysteresis": 200})
    movement.settle(Move((4_900.0, 3_100.0, 2_000.0), "", keeps_floor=keeps_floor), [0, 0, 0])
    assert state.weights == weights


@pytest.mark.parametrize(("keeps_floor", "weights"), [(True, [300, 9_400, 300]), (False, [0, 10_000, 0])])
def test_only_moves_of_a_policy_leave_everybody_a_floor(keeps_floor: bool, weights: list[int]) -> None:  # noqa: FBT001
    movement, state = moving(BANDIT, limits={"minWeight": 300, "maxStep": 10_000})
    movement.settle(Move(TO_CANARY, "", keeps_floor=keeps_floor), [0, 0, 0])
    assert state.weights == weights


def test_who_may_not_take_traffic_has_no_floor() -> None:
    movement, state = moving(
        BANDIT, (9_600, 0, 400), {"minWeight": 300, "maxStep": 10_000}, excluded={"canary": "slow"}
    )
    movement.settle(Move(TO_CANARY, "", keeps_floor=True), [0, 0, 0])
    assert state.weights[1] == 0
    assert min(state.weights[0], state.weights[2]) >= 300


def test_a_candidate_keeps_to_its_cap_until_it_is_chosen_and_the_baseline_has_none() -> None:
    limits = {"maxWeight": 4_000, "maxStep": 10_000}
    movement, state = moving(BANDIT, limits=limits)
    movement.settle(Move(TO_CANARY, ""), [0, 0, 0])
    assert state.weights == [3_000, 4_000, 3_000]
    movement.settle(Move(TO_STABLE, ""), [0, 0, 0])
    assert state.weights == [10_000, 0, 0]
    movement.settle(Move(TO_CANARY, "", 0, 1), [0, 0, 0])
    assert state.weights == [0, 10_000, 0]


@pytest.mark.parametrize(("strategy", "canary"), [(BLUE_GREEN, 10_000), (CANARY, 1_000)])
def test_a_blue_green_switch_is_one_move(strategy: Json, canary: int) -> None:
    movement, state = moving(strategy, (9_500, 500), {"maxStep": 500})
    movement.settle(Move(all_to(1, 2), ""), [0, 0])
    assert state.weights[1] == canary


def test_a_step_back_goes_to_the_share_of_the_step_before_and_begins_it_anew() -> None:
    movement, state = moving(weights=(4_000, 3_000, 3_000), step=2, limits={"maxStep": 10_000})
    assert movement.step_back([7, 8, 9])
    assert (state.step, state.weights) == (1, [7_000, 1_500, 1_500])
    assert (state.step_began_ms, state.step_responses) == (NOW_MS, [7, 8, 9])


def test_a_step_back_that_takes_several_moves_begins_at_once_too() -> None:
    movement, state = moving(weights=(4_000, 3_000, 3_000), step=2, limits={"maxStep": 100})
    assert movement.step_back([7, 8, 9])
    assert (state.step, state.weights) == (1, [4_100, 2_950, 2_950])
    assert (state.step_began_ms, state.step_responses) == (NOW_MS, [7, 8, 9])


def test_after_a_step_back_nobody_has_cleared_that_step_nor_confirmed_anything() -> None:
    movement, state = moving(weights=(4_000, 3_000, 3_000), step=2, cleared_step=1, ready="canary", confirmed="canary")
    assert movement.step_back([7, 8, 9])
    assert (state.cleared_step, state.ready, state.confirmed) == (-1, "", "")


@pytest.mark.parametrize(("ready", "after"), [("canary", ""), ("other", "other")])
def test_nobody_is_asked_to_confirm_who_is_excluded(ready: str, after: str) -> None:
    movement, state = moving(ready=ready, confirmed=ready)
    movement.exclude({"canary": "it is slow"})
    assert (state.ready, state.confirmed) == (after, after)


@pytest.mark.parametrize(
    "state",
    [{"step": 0}, {"step": 1, "chosen": "stable"}, {"step": 1, "excluded": {"canary": "slow", "other": "slow"}}],
    ids=["the first", "the baseline takes all", "nobody left"],
)
def test_there_is_no_step_back(state: dict[str, Any]) -> None:
    movement, kept = moving(**state)
    assert not movement.step_back([7, 8, 9])
    assert (kept.weights, kept.step, kept.step_began_ms) == ([9_000, 600, 400], state["step"], 0)


@pytest.mark.parametrize("step", [0, 1])
def test_on_the_way_to_all_traffic_a_step_back_goes_to_the_step_that_was_stood_on(step: int) -> None:
    movement, state = moving(weights=(1_000, 9_000, 0), step=step, chosen="canary", limits={"maxStep": 10_000})
    assert movement.step_back([7, 8, 9])
    half = (500, 1_500)[step]
    assert (state.step, state.weights, state.chosen) == (step, [10_000 - 2 * half, half, half], "")


def test_a_step_back_that_takes_several_moves_is_gone_on_with_before_the_next_one() -> None:
    movement, state = moving(weights=(4_000, 3_000, 3_000), step=2, limits={"maxStep": 2_000})
    went = []
    while movement.step_back([7, 8, 9]):
        went.append((state.step, state.weights[0]))
    assert went == [(1, 6_000), (1, 7_000), (0, 9_000)]


@pytest.mark.parametrize(("weights", "goes"), [((7_001, 2_000, 999), False), ((7_000, 2_000, 1_000), True)])
def test_a_step_back_never_gives_candidates_more(weights: tuple[int, ...], *, goes: bool) -> None:
    movement, state = moving(weights=weights, step=2, limits={"maxStep": 10_000})
    assert movement.step_back([7, 8, 9]) is goes
    assert state.weights == ([7_000, 1_500, 1_500] if goes else list(weights))


@pytest.mark.parametrize("chosen", ["", "canary"])
def test_without_steps_there_is_none_to_go_back_to(chosen: str) -> None:
    movement, state = moving(BANDIT, chosen=chosen)
    assert not movement.step_back([7, 8, 9])
    assert (state.weights, state.chosen) == ([9_000, 600, 400], chosen)
