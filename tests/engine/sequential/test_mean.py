"""Means against a limit and against the baseline: asymptotic, so what holds is what is measured here."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from trimtab.engine.sequential.conclusion import Side
from trimtab.engine.sequential.look import Sums, SumsPair
from trimtab.engine.sequential.mean import DifferenceTest, Harm, MeanTest
from trimtab.engine.sequential.moments import half_width

Draw = Callable[[np.random.Generator, tuple[int, int]], npt.NDArray[np.float64]]

DRAWS: dict[str, Draw] = {
    "normal": lambda rng, size: 1 + rng.normal(0, 1, size),
    "exponential": lambda rng, size: rng.exponential(1.0, size),
    "lognormal": lambda rng, size: rng.lognormal(-0.5, 1.0, size),
    "a few buy": lambda rng, size: np.where(rng.random(size) < 0.05, 20.0, 0.0),
}
"""All have mean 1."""


def sums(draw: str, looks: int, n: int, seed: int, factor: float = 1.0) -> list[Sums]:
    values = factor * DRAWS[draw](np.random.default_rng(seed), (looks, n))
    return [Sums(n, *both) for both in zip(values.sum(1).tolist(), (values**2).sum(1).tolist(), strict=True)]


def pairs(  # noqa: PLR0913 - one argument a parameter
    draw: str, looks: int, seed: int, *, candidate: float = 1.0, n: int = 20, baseline_n: int = 80
) -> list[SumsPair]:
    ours = sums(draw, looks, n, 2 * seed, candidate)
    return [SumsPair(*both) for both in zip(ours, sums(draw, looks, baseline_n, 2 * seed + 1), strict=True)]


def looks_until(test: MeanTest | DifferenceTest, looks: list[Sums] | list[SumsPair], alpha: float = 0.01) -> float:
    for second, look in enumerate(looks, 1):
        test.update(look)  # type: ignore[arg-type]  # each test gets its own kind of look
        if test.evidence() >= -math.log(alpha):
            return second
    return math.inf


@pytest.mark.parametrize("harm", Harm)
@pytest.mark.parametrize("draw", ["normal", "exponential", "a few buy"])
def test_a_mean_beyond_its_limit_is_found_and_one_within_is_not(harm: Harm, draw: str) -> None:
    looks = sums(draw, 400, 50, 3)
    assert looks_until(MeanTest(1.0 - 0.3 * harm, harm=harm), looks) < 400
    assert looks_until(MeanTest(1.0 + 0.1 * harm, harm=harm), looks) == math.inf


@pytest.mark.parametrize(("harm", "factor"), [(Harm.ABOVE, 1.3), (Harm.BELOW, 0.75)])
def test_a_worse_mean_than_the_baselines_is_found_and_a_better_one_is_not(harm: Harm, factor: float) -> None:
    worse, better = (pairs("exponential", 300, 4, candidate=by) for by in (factor, 1 / factor))
    assert looks_until(DifferenceTest(harm=harm), worse) < 300
    assert looks_until(DifferenceTest(harm=harm), better) == math.inf


def test_a_loss_within_the_margin_is_tolerated() -> None:
    looks = pairs("exponential", 300, 5, candidate=0.8)
    assert looks_until(DifferenceTest(harm=Harm.BELOW), looks) < 300
    assert looks_until(DifferenceTest(harm=Harm.BELOW, margin=0.3), looks) == math.inf
    assert looks_until(DifferenceTest(harm=Harm.BELOW, ratio=0.7), looks) == math.inf


def test_evidence_against_the_opposite_shows_that_a_mean_is_not_worse() -> None:
    test = DifferenceTest(harm=Harm.BELOW, margin=0.3, side=Side.BENEFIT)
    assert looks_until(test, pairs("exponential", 300, 6)) < 300
    assert looks_until(MeanTest(1.2, harm=Harm.ABOVE, side=Side.BENEFIT), sums("exponential", 300, 50, 6)) < 300


def test_levels_that_move_with_the_hour_are_no_difference() -> None:
    rng, test = np.random.default_rng(7), DifferenceTest(harm=Harm.ABOVE)
    for second in range(600):
        level, n = 1 + math.sin(second / 100), int(rng.integers(5, 95))
        both = [level + rng.normal(0, 1, size) for size in (n, 100 - n)]
        test.update(SumsPair(*(Sums(len(arm), float(arm.sum()), float((arm**2).sum())) for arm in both)))
    assert test.evidence() < math.log(100)
    low, high = test.interval(0.05)
    assert low < 0 < high


def test_the_first_values_only_make_the_variance() -> None:
    test = MeanTest(0.0, harm=Harm.ABOVE, from_count=100)
    pair = DifferenceTest(harm=Harm.ABOVE, from_count=100)
    for look in sums("normal", 9, 11, 8):
        test.update(look)
        pair.update(SumsPair(look, Sums(11, 0.0, 11.0)))
    assert test.evidence() == pair.evidence() == 0
    assert pair.estimate().value is None
    assert not pair.estimate().is_within
    assert test.interval(0.05) == pair.interval(0.05) == (-math.inf, math.inf)


def test_estimates_are_the_mean_and_the_difference() -> None:
    test, pair = MeanTest(1.0, harm=Harm.BELOW), DifferenceTest(harm=Harm.BELOW, margin=0.1)
    looks = pairs("normal", 400, 9, candidate=0.9)
    for look in looks:
        test.update(look.candidate)
        pair.update(look)
    assert test.estimate().value == pytest.approx(sum(look.candidate.total for look in looks) / 8_000)
    assert test.estimate().limit == 1.0
    assert pair.estimate().value == pytest.approx(-0.1, abs=0.03)
    assert (pair.estimate().limit, pair.estimate().n) == (-0.1, 8_000)


def test_intervals_close_around_the_truth() -> None:
    test, pair = MeanTest(1.0, harm=Harm.BELOW), DifferenceTest(harm=Harm.BELOW)
    widths = []
    for look in pairs("exponential", 1_000, 10):
        test.update(look.candidate)
        pair.update(look)
        widths.append(np.subtract(*pair.interval(0.05)[::-1]))
    assert test.interval(0.05)[0] < 1 < test.interval(0.05)[1]
    assert pair.interval(0.05)[0] < 0 < pair.interval(0.05)[1]
    assert widths[-1] < widths[100] / 2


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("harm", Harm)
def test_false_alarms_over_two_thousand_looks(draw: str, harm: Harm) -> None:
    """What an asymptotic test keeps: alpha with symmetric values, some more of it with skewed ones on the long side."""
    allowed = {"normal": 0.05, "exponential": 0.05, "lognormal": 0.075, "a few buy": 0.06}[draw]
    alone = [looks_until(MeanTest(1.0, harm=harm), sums(draw, 2_000, 10, seed), 0.05) for seed in range(200)]
    compared = [
        looks_until(DifferenceTest(harm=harm), pairs(draw, 2_000, seed, n=5, baseline_n=20), 0.05)
        for seed in range(200)
    ]
    assert sum(run < math.inf for run in alone) / 200 <= allowed
    assert sum(run < math.inf for run in compared) / 200 <= allowed


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_intervals_cover_the_truth_at_all_times_together(draw: str) -> None:
    missed = 0
    for seed in range(200):
        test = DifferenceTest(harm=Harm.ABOVE)
        missed += any(not (_updated(test, look)[0] <= 0 <= test.interval(0.05)[1]) for look in pairs(draw, 1_000, seed))
    assert missed / 200 <= 0.05


def _updated(test: DifferenceTest, look: SumsPair) -> tuple[float, float]:
    test.update(look)
    return test.interval(0.05)


def of(*values: float) -> Sums:
    return Sums(len(values), sum(values), sum(value * value for value in values))


@pytest.mark.parametrize(
    ("harm", "limit", "is_within"),
    [(Harm.ABOVE, 2.0, True), (Harm.BELOW, 2.0, True), (Harm.ABOVE, 1.75, False), (Harm.BELOW, 1.75, True)],
)
def test_a_mean_on_its_limit_keeps_it(harm: Harm, limit: float, *, is_within: bool) -> None:
    test = MeanTest(limit, harm=harm)
    test.update(of(1.0, 3.0))
    assert test.estimate().is_within is is_within


def test_a_single_value_tells_once_the_variance_is_known() -> None:
    test = MeanTest(2.0, harm=Harm.ABOVE, from_count=2)
    test.update(of(1.0, 3.0))
    test.update(of(4.0))
    assert test.evidence() > 0


def test_values_that_are_all_alike_are_no_evidence() -> None:
    test, difference = MeanTest(2.0, harm=Harm.ABOVE, from_count=2), DifferenceTest(harm=Harm.ABOVE, from_count=2)
    for _ in range(3):
        test.update(of(5.0, 5.0))
        difference.update(SumsPair(of(5.0, 5.0), of(1.0, 1.0)))
    assert test.evidence() == difference.evidence() == 0.0
    assert test.interval(0.05) == difference.interval(0.05) == (-math.inf, math.inf)


def test_an_interval_is_as_wide_as_the_spread_of_the_values() -> None:
    test = MeanTest(2.0, harm=Harm.ABOVE, from_count=4)
    test.update(of(1.0, 3.0, 5.0))
    assert test.interval(0.05) == (-math.inf, math.inf)
    test.update(of(7.0))
    half = half_width(4, 100, 0.05) * math.sqrt(20 / 3)
    assert test.interval(0.05, 100) == pytest.approx((4 - half, 4 + half))


def known(harm: Harm = Harm.ABOVE, margin: float = 0.0) -> DifferenceTest:
    """A test that knows the variances of its arms: 2 and 8."""
    test = DifferenceTest(harm=harm, margin=margin, from_count=2)
    test.update(SumsPair(of(1.0, 3.0), of(0.0, 4.0)))
    return test


def test_the_interval_of_a_difference_is_tightest_at_so_many_values_of_the_candidate() -> None:
    test = known()
    test.update(SumsPair(of(2.0, 3.0, 4.0, 3.0), of(1.0, 3.0)))
    information = 1 / (2 / 4 + 8 / 2)
    half = half_width(information, 100 * information / 4, 0.05)
    assert test.interval(0.05, 100) == pytest.approx((1 - half, 1 + half))
    test.update(SumsPair(of(3.0), of(2.0)))
    assert test.snapshot()["per_value"] == pytest.approx(information / 4)


def test_single_values_of_both_arms_tell_once_their_variances_are_known() -> None:
    test = known()
    test.update(SumsPair(of(9.0), of(2.0)))
    assert test.evidence() > 0
    assert test.estimate().value == 7.0


@pytest.mark.parametrize(("value", "is_within"), [(2.5, True), (2.75, False), (2.0, True), (1.0, True)])
def test_a_difference_at_its_margin_is_within(value: float, *, is_within: bool) -> None:
    test = known(margin=0.5)
    test.update(SumsPair(of(value), of(2.0)))
    assert test.estimate().is_within is is_within
