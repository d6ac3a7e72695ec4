"""P(best) of normal and Student posteriors against closed form, adaptive quadrature and a dense grid."""

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from trimtab.engine.best import probability_best_normal

Floats = npt.NDArray[np.float64]
Arm = tuple[float, float, float]
"""centre, scale, degrees of freedom"""

arms_lists = st.lists(
    st.tuples(st.floats(-5, 5), st.floats(0.01, 3), st.sampled_from([1.0, 1.5, 4.0, 30.0, 1e6, math.inf])),
    min_size=1,
    max_size=6,
)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)
_QUANTILES = np.concatenate([np.logspace(-14, -1, 60), np.linspace(0.11, 0.89, 60), 1 - np.logspace(-1, -13, 60)])


def best(arms: list[Arm]) -> Floats:
    mean, scale, degrees = np.array(arms, dtype=np.float64).T.copy()
    return probability_best_normal(mean, scale, degrees)


def by_dense_grid(arms: list[Arm]) -> Floats:
    known = [stats.norm(m, s) if math.isinf(n) else stats.t(n, m, s) for m, s, n in arms]
    cells = np.unique(np.concatenate([arm.ppf(_QUANTILES) for arm in known]))
    half = np.diff(cells)[:, None] / 2
    at, weight = (cells[:-1, None] + half + half * _NODES).ravel(), (half * _WEIGHTS).ravel()
    below = np.array([arm.cdf(at) for arm in known])
    mass = np.array([arm.pdf(at) for arm in known]) * weight
    return np.array([np.sum(mass[k] * np.delete(below, k, 0).prod(0)) for k in range(len(arms))])


@pytest.mark.parametrize("apart", [0.0, 0.3, 1.0, 4.0])
@pytest.mark.parametrize("wider", [1.0, 7.0, 1e4])
def test_two_normal_arms_agree_with_the_closed_form(apart: float, wider: float) -> None:
    exact = stats.norm.cdf(apart / math.hypot(1.0, wider))
    assert best([(apart, 1.0, math.inf), (0.0, wider, math.inf)])[0] == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("degrees", [1.0, 2.5, 9.0, 200.0, math.inf])
def test_two_arms_agree_with_adaptive_quadrature(degrees: float) -> None:
    first, second = stats.t(degrees, 0.3, 0.5), stats.t(3.0, 0.0, 1.0)
    parts = pairwise([-math.inf, -5.0, -0.5, 0.3, 1.0, 5.0, math.inf])
    exact = sum(integrate.quad(lambda at: first.pdf(at) * second.cdf(at), *part, epsabs=1e-10)[0] for part in parts)
    assert best([(0.3, 0.5, degrees), (0.0, 1.0, 3.0)])[0] == pytest.approx(exact, abs=5e-5)


def test_near_ties_agree_with_a_dense_grid() -> None:
    rng = np.random.default_rng(4)
    for trial in range(40):
        count = 2 + trial % 9
        scales = np.exp(rng.uniform(-4, 1, count))
        degrees = rng.choice([1.0, 2.0, 5.0, 50.0, math.inf], count)
        arms = list(zip((scales * rng.normal(size=count)).tolist(), scales.tolist(), degrees.tolist(), strict=True))
        assert np.abs(best(arms) - by_dense_grid(arms)).max() < 5e-5, arms


@given(arms_lists, st.randoms(use_true_random=False))
def test_shares_sum_to_one_and_follow_their_arm(arms: list[Arm], random: "np.random.RandomState") -> None:
    shares = best(arms)
    assert shares.sum() == pytest.approx(1.0, abs=1e-12)
    assert (shares >= 0).all()
    order = list(range(len(arms)))
    random.shuffle(order)
    assert best([arms[arm] for arm in order]) == pytest.approx(shares[order], abs=1e-12)


@given(arms_lists, st.floats(-100, 100), st.floats(0.001, 1000))
def test_neither_origin_nor_unit_of_the_reward_matters(arms: list[Arm], origin: float, unit: float) -> None:
    moved = [(origin + unit * mean, unit * scale, degrees) for mean, scale, degrees in arms]
    assert best(moved) == pytest.approx(best(arms), abs=1e-5)


def test_where_floats_cannot_tell_arms_apart_the_greatest_means_share_all() -> None:
    tiny = 1e-30
    assert best([(1.0, tiny, math.inf), (2.0, tiny, 3.0), (2.0, tiny, math.inf)]).tolist() == [0.0, 0.5, 0.5]


def test_without_arms_there_is_no_best() -> None:
    none = np.zeros(0)
    with pytest.raises(ValueError, match="at least one"):
        probability_best_normal(none, none, none)
