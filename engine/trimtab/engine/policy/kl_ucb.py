"""KL-UCB by water filling: a batch is spent so that all arms it serves end with the same index.

The index of an arm with mean mu and n trials is the greatest u with n kl(mu, u) <= ln t. Giving a whole batch to the
arm with the greatest index wastes most of it; here the level u is sought at which the trials that bring each index down
to u, ln t / kl(mu, u) - n where that is above 0, sum to the batch. Deterministic. An arm may get exactly nothing: add a
floor where propensities must stay above 0. Source: Garivier and Cappé, The KL-UCB algorithm for bounded stochastic
bandits (2011); the filling is ours.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.spread import in_proportion
from trimtab.engine.policy.tally import Tally

Floats = npt.NDArray[np.float64]

_LEAST: Final = 1e-12
_STEPS: Final = 80


class KlUcb:
    """Shares that even out the KL-UCB indices of rewards from 0 to 1.

    >>> policy = KlUcb(2, exploration=1.0)
    >>> policy.update(Batch([100, 100], [10, 50], [10, 50], [0.5, 0.5]))
    >>> policy.shares([True, True], 1_000, 1)
    [0.0, 1.0]
    """

    __slots__ = ("_exploration", "_tally")

    def __init__(self, arms: int, *, exploration: float) -> None:
        """`exploration` multiplies ln t; above 0."""
        self._tally = Tally.of(arms)
        self._exploration = exploration

    def update(self, batch: Batch) -> None:
        """Counts what came of traffic."""
        self._tally.add(batch)

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm by `keep`, from 0 to 1."""
        self._tally.forget(arm, keep)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives shares of a batch of `pending` trials (1 where there are fewer) that even out the indices."""
        batch = max(pending, 1.0)
        may = np.array(eligible)
        trials = np.array(self._tally.trials)[may]
        means = np.clip(np.array(self._tally.means(prior=0.5))[may], 0.0, 1.0)
        bound = self._exploration * math.log(max(self._tally.total + batch, 2.0))
        wanted = np.zeros(len(eligible))
        wanted[may] = fill(means, trials, bound, batch)
        return in_proportion(wanted.tolist(), eligible)

    def snapshot(self) -> Snapshot:
        """Gives the sums."""
        return self._tally.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._tally.restore(snapshot)


@compiled
def divergence(p: float, miss: float) -> float:
    """Gives kl(p, 1 - miss) of two Bernoulli distributions, in nats; `miss` keeps its digits where it is small."""
    p = min(max(p, _LEAST), 1.0 - _LEAST)
    return p * (math.log(p) - math.log1p(-miss)) + (1.0 - p) * math.log((1.0 - p) / miss)


@compiled
def fill(means: Floats, trials: Floats, bound: float, batch: float) -> Floats:
    """Gives the trials that each arm gets: max(0, bound / kl(mean, u) - trials), which sum to about `batch`.

    By bisection for the level u between the greatest mean and 1, above which nothing is left to give.
    """
    low, high = 0.0, max(1.0 - means.max(), _LEAST)  # of 1 - u
    given = np.zeros(len(means))
    for _ in range(_STEPS):
        miss = (low + high) / 2.0
        total = 0.0
        for arm in range(len(means)):
            given[arm] = max(0.0, bound / max(divergence(means[arm], miss), 1e-300) - trials[arm])
            total += given[arm]
        if total > batch:
            high = miss
        else:
            low = miss
    return given
