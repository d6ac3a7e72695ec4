"""Confidence sequences against brute force, and their coverage at ten thousand looks."""

from math import inf, isnan, log, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import betabinom, binom

from trimtab.engine.experiment.confidence_sequence import (
    LEAST_EXPECTED,
    LEAST_TRIALS,
    Interval,
    Level,
    asymptotic_interval,
    critical_value,
    difference_interval,
    share_interval,
)
from trimtab.engine.experiment.sample import Moments, Share

SHARES = st.integers(1, 10**9).flatmap(lambda trials: st.builds(Share, st.just(trials), st.integers(0, trials)))
ALPHAS = st.floats(1e-6, 0.4)
LEVEL = Level(alpha=0.05, tuned_trials=20_000)
LOOKS = 10_000


@given(SHARES, ALPHAS)
def test_an_interval_of_a_share_holds_its_estimate_and_only_shares(arm: Share, alpha: float) -> None:
    interval = share_interval(arm, alpha)
    assert 0.0 <= interval.lower <= interval.estimate <= interval.upper <= 1.0
    assert interval.lower < interval.upper
    assert (interval.lower == 0.0) >= (arm.successes == 0)
    assert (interval.upper == 1.0) >= (arm.successes == arm.trials)


@pytest.mark.parametrize(("trials", "successes"), [(1, 0), (10, 3), (300, 1), (1_000, 950), (5_000, 5_000)])
def test_an_interval_of_a_share_ends_where_the_mixture_is_twenty_times_likelier(trials: int, successes: int) -> None:
    interval = share_interval(Share(trials, successes), 0.05)
    for edge in {interval.lower, interval.upper} - {0.0, 1.0}:
        ratio = betabinom.pmf(successes, trials, 0.5, 0.5) / binom.pmf(successes, trials, edge)
        assert ratio == pytest.approx(20.0, rel=1e-6)


@given(SHARES, ALPHAS)
def test_the_interval_of_the_opposite_share_is_the_mirror_image(arm: Share, alpha: float) -> None:
    interval = share_interval(arm, alpha)
    mirrored = share_interval(Share(arm.trials, arm.trials - arm.successes), alpha)
    assert mirrored.lower == pytest.approx(1.0 - interval.upper, abs=1e-9)
    assert mirrored.upper == pytest.approx(1.0 - interval.lower, abs=1e-9)


@given(SHARES, ALPHAS)
def test_surer_intervals_are_wider(arm: Share, alpha: float) -> None:
    wide, narrow = share_interval(arm, alpha / 2), share_interval(arm, alpha)
    assert wide.lower <= narrow.lower
    assert narrow.upper <= wide.upper


def test_without_trials_every_share_is_possible() -> None:
    interval = share_interval(Share(0, 0), 0.05)
    assert isnan(interval.estimate)
    assert (interval.lower, interval.upper) == (0.0, 1.0)


def test_the_mixture_is_a_martingale_for_every_share() -> None:
    """Brute force: the mean of the likelihood ratio after the next trial is the ratio now."""
    for share in (0.03, 0.5, 0.9):
        for trials in range(6):
            for hits in range(trials + 1):
                after = [_ratio(trials + 1, hits + more, share) for more in (0, 1)]
                assert (1 - share) * after[0] + share * after[1] == pytest.approx(_ratio(trials, hits, share))


def _ratio(trials: int, hits: int, share: float) -> float:
    return float(betabinom.pmf(hits, trials, 0.5, 0.5) / binom.pmf(hits, trials, share))


@pytest.mark.parametrize("alpha", [0.001, 0.01, 0.05, 0.1])
def test_bounds_are_nearest_at_the_tuned_size(alpha: float) -> None:
    best = minimize_scalar(lambda progress: critical_value(progress, alpha), bounds=(0.01, 100), method="bounded").x
    assert best == pytest.approx(1.0, rel=0.1)  # the closed form of the tuning is an approximation
    assert critical_value(1.0, alpha) == pytest.approx(critical_value(best, alpha), rel=1e-3)


def test_far_from_the_tuned_size_intervals_are_little_wider() -> None:
    assert critical_value(0.1, 0.05) / critical_value(1.0, 0.05) == pytest.approx(1.24, abs=0.005)
    assert critical_value(10.0, 0.05) / critical_value(1.0, 0.05) == pytest.approx(1.07, abs=0.005)


@given(st.floats(1e-9, 1e9), st.floats(1e-9, 0.5))
def test_bounds_are_those_of_a_normal_mixture(progress: float, alpha: float) -> None:
    """At time 1 the mixture over drifts d ~ N(0, 1/prior) of exp(d s - d^2/2) is 1/alpha where s is at the edge."""
    tuning = -2 * log(alpha) + log(-2 * log(alpha)) + 1
    prior = 1 / (progress * tuning)
    edge = critical_value(progress, alpha)
    assert log(prior / (1 + prior)) / 2 + edge**2 / (2 * (1 + prior)) == pytest.approx(-log(alpha), rel=1e-9)


def test_a_difference_lies_between_its_bounds_by_its_standard_error() -> None:
    one, other = Moments(400, 800.0, 2_000.0), Moments(600, 600.0, 1_000.0)
    interval = difference_interval(one, other, LEVEL)
    radius = sqrt(one.variance / 400 + other.variance / 600) * critical_value(1_000 / 20_000, 0.05)
    assert (interval.estimate, interval.lower, interval.upper) == pytest.approx((1.0, 1.0 - radius, 1.0 + radius))


def test_the_difference_the_other_way_is_the_mirror_image() -> None:
    one, other = Share(4_000, 400), Share(6_000, 900)
    there, back = difference_interval(one, other, LEVEL), difference_interval(other, one, LEVEL)
    assert (back.estimate, back.lower, back.upper) == pytest.approx((-there.estimate, -there.upper, -there.lower))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Share(LEAST_TRIALS - 1, 50), Share(10_000, 5_000)),
        (Moments(10_000, 1.0, 1.0), Moments(LEAST_TRIALS - 1, 1.0, 1.0)),
        (Share(0, 0), Share(0, 0)),
        (Share(10_000, 1), Share(10_000, 2 * LEAST_EXPECTED - 2)),
        (Share(10_000, 9_999), Share(10_000, 10_000 - 2 * LEAST_EXPECTED + 2)),
    ],
)
def test_with_too_little_evidence_nothing_is_known_of_a_difference(
    one: Share | Moments, other: Share | Moments
) -> None:
    interval = difference_interval(one, other, LEVEL)
    assert not interval.is_known
    assert interval.holds(1.0)
    assert interval.holds(-1.0)


def test_an_arm_that_never_succeeds_is_told_from_one_that_does() -> None:
    assert difference_interval(Share(1_000, 0), Share(1_000, 2 * LEAST_EXPECTED), LEVEL).upper < 0


def test_values_without_scatter_say_nothing() -> None:
    same = Moments(1_000, 5_000.0, 25_000.0)
    assert not difference_interval(same, same, LEVEL).is_known


@pytest.mark.parametrize(("variance", "trials"), [(0.0, 10), (inf, 10), (1.0, 0)])
def test_an_estimate_without_a_variance_says_nothing(variance: float, trials: int) -> None:
    assert asymptotic_interval(1.0, variance, trials, LEVEL) == Interval(1.0, -inf, inf)


@pytest.mark.parametrize("alpha", [0.0, 0.51, -1.0, float("nan")])
def test_an_impossible_alpha_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match=r"alpha: expected above 0 and at most 0\.5"):
        Level(alpha, 100.0)


@pytest.mark.parametrize("tuned", [0.0, -1.0, inf, float("nan")])
def test_an_impossible_tuning_is_refused(tuned: float) -> None:
    with pytest.raises(ValueError, match="tuned_trials: expected above 0"):
        Level(0.05, tuned)


def looks_at(rng: np.random.Generator, share: float, per_look: int) -> npt.NDArray[np.int64]:
    return np.cumsum(rng.binomial(per_look, share, LOOKS))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.001, 0.02, 0.5])
def test_the_interval_of_a_share_is_right_at_all_of_10_000_looks(share: float) -> None:
    """A thousand runs; a look's interval misses the truth where the mixture is 20 times likelier, which is cheaper."""
    rng, missed, runs, per_look = np.random.default_rng(1), 0, 1_000, 10
    trials = np.arange(1, LOOKS + 1) * per_look
    for run in range(runs):
        hits = looks_at(rng, share, per_look)
        ratio = betabinom.logpmf(hits, trials, 0.5, 0.5) - binom.logpmf(hits, trials, share)
        missed += bool((ratio >= log(20.0)).any())
        if run < 3:  # the shortcut is the interval
            at = int(ratio.argmax())
            is_in = share_interval(Share(int(trials[at]), int(hits[at])), 0.05).holds(share)
            assert is_in == (ratio[at] < log(20.0))
    assert missed <= 0.05 * runs


@pytest.mark.slow
@pytest.mark.parametrize(("share", "per_look"), [(0.001, (50, 50)), (0.01, (90, 10)), (0.3, (18, 2)), (0.5, (1, 1))])
def test_differences_of_shares_are_right_at_all_of_10_000_looks(share: float, per_look: tuple[int, int]) -> None:
    rng, runs = np.random.default_rng(2), 2_000
    trials = [np.arange(1, LOOKS + 1) * size for size in per_look]
    critical = np.array([critical_value(of_both / 200_000, 0.05) for of_both in trials[0] + trials[1]])
    missed = 0
    for run in range(runs):
        hits = [looks_at(rng, share, size) for size in per_look]
        arms = [(of_arm + 1) / (n + 2) for of_arm, n in zip(hits, trials, strict=True)]
        error = np.sqrt(sum(p * (1 - p) / n for p, n in zip(arms, trials, strict=True)))
        pooled = (hits[0] + hits[1]) / (trials[0] + trials[1])
        least = np.minimum(trials[0], trials[1])
        is_known = (least >= LEAST_TRIALS) & (np.minimum(pooled, 1 - pooled) * least >= LEAST_EXPECTED)
        is_out = is_known & (np.abs(hits[0] / trials[0] - hits[1] / trials[1]) > error * critical)
        missed += bool(is_out.any())
        if run < 20:  # the shortcut is the interval
            at = int(is_out.argmax()) if is_out.any() else LOOKS - 1 - 100 * run
            one, other = (Share(int(n[at]), int(of_arm[at])) for of_arm, n in zip(hits, trials, strict=True))
            interval = difference_interval(one, other, Level(0.05, 200_000))
            assert interval.holds(0.0) != is_out[at]
            assert interval.is_known == is_known[at]
    assert missed <= 0.05 * runs


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_differences_of_skewed_means_are_right_at_all_of_10_000_looks(sigma: float) -> None:
    """Lognormal values, one trial an arm and look, from the 100th on; the arms scatter differently."""
    rng, runs, first = np.random.default_rng(3), 1_000, LEAST_TRIALS - 1
    trials = np.arange(1, LOOKS + 1)
    critical = np.array([critical_value(2 * n / LEVEL.tuned_trials, 0.05) for n in trials])
    truth = np.exp(0.5 * sigma**2) - np.exp(0.125 * sigma**2)
    missed = 0
    for run in range(runs):
        drawn = [rng.lognormal(0, sigma, LOOKS), rng.lognormal(0, sigma / 2, LOOKS)]
        totals, squares = [np.cumsum(values) for values in drawn], [np.cumsum(values**2) for values in drawn]
        with np.errstate(divide="ignore", invalid="ignore"):
            variances = [(q - t * t / trials) / (trials - 1) for t, q in zip(totals, squares, strict=True)]
            error = np.sqrt((variances[0] + variances[1]) / trials)
        is_out = (np.abs((totals[0] - totals[1]) / trials - truth) > error * critical)[first:]
        missed += bool(is_out.any())
        if run < 20:  # the shortcut is the interval
            at = first + int(is_out.argmax() if is_out.any() else 100 * run)
            sums = [(int(trials[at]), float(t[at]), float(q[at])) for t, q in zip(totals, squares, strict=True)]
            assert difference_interval(Moments(*sums[0]), Moments(*sums[1]), LEVEL).holds(truth) != is_out[at - first]
    assert missed <= 0.05 * runs
