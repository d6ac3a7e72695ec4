"""Requests against weights that move."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.sequential.look import Routed
from trimtab.engine.sequential.sample_ratio import LN_ODDS_BOTH_WAYS, SampleRatioTest, ratio_steps
from trimtab.engine.sequential.starts import FIRST, ONLY_FIRST


def routed(seconds: int, seed: int, *, kept: tuple[float, ...] = (1.0, 1.0), rps: int = 1_000) -> list[Routed]:
    """Weights of the last arm swing slowly; `kept`: the part of each arm's requests that arrives."""
    rng = np.random.default_rng(seed)
    looks = []
    for second in range(seconds):
        last = int(1_000 + 1_500 * (math.sin(second / 500) + 1))
        others = len(kept) - 1
        weights = [(10_000 - last) // others] * others
        weights[0] += 10_000 - last - sum(weights)
        weights.append(last)
        sent = rng.multinomial(rps, np.array(weights) / 10_000)
        looks.append(Routed(weights, rng.binomial(sent, kept).tolist()))
    return looks


def looks_until(looks: list[Routed], alpha: float = 0.001, first: float = FIRST) -> float:
    test = SampleRatioTest(len(looks[0].weights), first=first)
    for second, look in enumerate(looks, 1):
        test.update(look)
        if test.evidence() >= -math.log(alpha):
            return second
    return math.inf


@pytest.mark.parametrize("weights", [(3.0, 1.0), (1.0, 2.0, 5.0), (1.0, 0.0, 3.0)])
def test_the_mean_is_one_by_enumeration(weights: tuple[float, ...]) -> None:
    n, shares = 4, [weight / sum(weights) for weight in weights]
    mean = np.zeros(len(weights) * len(LN_ODDS_BOTH_WAYS))
    for counts in np.ndindex(*[n + 1] * len(weights)):
        if sum(counts) == n:
            chance = math.factorial(n) * math.prod(
                share**x / math.factorial(x) for share, x in zip(shares, counts, strict=True)
            )
            requests = np.array(counts, dtype=np.float64)
            mean += chance * np.exp(ratio_steps(LN_ODDS_BOTH_WAYS, np.array(weights), requests, len(weights)))
    assert mean == pytest.approx(1, abs=1e-12)


def test_of_two_arms_it_does_not_matter_which_comes_first() -> None:
    one, other = SampleRatioTest(2), SampleRatioTest(2)
    for look in routed(50, 1):
        one.update(look)
        other.update(Routed(look.weights[::-1], look.requests[::-1]))
    assert one.evidence() == pytest.approx(other.evidence())


@given(st.integers(1, 9_999), st.integers(0, 500), st.integers(0, 500))
def test_weights_may_have_any_unit(weight: int, ours: int, theirs: int) -> None:
    look = Routed((weight, 10_000 - weight), (ours, theirs))
    scaled = Routed((weight / 10_000, 1 - weight / 10_000), (ours, theirs))
    assert SampleRatioTest(2).evidence(look) == pytest.approx(SampleRatioTest(2).evidence(scaled), abs=1e-9)


@pytest.mark.parametrize("kept", [(1.0, 0.9), (1.0, 1.0, 1.0, 0.9), (0.97, 1.0, 1.0, 1.0)])
def test_lost_requests_of_any_arm_are_found(kept: tuple[float, ...]) -> None:
    assert looks_until(routed(300, 2, kept=kept)) < 300


def test_a_loss_after_a_good_hour_is_found() -> None:
    looks = routed(3_600, 13) + routed(200, 4, kept=(1.0, 0.9))
    assert 3_600 < looks_until(looks) < 3_700
    assert looks_until(looks) < looks_until(looks, first=ONLY_FIRST) - 10


def test_moving_weights_alone_are_no_mismatch() -> None:
    assert looks_until(routed(3_000, 5)) == math.inf
    assert looks_until(routed(1_000, 6, kept=(1.0, 1.0, 1.0))) == math.inf


def test_requests_at_an_arm_without_weight_are_kept_apart() -> None:
    test = SampleRatioTest(3)
    test.update(Routed((5_000, 5_000, 0), (50, 50, 7)))
    test.update(Routed((10_000, 0, 0), (50, 1, 1)))
    assert test.strays == 9
    assert test.estimate().n == 100
    assert test.evidence() < 0


def test_the_estimate_is_the_arm_that_is_farthest_from_its_share() -> None:
    test = SampleRatioTest(3)
    assert test.estimate().value is None
    test.update(Routed((2, 1, 1), (52, 25, 23)))
    assert test.estimate().value == pytest.approx(0.92)
    assert test.estimate(Routed((2, 1, 1), (60, 25, 15))).value == pytest.approx(0.76)


def test_one_arm_is_nothing_to_compare() -> None:
    with pytest.raises(ValueError, match="at least two arms, got 1"):
        SampleRatioTest(1)


@pytest.mark.slow
@pytest.mark.parametrize("arms", [2, 4])
def test_false_alarms_are_rare_while_weights_move(arms: int) -> None:
    runs = [looks_until(routed(1_500, seed, kept=(1.0,) * arms), 0.05) for seed in range(200)]
    assert sum(run < math.inf for run in runs) / 200 <= 0.05


def fed(*looks: Routed, arms: int = 3) -> SampleRatioTest:
    test = SampleRatioTest(arms)
    for look in looks:
        test.update(look)
    return test


def test_requests_that_reach_an_arm_without_weight_change_neither_evidence_nor_ratios() -> None:
    without = fed(Routed((5_000, 5_000, 0), (60, 40, 0)))
    strays = fed(Routed((5_000, 5_000, 0), (60, 40, 30)))
    assert strays.evidence() == without.evidence()
    assert strays.estimate() == without.estimate()
    assert (strays.strays, without.strays) == (30, 0)


def test_strays_are_in_a_snapshot() -> None:
    restored = SampleRatioTest(3)
    restored.restore(fed(Routed((5_000, 5_000, 0), (60, 40, 30))).snapshot())
    assert restored.strays == 30


def test_the_ratio_that_is_farthest_from_one_stands_for_all() -> None:
    estimate = fed(Routed((2_000, 3_000, 5_000), (26, 24, 50))).estimate()
    assert (estimate.value, estimate.limit, estimate.n, estimate.is_within) == (1.3, 1.0, 100, True)


def test_each_arm_has_a_ratio_once_requests_are_expected_of_it() -> None:
    test = fed(Routed((2_000, 8_000, 0), (25, 75, 5)), Routed((2_000, 8_000, 0), (25, 75, 0)))
    assert [test.ratio(arm) for arm in range(3)] == [1.25, 0.9375, None]


def test_a_single_request_tells_as_much_as_it_does_and_none_tells_nothing() -> None:
    test = SampleRatioTest(2)
    assert test.evidence(Routed((7_500, 2_500), (0, 1))) != test.evidence() == 0.0
    test.update(Routed((7_500, 2_500), (0, 0)))
    assert test.estimate().n == 0
    test.update(Routed((7_500, 2_500), (0, 1)))
    assert (test.estimate().n, test.ratio(1)) == (1, 4.0)
