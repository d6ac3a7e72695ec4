"""A/B tests on simulated traffic: the split, the winner, and the end without one."""

import pytest
from pydantic import ValidationError

from engine.builders import error_rate, release
from engine.simulation import Service, Simulation
from trimtab.schemas.decision import Phase
from trimtab.schemas.release import Release

SAME, BETTER, FAULTY = Service(conversion=0.2), Service(conversion=0.4), Service(error_ratio=0.5, conversion=0.2)


def ab_test(*variants: str, **more: object) -> Release:
    strategy = {"type": "abTest", "plannedTrials": 2_000, **more}
    return release(
        variants=variants or ("a", "b"), strategy=strategy, objective={"metric": "converted"},
        guardrails=[error_rate(0.1)],
    )  # fmt: skip


def test_traffic_is_split_evenly_unless_the_file_says_otherwise() -> None:
    for more, split in (({}, [5_000, 5_000]), ({"split": {"a": 9_000, "b": 1_000}}, [9_000, 1_000])):
        world = Simulation(ab_test(**more), {"a": SAME, "b": SAME})
        world.run(10)
        assert list(world.newest.weights.values()) == split


def test_a_winner_ends_it_and_keeps_the_split() -> None:
    world = Simulation(ab_test(), {"a": SAME, "b": BETTER})
    world.run(60)
    assert (world.newest.phase, world.newest.weights) == (Phase.COMPLETED, {"a": 5_000, "b": 5_000})
    assert any(made.rule.startswith("A/B test: b wins, b has 0.") for made in world.decisions)


def test_a_winner_may_take_all_traffic() -> None:
    world = Simulation(ab_test(onWinner="promote"), {"a": SAME, "b": BETTER})
    world.run(60)
    assert (world.newest.phase, world.newest.weights["b"]) == (Phase.PROMOTED, 10_000)


def test_a_baseline_that_wins_takes_all_traffic_back() -> None:
    world = Simulation(ab_test(onWinner="promote"), {"a": BETTER, "b": SAME})
    world.run(60)
    assert (world.newest.phase, world.newest.weights["a"]) == (Phase.ROLLED_BACK, 10_000)


def test_the_lesser_wins_where_the_objective_is_to_minimise() -> None:
    lesser = release(
        variants=("a", "b"), strategy={"type": "abTest", "plannedTrials": 2_000},
        objective={"metric": "converted", "goal": "minimize"},
    )  # fmt: skip
    world = Simulation(lesser, {"a": BETTER, "b": SAME})
    world.run(60)
    assert any(made.rule.startswith("A/B test: b wins") for made in world.decisions)


def test_without_a_difference_it_ends_when_its_time_is_over() -> None:
    world = Simulation(ab_test(duration="20s"), {"a": SAME, "b": SAME})
    made = list(world.run(40))
    end = next(one for one in made if one.phase is Phase.COMPLETED)
    assert end.rule.startswith("A/B test: no difference found: ")
    assert end.time_ms - world.decisions[0].time_ms >= 20_000


def test_a_variant_that_breaks_a_guardrail_leaves_its_share_to_the_baseline() -> None:
    world = Simulation(ab_test("a", "b", "c"), {"a": SAME, "b": FAULTY, "c": SAME})
    world.run(20)
    assert world.newest.weights == {"a": 6_667, "b": 0, "c": 3_333}


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"a": 5_000}, "expected a share of each of a, b, got a"),
        ({"a": 5_000, "c": 5_000}, "expected a share of each of a, b, got a, c"),
        ({"a": 5_000, "b": 4_000}, "shares sum to 9000 bp, expected 10000"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(split: object, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        ab_test(split=split)
