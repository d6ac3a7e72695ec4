"""Posterior of an arm's mean reward: Beta, from counts and sums of rewards in [0, 1]."""

from dataclasses import dataclass

from scipy.special import betainc

from trimtab.schemas.evidence import VALUE_SCALE


@dataclass(frozen=True, slots=True)
class Beta:
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
        # The complement by symmetry, not 1 - cdf: it keeps its digits where it is small.
        return float(betainc(self.beta, self.alpha, 1.0 - limit))


def reward_posterior(trials: int, reward_sum: int, *, minimize: bool = False) -> Beta:
    """Gives the posterior after `trials` rewards that sum to `reward_sum` / VALUE_SCALE, from the prior Beta(1, 1).

    To minimise, reward and its complement change places, so that more is better for whoever compares. A sum outside
    [0, trials], which rewards in [0, 1] cannot have, is taken as the nearest that they can.
    """
    gained = min(max(reward_sum, 0), trials * VALUE_SCALE)
    missed = trials * VALUE_SCALE - gained
    if minimize:
        gained, missed = missed, gained
    return Beta(1.0 + gained / VALUE_SCALE, 1.0 + missed / VALUE_SCALE)
