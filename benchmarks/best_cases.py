"""Posteriors of five arms of which the best is hard to tell, and who it is by brute force."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import stats

from trimtab.engine.posterior import Beta

ARMS: Final = 5
_CASES: Final = 240
_SEED: Final = 20
_FEW: Final = 4
_QUANTILES = np.concatenate([np.logspace(-15, -1, 57), np.linspace(0.11, 0.89, 79), 1 - np.logspace(-1, -15, 57)])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(16)


def cases(arms: int = ARMS) -> list[list[Beta]]:
    """Gives near ties of like and unlike sizes, arms apart, and arms with few failures or few successes, in turns."""
    rng = np.random.default_rng(_SEED)
    return [_case(rng, number, arms) for number in range(_CASES)]


def _case(rng: np.random.Generator, number: int, arms: int) -> list[Beta]:
    sizes = np.exp(rng.uniform(math.log(20), math.log(200_000), arms)).astype(int)
    if number % 2:
        sizes[:] = sizes[0]
    match number // 2 % 4:
        case 0 | 1:
            good = rng.binomial(sizes, rng.random())
        case 2:
            good = np.minimum(rng.integers(0, _FEW, arms), sizes)
            good = sizes - good if number % 16 < 8 else good  # noqa: PLR2004 - every other time
        case _:
            good = rng.binomial(sizes, rng.random(arms))
    return [Beta(1.0 + x, 1.0 + n - x) for n, x in zip(sizes.tolist(), good.tolist(), strict=True)]


def by_brute_force(posteriors: Sequence[Beta]) -> npt.NDArray[np.float64]:
    """Gives P(best) by quadrature on cells between 193 quantiles of every arm."""
    arms = [stats.beta(posterior.alpha, posterior.beta) for posterior in posteriors]
    cells = np.unique(np.concatenate([[0.0, 1.0], *(arm.ppf(_QUANTILES) for arm in arms)]))
    half = np.diff(cells)[:, None] / 2
    at = (cells[:-1, None] + half + half * _NODES).ravel()
    weight = (half * _WEIGHTS).ravel()
    below = np.array([arm.cdf(at) for arm in arms])
    mass = np.array([arm.pdf(at) for arm in arms]) * weight
    return np.array([np.sum(mass[k] * np.delete(below, k, axis=0).prod(axis=0)) for k in range(len(arms))])
