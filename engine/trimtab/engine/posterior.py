"""Posterior of an arm's mean reward.

Beta, from counts and sums of rewards in [0, 1]; normal-inverse-gamma, from counts, sums and sums of squares of rewards
of any size and sign.
"""

from dataclasses import dataclass
from math import sqrt

import msgspec
from scipy.special import betainc, stdtr

from trimtab.schemas.evidence import VALUE_SCALE


class Beta(msgspec.Struct, frozen=True, gc=False):
    """Belief about a share. `alpha` and `beta` are at least 1 for what the engine builds.

    >>> Beta(3.0, 1.0).mean
    0.75
    """

    alpha: float
    beta: float

    @property
    def mean(self) -> float:
        """Expected share."""
        return self.alpha / (self.alpha + self.beta)

    def probability_above(self, limit: float) -> float:
        """Gives the probability that the share is above `limit` (between 0 and 1)."""
        return share_above(self.alpha, self.beta, limit)


def share_above(alpha: float, beta: float, limit: float) -> float:
    """Gives the probability that a share with posterior Beta(`alpha`, `beta`) is above `limit` (between 0 and 1)."""
    # The complement by symmetry, not 1 - cdf: it keeps its digits where it is small.
    return float(betainc(beta, alpha, 1.0 - limit))


@dataclass(frozen=True, slots=True)
class NormalInverseGamma:
    """Belief about the mean and the variance of a real-valued reward, both unknown.

    Given the variance v the mean is normal around `mean` with variance v / `count`; 1 / v is Gamma(`shape`, `rate`).
    `count`, `shape` and `rate` are above 0. What is left of the mean alone is Student's t distribution with `degrees`,
    around `mean`, of `scale`.

    Source: DeGroot, Optimal Statistical Decisions (1970), section 9.6.

    >>> belief = NormalInverseGamma(0.0, 1.0, 1.0, 1.0).updated(trials=3, total=6.0, squares=14.0)
    >>> belief.mean, belief.count, belief.shape, belief.rate
    (1.5, 4.0, 2.5, 3.5)
    """

    mean: float
    count: float
    """how many observations the belief about the mean is worth"""
    shape: float
    rate: float

    @property
    def degrees(self) -> float:
        """Degrees of freedom of the mean's distribution."""
        return 2.0 * self.shape

    @property
    def scale(self) -> float:
        """Scale of the mean's distribution."""
        return sqrt(self.rate / (self.shape * self.count))

    def updated(self, trials: float, total: float, squares: float) -> "NormalInverseGamma":
        """Gives the belief after rewards of which count, sum and sum of squares are known; without any, the same.

        Where rounding makes the squares less than the sum allows, the rewards are taken for equal.
        """
        if trials <= 0:
            return self
        seen = total / trials
        count = self.count + trials
        apart = seen - self.mean
        spread = max(0.0, squares - total * seen)
        return NormalInverseGamma(
            mean=self.mean + apart * (trials / count),
            count=count,
            shape=self.shape + trials / 2.0,
            rate=self.rate + (spread + apart * apart * (self.count * trials / count)) / 2.0,
        )

    def probability_above(self, limit: float) -> float:
        """Gives the probability that the mean is above `limit`."""
        return float(stdtr(self.degrees, (self.mean - limit) / self.scale))


def reward_posterior(
    trials: int, reward_sum: int, prior: tuple[float, float] = (0.0, 0.0), *, minimize: bool = False
) -> Beta:
    """Gives the posterior after `trials` rewards that sum to `reward_sum` / VALUE_SCALE, from Beta(1, 1) and `prior`.

    `prior`: rewards and misses that are believed besides. To minimise, reward and its complement change places, so that
    more is better for whoever compares. A sum outside [0, trials], which rewards in [0, 1] cannot have, is taken as the
    nearest that they can.
    """
    most = trials * VALUE_SCALE
    whole = reward_sum if 0 <= reward_sum <= most else min(max(reward_sum, 0), most)
    gained, missed = whole / VALUE_SCALE + prior[0], (most - whole) / VALUE_SCALE + prior[1]
    if minimize:
        gained, missed = missed, gained
    return Beta(1.0 + gained, 1.0 + missed)
