"""Covariate adjustment against least squares on the rows."""

from math import inf, nan, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.experiment.confidence_sequence import Level, asymptotic_interval
from trimtab.engine.experiment.covariate import Paired, adjust

Floats = npt.NDArray[np.float64]


def paired(x: Floats, y: Floats) -> Paired:
    return Paired(len(x), float(x.sum()), float(x @ x), float(y.sum()), float(y @ y), float(x @ y))


def drawn(rng: np.random.Generator, trials: int, effect: float, slope: float) -> tuple[Floats, Floats]:
    x = rng.normal(3.0, 2.0, trials)
    return x, effect + slope * x + rng.normal(0.0, 1.0, trials)


def rows(seed: int, sizes: tuple[int, int], slopes: tuple[float, float]) -> tuple[Floats, Floats, Floats]:
    """x, y and which arm, of two arms."""
    rng = np.random.default_rng(seed)
    (x1, y1), (x0, y0) = drawn(rng, sizes[0], 0.5, slopes[0]), drawn(rng, sizes[1], 0.0, slopes[1])
    return np.r_[x1, x0], np.r_[y1, y0], np.r_[np.ones(sizes[0]), np.zeros(sizes[1])]


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(4, 60), st.integers(4, 60)),
    st.tuples(st.floats(-3, 3), st.floats(-3, 3)),
)
def test_the_difference_is_that_of_least_squares_with_a_line_for_each_arm(
    seed: int, sizes: tuple[int, int], slopes: tuple[float, float]
) -> None:
    x, y, arm = rows(seed, sizes, slopes)
    centred = x - x.mean()
    design = np.c_[np.ones_like(x), arm, centred, arm * centred]
    coefficients, *_ = np.linalg.lstsq(design, y)
    adjusted = adjust(paired(x[arm == 1], y[arm == 1]), paired(x[arm == 0], y[arm == 0]))
    assert adjusted.difference == pytest.approx(coefficients[1], abs=1e-8)
    left = y - design @ coefficients
    variance = sum(
        left[arm == side] @ left[arm == side] / (sizes[1 - side] - 2) / sizes[1 - side] for side in (0, 1)
    ) + coefficients[3] ** 2 * x.var(ddof=1) / len(x)
    assert adjusted.variance == pytest.approx(variance, rel=1e-6)


def test_without_the_covariate_it_is_the_plain_difference() -> None:
    x, y, arm = rows(1, (30, 40), (1.0, 1.0))
    adjusted = adjust(paired(0 * x[arm == 1], y[arm == 1]), paired(0 * x[arm == 0], y[arm == 0]))
    assert adjusted.difference == pytest.approx(y[arm == 1].mean() - y[arm == 0].mean())
    assert adjusted.plain_difference == pytest.approx(adjusted.difference)
    plain = y[arm == 1].var(ddof=1) / 30 + y[arm == 0].var(ddof=1) / 40
    assert adjusted.plain_variance == pytest.approx(plain)


def test_a_correlation_of_seven_tenths_halves_the_variance() -> None:
    rng = np.random.default_rng(2)
    arms = []
    for _ in range(2):
        x = rng.normal(size=50_000)
        arms.append(paired(x, sqrt(0.5) * x + sqrt(0.5) * rng.normal(size=50_000)))
    assert adjust(*arms).reduction_ratio == pytest.approx(0.5, abs=0.01)


def test_what_does_not_vary_has_nothing_to_reduce() -> None:
    flat = paired(np.arange(5.0), np.ones(5))
    assert adjust(flat, flat).reduction_ratio == 0.0
    assert adjust(flat, flat).standard_error == 0.0


@pytest.mark.parametrize(("trials", "difference"), [(0, 0.0), (2, -1.5)])
def test_with_fewer_than_three_trials_in_an_arm_nothing_is_known(trials: int, difference: float) -> None:
    few = paired(np.ones(trials), np.ones(trials))
    adjusted = adjust(few, paired(np.arange(6.0), np.arange(6.0)))
    assert (adjusted.difference, adjusted.variance, adjusted.reduction_ratio) == (difference, inf, 0.0)
    assert not adjusted.interval(Level(0.05, 100)).is_known


def test_the_interval_is_a_confidence_sequence_around_the_adjusted_difference() -> None:
    x, y, arm = rows(3, (500, 500), (1.0, 1.0))
    adjusted = adjust(paired(x[arm == 1], y[arm == 1]), paired(x[arm == 0], y[arm == 0]))
    level = Level(0.05, 1_000)
    assert adjusted.interval(level) == asymptotic_interval(adjusted.difference, adjusted.variance, 1_000, level)


@pytest.mark.parametrize("wrong", [{"x": nan}, {"xy": inf}, {"trials": -1}, {"xx": -1.0}, {"yy": -1.0}])
def test_impossible_sums_are_refused(wrong: dict[str, float]) -> None:
    sums = {"trials": 1, "x": 1.0, "xx": 1.0, "y": 1.0, "yy": 1.0, "xy": 1.0} | wrong
    with pytest.raises(ValueError, match="expected"):
        Paired(**sums)  # type: ignore[arg-type]  # trials stays an int


@pytest.mark.slow
@pytest.mark.parametrize("slopes", [(1.0, 1.0), (2.0, -1.0), (0.0, 0.0)])
def test_the_standard_error_is_right_where_arms_differ_in_size_and_slope(slopes: tuple[float, float]) -> None:
    rng, off = np.random.default_rng(4), []
    truth = 0.5 + (slopes[0] - slopes[1]) * 3.0
    for _ in range(4_000):
        adjusted = adjust(paired(*drawn(rng, 300, 0.5, slopes[0])), paired(*drawn(rng, 100, 0.0, slopes[1])))
        off.append((adjusted.difference - truth) / adjusted.standard_error)
    assert np.std(off) == pytest.approx(1.0, abs=0.05)
    assert np.mean(np.abs(off) > 1.96) == pytest.approx(0.05, abs=0.015)
