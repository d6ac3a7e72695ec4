"""UCB1 by water filling: a batch is spent so that all arms it serves end with the same index.

The index of an arm with mean mu and n trials is mu + width sqrt(2 ln t / n). As in `trimtab.engine.policy.kl_ucb`, the
level u is sought at which the trials that bring each index down to u, 2 ln t (width / (u - mu))^2 - n where that is
above 0, sum to the batch: the greatest index alone would take whole batches.
For rewards from 0 to 1 the width is 1, as of UCB1; for real values it is twice the standard deviation of all rewards,
which comes to the same for a reward that is 0 or 1 evenly. Source: Auer, Cesa-Bianchi and Fischer, Finite-time analysis
of the multiarmed bandit problem (2002); the filling is ours.
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

_STEPS: Final = 60


class Ucb:
    """Shares that even out the UCB1 indices.

    >>> policy = Ucb(2, exploration=1.0, real_valued=False)
    >>> policy.update(Batch([500, 500], [50, 450], [50, 450], [0.5, 0.5]))
    >>> policy.shares([True, True], 100, 1)
    [0.0, 1.0]
    """

    __slots__ = ("_exploration", "_real_valued", "_tally")

    def __init__(self, arms: int, *, exploration: float, real_valued: bool) -> None:
        """`exploration` multiplies the width; above 0."""
        self._tally = Tally.of(arms)
        self._exploration = exploration
        self._real_valued = real_valued

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
        means = np.array(self._tally.means(self._tally.mean() if self._real_valued else 0.5))[may]
        width = 2.0 * math.sqrt(self._tally.variance()) if self._real_valued else 1.0
        bound = 2.0 * (self._exploration * width) ** 2 * math.log(max(self._tally.total + batch, 2.0))
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
def fill(means: Floats, trials: Floats, bound: float, batch: float) -> Floats:
    """Gives the trials that each arm gets: max(0, bound / (u - mean)^2 - trials), which sum to about `batch`.

    By bisection for the level u, above the greatest mean by at most the bound that it would have if every arm were like
    it and new.
    """
    best = means.max()
    low, high = 0.0, math.sqrt(bound * len(means) / batch)
    given = np.zeros(len(means))
    for _ in range(_STEPS):
        above = (low + high) / 2.0
        total = 0.0
        for arm in range(len(means)):
            gap = max(above + (best - means[arm]), 1e-150)
            given[arm] = max(0.0, bound / (gap * gap) - trials[arm])
            total += given[arm]
        if total > batch:
            low = above
        else:
            high = above
    return given
