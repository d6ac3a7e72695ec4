"""P(arm is best): the expected Thompson split, computed instead of sampled.

P_k = integral of prod_{j != k} F_j dF_k for independent arms with distribution functions F. The sum over a grid takes
exact differences of F_k and the mean of the product at both ends, so densities, which are unbounded at the ends for
some posteriors, are never needed. Against quadrature the error stays below 1e-4 (tests/engine/test_best.py).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betainc
from trimtab.engine.posterior import Beta

_REACH: Final = 8.0
"""How many standard deviations around its mean an arm's grid spans."""
_OFFSETS: Final = np.arange(-_REACH, _REACH + 0.0625, 0.125)


def probability_best(posteriors: Sequence[Beta]) -> npt.NDArray[np.float64]:
    """Gives, for each posterior, the probability that its share is the greatest; the values sum to 1.

    O(K^2) evaluations of the incomplete beta function per grid point for K arms. Raises `ValueError` without arms.

    >>> probability_best([Beta(1.0, 1.0), Beta(1.0, 1.0)]).round(6).tolist()
    [0.5, 0.5]
    """
    if not posteriors:
        raise ValueError("expected at least one posterior, got none")
    alpha = np.array([posterior.alpha for posterior in posteriors])[:, None]
    beta = np.array([posterior.beta for posterior in posteriors])[:, None]
    cdf = betainc(alpha, beta, _grid(alpha, beta))
    wins = np.array([_wins(cdf, arm) for arm in range(len(posteriors))])
    shares: npt.NDArray[np.float64] = wins / wins.sum()
    return shares


def _grid(alpha: npt.NDArray[np.float64], beta: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    total = alpha + beta
    mean = alpha / total
    deviation = np.sqrt(alpha * beta / (total * total * (total + 1.0)))
    points = np.clip(mean + deviation * _OFFSETS, 0.0, 1.0)
    # Below the best arm's reach every product is 0: those points would only cost.
    floor = float(np.max(mean - _REACH * deviation))
    return np.unique(np.concatenate([[0.0, 1.0], points[points >= floor]]))


def _wins(cdf: npt.NDArray[np.float64], arm: int) -> float:
    others = np.delete(cdf, arm, axis=0).prod(axis=0)
    return float(np.sum(np.diff(cdf[arm]) * (others[1:] + others[:-1]) / 2.0))
