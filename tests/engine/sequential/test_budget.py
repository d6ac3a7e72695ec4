"""A share against what is allowed of it: valid at every response, and how soon it tells."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.sequential.budget import Budgets, BudgetTest
from trimtab.engine.sequential.conclusion import Side
from trimtab.engine.sequential.look import Share


@pytest.mark.parametrize("allowed", [0.001, 0.02, 0.3, 0.95])
@pytest.mark.parametrize(("side", "sign"), [(Side.HARM, -1), (Side.BENEFIT, 1)])
def test_evidence_does_not_grow_on_average_at_any_share_within_the_null(allowed: float, side: Side, sign: int) -> None:
    """All sequences of looks of one, two and three responses."""
    for part in (0.0, 0.5, 1.0):
        share = allowed + sign * part * (allowed if sign < 0 else 1 - allowed)
        mean = 0.0
        for breaches in product(range(2), range(3), range(4)):
            test, chance = BudgetTest(allowed, side=side), 1.0
            for n, x in enumerate(breaches, 1):
                test.update(Share(n, x))
                chance *= math.comb(n, x) * share**x * (1 - share) ** (n - x)
            mean += chance * math.exp(test.evidence())
        assert mean == pytest.approx(1, abs=1e-12) if part == 0 else mean <= 1


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.sampled_from([1e-4, 0.02, 0.5]))
def test_more_breaches_are_more_evidence_of_harm_and_less_of_benefit(n: int, breaches: int, allowed: float) -> None:
    breaches = min(n, breaches)
    fewer, more = Share(n + 1, breaches), Share(n + 1, breaches + 1)
    harm, benefit = BudgetTest(allowed), BudgetTest(allowed, side=Side.BENEFIT)
    assert harm.evidence(fewer) <= harm.evidence(more)
    assert benefit.evidence(fewer) >= benefit.evidence(more)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_a_look_in_two_parts_weighs_as_much_as_in_one(first: int, second: int, x: int, y: int) -> None:
    parts, whole = Share(first, min(x, first)), Share(second, min(y, second))
    together = Share(first + second, parts.breaches + whole.breaches)
    test, plain = BudgetTest(0.1, first=1.0), BudgetTest(0.1, first=1.0)
    test.update(parts)
    assert test.evidence(whole) == pytest.approx(plain.evidence(together))


def test_the_estimate_is_the_share_since_the_beginning() -> None:
    test = BudgetTest(0.02)
    assert test.estimate().value is None
    test.update(Share(100, 2))
    assert (test.estimate().value, test.estimate().limit, test.estimate().is_within) == (0.02, 0.02, True)
    assert not test.estimate(Share(1, 1)).is_within


@pytest.mark.parametrize("allowed", [0.0, 1.0, -0.1, math.nan])
def test_a_budget_of_nothing_or_everything_is_refused(allowed: float) -> None:
    with pytest.raises(ValueError, match="expected an allowed share between 0 and 1"):
        BudgetTest(allowed)


def test_a_budget_has_one_side() -> None:
    with pytest.raises(ValueError, match="expected one side"):
        BudgetTest(0.1, side=Side.BOTH)


def test_tests_side_by_side_say_what_each_says_alone() -> None:
    tests, peeks = [BudgetTest(allowed) for allowed in (0.02, 0.5, 0.1)], [Share(1, 1), Share(0, 0), Share(1, 0)]
    budgets = Budgets(tests)
    for looks in range(3):
        for test, look in zip(tests, (Share(30, looks), Share(9, 9), Share(20, 1)), strict=True):
            test.update(look)
        assert budgets.evidence(peeks) == [test.evidence(peek) for test, peek in zip(tests, peeks, strict=True)]


def test_tests_side_by_side_take_looks_as_each_does_alone() -> None:
    """The second has more tilts than the others, and looks without responses among those that have some."""
    shares = 0.5, 0.02, 0.1
    looks = (
        (Share(9, 5), Share(30, 2), Share(20, 1)),
        (Share(0, 0), Share(30, 0), Share(0, 0)),
        (Share(1, 1), Share(0, 0), Share(20, 4)),
    )
    alone, told = [BudgetTest(share) for share in shares], [BudgetTest(share) for share in shares]
    budgets = Budgets(told)
    for of_each in looks:
        for test, look in zip(alone, of_each, strict=True):
            test.update(look)
        budgets.update(of_each)
        assert [test.snapshot() for test in told] == [test.snapshot() for test in alone]
    assert [test.estimate() for test in told] == [test.estimate() for test in alone]
    assert budgets.evidence([Share(0, 0)] * 3) == [test.evidence() for test in alone]


def test_no_tests_side_by_side_say_nothing() -> None:
    assert Budgets([]).evidence([]) == []


def requests_until(alpha: float, share: float, horizon: int, seed: int) -> float:
    """Looks of a second with twenty responses; the open second is looked at with every response."""
    rng, test, seen = np.random.default_rng(seed), BudgetTest(0.02), 0
    while seen < horizon:
        breaches = np.cumsum(rng.random(20) < share).tolist()
        for n, x in enumerate(breaches, 1):
            if test.evidence(Share(n, x)) >= -math.log(alpha):
                return seen + n
        test.update(Share(20, breaches[-1]))
        seen += 20
    return math.inf


@pytest.mark.parametrize(("share", "p95"), [(0.5, 14), (0.1, 200), (0.05, 1_050)])
def test_a_spent_budget_is_found_within_few_requests(share: float, p95: int) -> None:
    found = [requests_until(0.01, share, 2 * p95, seed) for seed in range(100)]
    assert np.sort(found)[94] <= p95


@pytest.mark.slow
def test_a_share_on_its_limit_is_seldom_condemned_though_every_response_is_looked_at() -> None:
    alarms = sum(requests_until(0.05, 0.02, 4_000, seed) < math.inf for seed in range(400))
    assert alarms / 400 <= 0.05
