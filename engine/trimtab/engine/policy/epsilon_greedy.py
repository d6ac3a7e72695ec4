"""Epsilon-greedy: the arm with the best mean gets all but epsilon, which all arms share evenly.

Arms without trials have no mean and live on epsilon; before any arm has one, all share evenly. Arms with the same mean
share what the best would get. Source: Sutton and Barto, Reinforcement learning (2018), section 2.2.
"""

import math
from collections.abc import Sequence

from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.spread import explored, in_proportion
from trimtab.engine.policy.tally import Tally


class EpsilonGreedy:
    """Most traffic to the best mean so far.

    >>> policy = EpsilonGreedy(2, epsilon=0.25)
    >>> policy.update(Batch([10, 10], [2, 5], [2, 5], [0.5, 0.5]))
    >>> policy.shares([True, True], 0, 1)
    [0.125, 0.875]
    """

    __slots__ = ("_epsilon", "_tally")

    def __init__(self, arms: int, *, epsilon: float) -> None:
        """`epsilon`: share of traffic that explores, from 0 to 1."""
        self._tally = Tally.of(arms)
        self._epsilon = epsilon

    def update(self, batch: Batch) -> None:
        """Counts what came of traffic."""
        self._tally.add(batch)

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm by `keep`, from 0 to 1."""
        self._tally.forget(arm, keep)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives all but epsilon to the best mean."""
        means = [
            gained / trials if may and trials > 0.0 else -math.inf
            for gained, trials, may in zip(self._tally.rewards, self._tally.trials, eligible, strict=True)
        ]
        best = max(means)
        is_best = [float(best > -math.inf and mean == best) for mean in means]
        return explored(in_proportion(is_best, eligible), eligible, self._epsilon)

    def snapshot(self) -> Snapshot:
        """Gives the sums."""
        return self._tally.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._tally.restore(snapshot)
