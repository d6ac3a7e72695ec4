"""The compiled walk against brute-force quadrature and SciPy."""

import numpy as np
import pytest
from scipy.special import betaln

from engine import quadrature
from trimtab.engine.policy.walk import best_shares, log_beta
from trimtab.engine.posterior import Beta


def errors(alpha: np.ndarray, beta: np.ndarray, step: float) -> float:
    oracle = quadrature.probability_best([Beta(float(a), float(b)) for a, b in zip(alpha, beta, strict=True)])
    return float(np.abs(best_shares(alpha, beta, step) - oracle).max())


@pytest.mark.parametrize("arms", [2, 3, 5, 10])
def test_near_ties_are_told_apart_within_eight_thousandths(arms: int) -> None:
    rng = np.random.default_rng(arms)
    for _ in range(10):
        size = np.exp(rng.uniform(np.log(20), np.log(200_000), arms)).astype(int)
        good = rng.binomial(size, rng.uniform(0.2, 0.8))  # skewed ones need a smaller step
        assert errors(good + 1.0, size - good + 1.0, 0.4) < 8e-3


def test_skewed_beliefs_need_half_the_step() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        bad = rng.integers(0, 3, 4).astype(float)
        assert errors(rng.uniform(100.0, 100_000.0, 4), bad + 1.0, 0.2) < 8e-3


@pytest.mark.parametrize(
    ("alpha", "beta"),
    [
        ([1.0, 1e13], [1e13, 1.0]),
        ([1.0, 1.0], [1e14, 1e14]),
        ([1e14, 1e14], [1.0, 1.0]),
        ([1e9, 1e9], [1e9, 1e9]),
        ([1.0], [1.0]),
    ],
)
def test_extremes_are_finite_and_sum_to_one(alpha: list[float], beta: list[float]) -> None:
    shares = best_shares(np.array(alpha), np.array(beta), 0.4)
    assert np.isfinite(shares).all()
    assert shares.min() >= 0.0
    assert shares.sum() == pytest.approx(1.0)


def test_who_cannot_win_gets_nothing_and_the_other_all() -> None:
    assert best_shares(np.array([9e5, 1e5]), np.array([1e5, 9e5]), 0.4).tolist() == [1.0, 0.0]


def test_logarithm_of_the_beta_function_is_that_of_scipy() -> None:
    grid = np.exp(np.linspace(np.log(1e-3), np.log(1e7), 40))
    for alpha in grid:
        for beta in grid:
            assert log_beta(alpha, beta) == pytest.approx(betaln(alpha, beta), rel=1e-9, abs=1e-6)
