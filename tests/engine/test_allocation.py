"""From preference to weights: whole, complete, within their limits, and as near to the wish as limits let them."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.engine.allocation import Bounds, allocate, withdraw
from trimtab.engine.errors import EngineError
from trimtab.schemas.ids import BASIS_POINTS

Case = tuple[list[float], list[int], list[Bounds], int]


@st.composite
def cases(draw: st.DrawFn, most: int = 8) -> Case:
    """target, current, bounds, step limit: of weights that limits held before, or of a spec that was just applied."""
    arms = draw(st.integers(2, most))
    shares = draw(st.lists(st.integers(0, 1000), min_size=arms, max_size=arms).filter(sum))
    cuts = [BASIS_POINTS * sum(shares[: arm + 1]) // sum(shares) for arm in range(arms)]
    current = [cut - before for cut, before in zip(cuts, [0, *cuts[:-1]], strict=True)]
    target = draw(st.lists(st.floats(0, 1, width=32), min_size=arms, max_size=arms).filter(lambda wish: sum(wish) > 0))
    floor = draw(st.integers(0, BASIS_POINTS // arms))
    cap = draw(st.integers(floor, BASIS_POINTS))
    may = [True, *draw(st.lists(st.booleans(), min_size=arms - 1, max_size=arms - 1))]
    current[0] += sum(weight for weight, eligible in zip(current, may, strict=True) if not eligible)
    current = [weight if eligible else 0 for weight, eligible in zip(current, may, strict=True)]
    bounds = [Bounds(floor, BASIS_POINTS)] + [Bounds(floor, cap) if eligible else Bounds(0, 0) for eligible in may[1:]]
    return target, current, bounds, draw(st.integers(1, BASIS_POINTS))


@settings(max_examples=200)
@given(cases())
def test_weights_are_whole_complete_and_within_the_step(case: Case) -> None:
    target, current, bounds, max_step = case
    weights = allocate(target, current, bounds, max_step)
    assert sum(weights) == BASIS_POINTS
    assert all(isinstance(weight, int) and weight >= 0 for weight in weights)
    assert all(abs(new - old) <= max_step for new, old in zip(weights, current, strict=True))


@settings(max_examples=60)
@given(cases())
def test_floors_and_caps_are_reached_in_time_and_never_left(case: Case) -> None:
    target, weights, bounds, max_step = case[0], tuple(case[1]), case[2], max(case[3], 100)
    held: set[int] = set()
    for _ in range(2 * BASIS_POINTS // max_step + 2 + len(weights)):
        weights = allocate(target, weights, bounds, max_step)
        kept = {arm for arm, bound in enumerate(bounds) if bound.floor <= weights[arm] <= bound.cap}
        assert held <= kept
        held = kept
    assert held == set(range(len(weights)))


@settings(max_examples=60)
@given(cases())
def test_weights_come_to_rest(case: Case) -> None:
    target, weights, bounds, max_step = case[0], tuple(case[1]), case[2], max(case[3], 500)
    for _ in range(2 * BASIS_POINTS // max_step + 2 + len(weights)):
        weights = allocate(target, weights, bounds, max_step)
    assert allocate(target, weights, bounds, max_step) == weights


def reachable(case: Case) -> tuple[list[int], list[int]]:
    """The interval of each weight, where floors and caps can hold within the step."""
    _, current, bounds, max_step = case
    low = [max(now - max_step, min(bound.floor, now + max_step), 0) for now, bound in zip(current, bounds, strict=True)]
    high = [min(now + max_step, max(bound.cap, now - max_step)) for now, bound in zip(current, bounds, strict=True)]
    return low, [min(most, BASIS_POINTS) for most in high]


def nearest_whole(wish: list[float], low: list[int], high: list[int]) -> float:
    """The least sum of squared distances of any whole weights: unit by unit to where it costs least, which is exact."""
    weights = list(low)
    costs = [(2 * (low[arm] - wish[arm]) + 1, arm) for arm in range(len(wish)) if low[arm] < high[arm]]
    heapify(costs)
    for _ in range(BASIS_POINTS - sum(low)):
        cost, arm = heappop(costs)
        weights[arm] += 1
        if weights[arm] < high[arm]:
            heappush(costs, (cost + 2, arm))
    return sum((weight - want) ** 2 for weight, want in zip(weights, wish, strict=True))


def nearest_by_enumeration(wish: list[float], low: list[int], high: list[int]) -> float:
    """The least distance of any weights, whole or not: each arm at a bound or shifted with the others, all ways."""
    best = float("inf")
    for places in product("lhf", repeat=len(wish)):
        free = [arm for arm, place in enumerate(places) if place == "f"]
        at: dict[str, Sequence[float]] = {"l": low, "h": high, "f": wish}
        weights = [at[place][arm] for arm, place in enumerate(places)]
        if free:
            shift = (BASIS_POINTS - sum(weights)) / len(free)
            weights = [weight + shift * (arm in free) for arm, weight in enumerate(weights)]
        fits = all(low[arm] - 1e-6 <= weight <= high[arm] + 1e-6 for arm, weight in enumerate(weights))
        if fits and abs(sum(weights) - BASIS_POINTS) < 1e-6:
            best = min(best, sum((weight - want) ** 2 for weight, want in zip(weights, wish, strict=True)))
    return best


@settings(max_examples=150)
@given(cases(most=5))
def test_weights_are_the_nearest_that_limits_allow(case: Case) -> None:
    low, high = reachable(case)
    if sum(low) > BASIS_POINTS or sum(high) < BASIS_POINTS:
        return
    wish = (np.array(case[0]) * BASIS_POINTS / sum(case[0])).tolist()
    weights = allocate(*case)
    distance = sum((weight - want) ** 2 for weight, want in zip(weights, wish, strict=True))
    assert distance == pytest.approx(nearest_whole(wish, low, high), rel=1e-6, abs=1e-3)
    # Rounding moves each arm by less than one basis point.
    assert distance**0.5 <= nearest_by_enumeration(wish, low, high) ** 0.5 + len(wish) ** 0.5


def test_equal_remainders_go_to_the_earlier_arm() -> None:
    free = [Bounds(0, BASIS_POINTS)] * 3
    assert allocate([1, 1, 1], [10_000, 0, 0], free, BASIS_POINTS) == (3334, 3333, 3333)


def test_of_two_basis_points_that_are_left_no_arm_gets_both() -> None:
    free = [Bounds(0, BASIS_POINTS)] * 3
    assert allocate([3_332.8, 3_333.6, 3_333.6], [10_000, 0, 0], free, BASIS_POINTS) == (3_333, 3_334, 3_333)


def test_without_a_holdout_the_baseline_may_lose_all() -> None:
    free = [Bounds(0, BASIS_POINTS)] * 2
    assert allocate([0.0, 1.0], [10_000, 0], free, BASIS_POINTS) == (0, 10_000)


def test_floors_yield_to_the_step_limit() -> None:
    floors = [Bounds(3_000, BASIS_POINTS)] * 3
    assert allocate([1.0, 0.0, 0.0], [10_000, 0, 0], floors, 100) == (9_900, 50, 50)
    assert allocate([1.0, 0.0, 0.0], [6_950, 50, 3_000], floors, 100) == (6_850, 150, 3_000)


def test_caps_yield_to_the_step_limit() -> None:
    bounds = [Bounds(0, BASIS_POINTS), Bounds(0, 1_000), Bounds(0, 1_000)]
    assert allocate([0.0, 0.5, 0.5], [0, 5_000, 5_000], bounds, 100) == (100, 4_950, 4_950)
    assert allocate([0.0, 0.5, 0.5], [4_000, 5_000, 1_000], bounds, 100) == (4_100, 4_900, 1_000)


def test_withdrawn_weight_goes_to_the_baseline_and_nowhere_else() -> None:
    assert withdraw([2_000, 5_000, 3_000], [True, False, True], 0) == (7_000, 0, 3_000)
    assert withdraw([2_000, 5_000, 3_000], [False, True, False], 1) == (0, 10_000, 0)


def test_the_baseline_keeps_its_weight_whatever_is_said_of_it() -> None:
    assert withdraw([2_000, 8_000], [False, False], 0) == (10_000, 0)


@pytest.mark.parametrize("current", [[10_000, 1], [9_999, 0], [0, 0]])
def test_weights_that_are_not_complete_are_a_fault(current: list[int]) -> None:
    with pytest.raises(EngineError, match="expected 10000"):
        allocate([0.5, 0.5], current, [Bounds(0, BASIS_POINTS)] * 2, 100)


@settings(max_examples=150)
@given(cases(most=5), st.integers(0, BASIS_POINTS))
def test_a_holdout_is_a_floor_of_the_baseline(case: Case, holdout: int) -> None:
    target, current, bounds, max_step = case
    raised = [Bounds(max(holdout, bounds[0].floor), BASIS_POINTS), *bounds[1:]]
    weights = allocate(target, current, bounds, max_step, holdout=holdout)
    assert weights == allocate(target, current, raised, max_step)


def test_a_holdout_is_kept_by_the_baseline_wherever_it_stands() -> None:
    free = [Bounds(0, BASIS_POINTS)] * 3
    wish = [0.0, 1.0, 0.0]
    assert allocate(wish, [0, 0, 10_000], free, BASIS_POINTS, baseline=2, holdout=1_500) == (0, 8_500, 1_500)


@settings(max_examples=150)
@given(cases(most=5), st.integers(0, BASIS_POINTS))
def test_weights_stay_where_no_move_is_as_great_as_the_hysteresis_or_a_step(case: Case, hysteresis: int) -> None:
    target, current, bounds, max_step = case
    moved = allocate(*case)
    holds = all(bound.floor <= weight <= bound.cap for bound, weight in zip(bounds, current, strict=True))
    furthest = max(abs(new - old) for new, old in zip(moved, current, strict=True))
    stays = holds and furthest < min(hysteresis, max_step)
    weights = allocate(target, current, bounds, max_step, hysteresis=hysteresis)
    assert weights == (tuple(current) if stays else moved)


def test_a_small_move_that_a_floor_asks_for_is_made() -> None:
    floors = [Bounds(100, BASIS_POINTS)] * 2
    assert allocate([1.0, 0.0], [9_960, 40], floors, 2_000, hysteresis=500) == (9_900, 100)


def test_steps_smaller_than_the_hysteresis_lead_to_where_it_holds() -> None:
    weights: tuple[int, ...] = (10_000, 0)
    for _ in range(60):
        weights = allocate([0.5, 0.5], weights, [Bounds(0, BASIS_POINTS)] * 2, 100, hysteresis=300)
    assert weights == (5_000, 5_000)
