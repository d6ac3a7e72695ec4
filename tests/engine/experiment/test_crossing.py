"""The chance to cross the bounds, against simulated paths."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import ndtr

from trimtab.engine.experiment.confidence_sequence import critical_value
from trimtab.engine.experiment.crossing import TUNED_RATIO, crossing, drift_for, inflation_ratio


@pytest.mark.parametrize("drift", [0.0, 2.0, 4.0, 9.0])
@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_power_and_length_are_those_of_simulated_paths(drift: float, alpha: float) -> None:
    rng, runs, looks = np.random.default_rng(1), 20_000, 64
    times = np.arange(1, looks + 1) / looks
    paths = np.cumsum(rng.normal(drift / looks, np.sqrt(1 / looks), (runs, looks)), axis=1)
    bounds = np.array([critical_value(time / TUNED_RATIO, alpha) for time in times]) * np.sqrt(times)
    is_out = np.abs(paths) > bounds
    has_ended = is_out.any(axis=1)
    length = np.where(has_ended, is_out.argmax(axis=1) + 1, looks) / looks
    expected = crossing(drift, alpha)
    assert has_ended.mean() == pytest.approx(expected.power, abs=4 * np.sqrt(0.25 / runs))
    assert length.mean() == pytest.approx(expected.mean_ratio, abs=4 * length.std() / np.sqrt(runs) + 1e-9)


@pytest.mark.parametrize("alpha", [0.1, 0.05, 0.01, 0.001])
def test_without_a_difference_it_is_crossed_at_most_at_alpha(alpha: float) -> None:
    assert 0 < crossing(0.0, alpha).power < alpha


def test_power_grows_and_length_falls_with_the_difference() -> None:
    ends = [crossing(drift, 0.05) for drift in np.linspace(0, 40, 21)]
    assert all(before.power <= after.power + 1e-12 for before, after in pairwise(ends))
    assert all(before.mean_ratio > after.mean_ratio for before, after in pairwise(ends))
    assert ends[-1].power == pytest.approx(1.0)


def test_all_looks_find_more_than_the_last_alone() -> None:
    last = critical_value(1 / TUNED_RATIO, 0.05)
    assert crossing(3.5, 0.05).power > ndtr(3.5 - last)


@pytest.mark.parametrize(("power", "alpha"), [(0.5, 0.05), (0.8, 0.01), (0.95, 0.1)])
def test_the_drift_for_a_power_has_it_and_hardly_more(power: float, alpha: float) -> None:
    assert power <= crossing(drift_for(power, alpha), alpha).power < power + 1e-4


def test_looking_at_all_times_costs_half_as_much_again_to_twice() -> None:
    assert inflation_ratio(0.8, 0.05) == pytest.approx(1.70, abs=0.02)
    assert inflation_ratio(0.9, 0.05) == pytest.approx(1.61, abs=0.02)
    assert inflation_ratio(0.8, 0.01) == pytest.approx(1.53, abs=0.02)
