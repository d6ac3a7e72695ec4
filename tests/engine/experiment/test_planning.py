"""Sizes against exact power, tables and simulation."""

from math import ceil, inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, dunnett, nct, norm, t

from trimtab.engine.experiment.confidence_sequence import LEAST_EXPECTED, LEAST_TRIALS, critical_value
from trimtab.engine.experiment.crossing import drift_for, inflation_ratio
from trimtab.engine.experiment.dunnett import dunnett_value
from trimtab.engine.experiment.planning import (
    Analysis,
    Correction,
    Demand,
    Effect,
    MeanEffect,
    Plan,
    ShareEffect,
    fixed_power,
    plan,
)
from trimtab.engine.experiment.sample import Share
from trimtab.engine.experiment.winner import assess

TENTH = ShareEffect.relative(0.10, 0.10)
FIXED = Demand(analysis=Analysis.FIXED)
EFFECTS = st.one_of(
    st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 0.4)).map(lambda both: ShareEffect(*both)),
    st.tuples(st.floats(0.1, 10), st.floats(0.01, 20)).map(lambda both: MeanEffect(*both)),
)
SPLITS = st.sampled_from([(0.5, 0.5), (0.9, 0.1), (0.4, 0.3, 0.3), (0.1, 0.2, 0.3, 0.4)])


def size(effect: Effect, demand: Demand) -> Plan:
    return plan(effect, demand, trials_per_s=10.0)


def test_known_sizes_come_out() -> None:
    """Cohen (1988), d = 0.5: 64 an arm; two shares of 10 % and 11 %: 14,751 an arm (Fleiss, uncorrected)."""
    assert size(MeanEffect(2.0, 1.0), FIXED).trials_by_arm == (64, 64)
    assert size(TENTH, FIXED).trials_by_arm == (14_751, 14_751)


@given(EFFECTS, SPLITS, st.floats(0.001, 0.2), st.floats(0.5, 0.99))
def test_a_fixed_plan_is_the_least_with_the_power(
    effect: Effect, split: tuple[float, ...], alpha: float, power: float
) -> None:
    demand = Demand(split, alpha, power, analysis=Analysis.FIXED)
    by_arm = size(effect, demand).trials_by_arm
    powers = [fixed_power(effect, (by_arm[0], other), demand.alpha_each) for other in by_arm[1:]]
    assert min(powers) >= power
    fewer = [max(2, ceil((sum(by_arm) - 2 * len(by_arm)) * share)) for share in split]
    if min(fewer) > 2:
        assert min(fixed_power(effect, (fewer[0], other), demand.alpha_each) for other in fewer[1:]) <= power


@pytest.mark.parametrize(("trials", "shift"), [((20, 20), 1.0), ((5, 80), 0.7), ((500, 500), 0.2)])
def test_power_of_means_is_that_of_the_noncentral_t(trials: tuple[int, int], shift: float) -> None:
    degrees = sum(trials) - 2
    expected = nct.sf(t.ppf(0.975, degrees), degrees, shift / np.sqrt(1 / trials[0] + 1 / trials[1]))
    assert fixed_power(MeanEffect(1.0, shift), trials, 0.05) == pytest.approx(expected, abs=1e-9)


def test_power_is_certain_where_the_difference_is_enormous() -> None:
    assert fixed_power(MeanEffect(1.0, 1e3), (100, 100), 0.05) == pytest.approx(1.0)
    assert size(MeanEffect(1.0, 1e6), FIXED).trials_by_arm == (2, 2)


def exact_power(effect: ShareEffect, trials: tuple[int, int], alpha: float) -> float:
    """Brute force: the chance of all outcomes that the z-test with the pooled variance rejects."""
    counts = [np.arange(n + 1) for n in trials]
    chance = np.outer(
        binom.pmf(counts[0], trials[0], effect.baseline),
        binom.pmf(counts[1], trials[1], effect.baseline + effect.difference),
    )
    pooled = (counts[0][:, None] + counts[1]) / sum(trials)
    error = np.sqrt(pooled * (1 - pooled) * (1 / trials[0] + 1 / trials[1]))
    off = np.abs(counts[0][:, None] / trials[0] - counts[1] / trials[1])
    return float(chance[off > norm.isf(alpha / 2) * error].sum())


@pytest.mark.parametrize("effect", [ShareEffect(0.3, 0.1), ShareEffect(0.2, -0.08), ShareEffect(0.5, 0.15)])
@pytest.mark.parametrize("split", [(0.5, 0.5), (0.7, 0.3)])
def test_a_plan_for_shares_has_the_power_when_all_outcomes_are_counted(
    effect: ShareEffect, split: tuple[float, float]
) -> None:
    one, other = size(effect, Demand(split, analysis=Analysis.FIXED)).trials_by_arm
    assert exact_power(effect, (one, other), 0.05) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize(("arms", "value"), [(2, 1.960), (3, 2.212), (4, 2.349), (5, 2.442), (6, 2.511)])
def test_dunnetts_values_are_those_of_his_table(arms: int, value: float) -> None:
    assert dunnett_value(0.05, [1] * arms) == pytest.approx(value, abs=6e-4)


def test_dunnetts_values_are_those_of_scipy_where_the_split_is_uneven() -> None:
    """SciPy gives p values of samples: one at the critical value has p = alpha."""
    rng, sizes = np.random.default_rng(1), (6_000, 1_500, 3_000)
    value = dunnett_value(0.05, [n / sum(sizes) for n in sizes])
    base, one, other = (_standard(rng.normal(size=n)) for n in sizes)
    at_value = one + value * np.sqrt(1 / sizes[0] + 1 / sizes[1])
    result = dunnett(at_value, other, control=base, random_state=np.random.default_rng(2))
    assert result.statistic[0] == pytest.approx(value, rel=1e-3)
    assert result.pvalue[0] == pytest.approx(0.05, abs=1e-3)


def _standard(values: "np.typing.NDArray[np.float64]") -> "np.typing.NDArray[np.float64]":
    centred = values - values.mean()
    return np.asarray(centred / centred.std(ddof=1))


def test_dunnett_needs_less_than_bonferroni_and_more_than_nothing() -> None:
    each = [
        Demand((0.4, 0.3, 0.3), correction=correction, analysis=Analysis.FIXED).alpha_each for correction in Correction
    ]
    none, bonferroni, dunnetts = each
    assert bonferroni == none / 2
    assert bonferroni < dunnetts < none


@given(EFFECTS, SPLITS)
def test_looking_at_all_times_needs_more_but_never_less_than_intervals_do(
    effect: Effect, split: tuple[float, ...]
) -> None:
    planned = size(effect, Demand(split))
    assert planned.trials >= planned.fixed_trials
    assert min(planned.trials_by_arm) >= LEAST_TRIALS
    first, *others = planned.trials_by_arm
    if not isinstance(effect, ShareEffect):
        return
    for arm in others:
        both = (first * effect.baseline + arm * (effect.baseline + effect.difference)) / (first + arm)
        assert min(first, arm) * min(both, 1 - both) >= 0.999 * LEAST_EXPECTED


@pytest.mark.parametrize("split", [(0.5, 0.5), (0.8, 0.2)])
def test_means_at_all_times_are_known_when_their_standard_errors_are_the_drift_of_the_bound(
    split: tuple[float, float],
) -> None:
    one, other = size(MeanEffect(2.0, 0.1), Demand(split)).trials_by_arm
    assert 0.1 / (2.0 * np.sqrt(1 / one + 1 / other)) == pytest.approx(drift_for(0.8, 0.05), rel=1e-3)


def test_means_at_all_times_wait_for_the_least_trials_of_every_arm() -> None:
    assert size(MeanEffect(1.0, 1e6), Demand((0.8, 0.2))).trials_by_arm == (4 * LEAST_TRIALS, LEAST_TRIALS)


def test_in_large_experiments_the_inflation_is_that_of_the_bounds() -> None:
    planned = size(ShareEffect(0.3, 0.003), Demand())
    assert planned.inflation_ratio == pytest.approx(inflation_ratio(0.8, 0.05), rel=1e-3)
    assert size(TENTH, FIXED).inflation_ratio == 1.0


def test_time_is_trials_by_traffic() -> None:
    assert size(TENTH, FIXED).seconds == 2_950.2
    assert plan(TENTH, FIXED, trials_per_s=1.0).seconds == 29_502


def test_intervals_are_tuned_to_half_of_a_pair_of_arms() -> None:
    planned = size(TENTH, Demand((0.25,) * 4))
    assert planned.level.alpha == 0.05
    assert planned.level.tuned_trials == pytest.approx(planned.trials / 4, rel=1e-3)


def test_the_arm_that_needs_most_decides() -> None:
    even, uneven = size(TENTH, Demand((0.5, 0.25, 0.25))), size(TENTH, Demand((0.5, 0.4, 0.1)))
    assert uneven.trials > even.trials
    assert uneven.trials_by_arm[2] / uneven.trials == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize(("baseline", "difference"), [(0.0, 0.1), (1.0, -0.1), (0.9, 0.1), (0.1, -0.1), (nan, 0.1)])
def test_impossible_shares_are_refused(baseline: float, difference: float) -> None:
    with pytest.raises(ValueError, match="baseline and baseline \\+ difference: expected between 0 and 1"):
        ShareEffect(baseline, difference)


@pytest.mark.parametrize(("sd", "difference"), [(0.0, 1.0), (inf, 1.0), (nan, 1.0), (1.0, inf)])
def test_impossible_means_are_refused(sd: float, difference: float) -> None:
    with pytest.raises(ValueError, match="expected a finite difference and a standard deviation above 0"):
        MeanEffect(sd, difference)


def test_a_relative_difference_is_of_the_baseline() -> None:
    assert TENTH.difference == pytest.approx(0.01)
    assert MeanEffect.relative(20.0, 5.0, 0.1) == MeanEffect(5.0, 2.0)


@pytest.mark.parametrize("split", [(1.0,), (0.5, 0.6), (1.0, 0.0), (1.5, -0.5)])
def test_an_impossible_split_is_refused(split: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="split: expected at least two shares above 0 that sum to 1"):
        Demand(split)


@pytest.mark.parametrize(("alpha", "power"), [(0.0, 0.8), (0.6, 0.8), (0.05, 0.4), (0.05, 1.0)])
def test_impossible_levels_are_refused(alpha: float, power: float) -> None:
    with pytest.raises(ValueError, match=r"expected alpha above 0 and at most 0\.5, power from 0\.5 to 0\.9999"):
        Demand(alpha=alpha, power=power)


def test_dunnett_at_all_times_is_refused() -> None:
    with pytest.raises(ValueError, match="dunnett holds for one look only"):
        Demand(correction=Correction.DUNNETT)


@pytest.mark.parametrize(("effect", "traffic"), [(MeanEffect(1, 0), 1.0), (TENTH, 0.0), (TENTH, inf), (TENTH, nan)])
def test_a_plan_without_end_is_refused(effect: Effect, traffic: float) -> None:
    with pytest.raises(ValueError, match="expected traffic and a difference"):
        plan(effect, Demand(), traffic)


@pytest.mark.slow
def test_an_experiment_at_all_times_has_its_power_and_its_length() -> None:
    """Two arms of 10 % and 13 %, looked at after every 20 trials: found in 80 %, and as soon as was said."""
    effect = ShareEffect(0.10, 0.03)
    planned = size(effect, Demand())
    rng, runs, per_arm = np.random.default_rng(6), 2_000, planned.trials_by_arm[0]
    trials = np.arange(10, per_arm + 1, 10)
    critical = np.array([critical_value(2 * n / planned.level.tuned_trials, 0.05) for n in trials])
    lengths, found = [], 0
    for run in range(runs):
        hits = [np.cumsum(rng.binomial(10, share, len(trials))) for share in (0.10, 0.13)]
        spread = [(of_arm + 1) / (trials + 2) * (1 - (of_arm + 1) / (trials + 2)) for of_arm in hits]
        error = np.sqrt((spread[0] + spread[1]) / trials)
        is_known = np.minimum(trials, (hits[0] + hits[1]) / 2 / LEAST_EXPECTED * LEAST_TRIALS) >= LEAST_TRIALS
        is_found = is_known & (hits[1] - hits[0] > trials * error * critical)
        at = int(is_found.argmax()) if is_found.any() else len(trials) - 1
        found += bool(is_found.any())
        lengths.append(2 * trials[at])
        if run < 20:  # the shortcut is what `assess` says
            arms = {name: Share(int(trials[at]), int(of_arm[at])) for name, of_arm in zip("ab", hits, strict=True)}
            assert assess(arms, planned.level).winner == ("b" if is_found.any() else "")
    assert found / runs >= 0.8 - 3 * np.sqrt(0.16 / runs)
    assert np.mean(lengths) == pytest.approx(planned.mean_trials, rel=0.05)
    assert np.mean(lengths) < 1.05 * planned.fixed_trials


@pytest.mark.slow
def test_a_fixed_plan_for_means_has_its_power_in_simulation() -> None:
    one, other = size(MeanEffect(1.0, 0.5), Demand((0.7, 0.3), analysis=Analysis.FIXED)).trials_by_arm
    rng, runs = np.random.default_rng(7), 10_000
    a, b = rng.normal(0, 1, (runs, one)), rng.normal(0.5, 1, (runs, other))
    degrees = one + other - 2
    spread = (a.var(axis=1, ddof=1) * (one - 1) + b.var(axis=1, ddof=1) * (other - 1)) / degrees
    statistic = (b.mean(axis=1) - a.mean(axis=1)) / np.sqrt(spread * (1 / one + 1 / other))
    assert (statistic > t.ppf(0.975, degrees)).mean() == pytest.approx(0.8, abs=0.015)


@given(EFFECTS, SPLITS)
def test_an_ab_test_with_the_planned_trials_has_the_intervals_of_the_plan(
    effect: Effect, split: tuple[float, ...]
) -> None:
    planned = size(effect, Demand(split))
    assert planned.planned_trials / 2 == pytest.approx(planned.level.tuned_trials, abs=0.5)
    assert planned.planned_trials >= 2 * LEAST_TRIALS
