"""P(arm is best) of what a tally holds: the expected Thompson split of arms with Beta or Student posteriors.

* Rewards from 0 to 1: Beta(1 + rewards, 1 + trials - rewards). A sum that such rewards cannot have counts as the
  nearest that they can.
* Real values: Normal-inverse-gamma with one prior trial at the mean of all arms, whose variance is that of all rewards;
  the mean of an arm then follows a Student t. Source: Murphy, Conjugate Bayesian analysis of the Gaussian
  distribution (2007), section 3.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, stdtr, stdtrit

from trimtab.engine.best import probability_best
from trimtab.engine.policy.spread import evenly
from trimtab.engine.policy.tally import Tally
from trimtab.engine.posterior import Beta

Floats = npt.NDArray[np.float64]

_BELOW: Final = np.array([1e-12, 1e-8, 1e-6, 1e-4, 1e-3, 0.01, 0.05, 0.15, 0.3])
"""Probabilities below which panels of the quadrature end, and above which, and one end in the middle."""
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(8)
_MOST_DEGREES: Final = 1e6
"""From here on a Student t is a normal distribution."""
_RELATIVE_VARIANCE: Final = 1e-12
"""A variance that is less than this part of the mean square is what sums of squares lose to rounding."""


def best_arms(tally: Tally, eligible: Sequence[bool], *, real_valued: bool) -> list[float]:
    """Gives, for each arm that may take traffic, the probability that its mean reward is the greatest of theirs."""
    arms = [arm for arm, may in enumerate(eligible) if may]
    if len(arms) == 1:
        return evenly(eligible)
    if real_valued:
        return _placed(_best_means(tally, arms), arms, len(eligible))
    return _placed(probability_best([_beta(tally, arm) for arm in arms]).tolist(), arms, len(eligible))


def _beta(tally: Tally, arm: int) -> Beta:
    trials = tally.trials[arm]
    gained = min(max(tally.rewards[arm], 0.0), trials)
    return Beta(1.0 + gained, 1.0 + (trials - gained))


def _best_means(tally: Tally, arms: Sequence[int]) -> list[float]:
    trials, rewards, squares = (
        np.array([sums[arm] for arm in arms]) for sums in (tally.trials, tally.rewards, tally.squares)
    )
    mean, variance = tally.mean(), tally.variance()
    if variance <= _RELATIVE_VARIANCE * mean * mean:  # nothing tells the arms apart
        return [1.0 / len(arms)] * len(arms)
    own = rewards / np.maximum(trials, 1e-300)
    inside = np.maximum(squares - rewards * own, 0.0)
    precision, degrees = trials + 1.0, trials + 2.0
    outside = trials / precision * (own - mean) ** 2
    scale = np.sqrt((2.0 * variance + inside + outside) / (degrees * precision))
    return probability_best_student(own + (mean - own) / precision, scale, np.minimum(degrees, _MOST_DEGREES))


def probability_best_student(location: Floats, scale: Floats, degrees: Floats) -> list[float]:
    """Gives, for each of at least two arms, the probability that its mean is the greatest; the values sum to 1.

    The means follow Student t distributions; `scale` is above 0, `degrees` at least 1. As in `trimtab.engine.best`:
    Gauss-Legendre quadrature on panels between quantiles of every arm. Error below 1e-5
    (tests/engine/policy/test_belief.py).
    """
    location, scale, degrees = location[:, None], scale[:, None], degrees[:, None]
    tails = stdtrit(degrees, _BELOW)  # by symmetry the upper quantiles are the same, with their digits kept
    edges = location + scale * np.concatenate([tails, np.zeros_like(degrees), -tails], axis=1)
    # Below a point that one arm is beyond but for 1e-8, the product of the distribution functions is 0.
    panels = np.unique(edges[edges >= edges[:, 1].max()])
    half = np.diff(panels)[:, None] / 2.0
    at = (((panels[1:] + panels[:-1])[:, None] / 2.0 + half * _NODES).ravel() - location) / scale
    constant = np.exp(gammaln((degrees + 1.0) / 2.0) - gammaln(degrees / 2.0)) / np.sqrt(degrees * np.pi) / scale
    density = constant * np.exp(-(degrees + 1.0) / 2.0 * np.log1p(at * at / degrees)) * (half * _NODE_WEIGHTS).ravel()
    below = stdtr(degrees, at)
    wins = [float(np.sum(density[arm] * np.delete(below, arm, axis=0).prod(axis=0))) for arm in range(len(location))]
    total = sum(wins)
    return [win / total for win in wins]


def _placed(shares: Sequence[float], arms: Sequence[int], count: int) -> list[float]:
    placed = [0.0] * count
    for arm, share in zip(arms, shares, strict=True):
        placed[arm] = share
    return placed
