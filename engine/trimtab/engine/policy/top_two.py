"""Top-two Thompson sampling: for finding out soonest which arm is best, not for earning most meanwhile.

With p = P(best) of each arm, a leader i is drawn with chance p_i and its challenger j with chance p_j / (1 - p_i):
drawn again until it is another. Of the two, i is measured with chance n_j / (n_i + n_j): in the long run that is the
split that tells the pair apart soonest, without a coin to be tuned. The shares are the chances of all that, computed.

On S3 and S5 of the benchmark `winner` it needs 0.85 and 0.89 of the events that a coin of 1/2 does (means of 60 runs).

Sources: Russo, Simple Bayesian algorithms for best-arm identification (2020); You, Qin, Wang and Yang,
Information-directed selection for top-two algorithms (2023), for which of the two is measured.
"""

from collections.abc import Sequence
from typing import Final

from trimtab.engine.policy.belief import best_arms
from trimtab.engine.policy.declaration import Declaration, declare
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.spread import in_proportion
from trimtab.engine.policy.tally import Tally

_LEAST_TOLD: Final = 1e-12
"""Chances below this are not told apart: a leader that is certain is measured against all others alike."""


class TopTwo:
    """Shares that tell the best arm from the second best.

    >>> policy = TopTwo(3, alpha=0.05, real_valued=False)
    >>> policy.update(Batch([500, 500, 500], [50, 70, 20], [50, 70, 20], [1 / 3] * 3))
    >>> [round(share, 2) for share in policy.shares([True, True, True], 0, 1)]
    [0.5, 0.5, 0.0]
    >>> policy.declaration([True, True, True]).is_declared
    False
    """

    __slots__ = ("_alpha", "_real_valued", "_tally")

    def __init__(self, arms: int, *, alpha: float, real_valued: bool) -> None:
        """`alpha`: greatest chance that an arm that is not best is ever declared so."""
        self._tally = Tally.of(arms)
        self._alpha = alpha
        self._real_valued = real_valued

    def update(self, batch: Batch) -> None:
        """Counts what came of traffic."""
        self._tally.add(batch)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives the chance that each arm is measured."""
        best = [max(chance, _LEAST_TOLD) for chance in self.probabilities(eligible)]
        wanted = [chance if may else 0.0 for chance, may in zip(best, eligible, strict=True)]
        return in_proportion(pairs(wanted, self._tally.trials), eligible)

    def probabilities(self, eligible: Sequence[bool]) -> list[float]:
        """Gives P(best) among the arms that may take traffic, from all trials so far."""
        return best_arms(self._tally, eligible, real_valued=self._real_valued)

    def declaration(self, eligible: Sequence[bool]) -> Declaration:
        """Gives what may be said of the best arm. Raises `ValueError` for real values, or without two arms."""
        if self._real_valued:
            raise ValueError("expected rewards from 0 to 1 to declare a winner, got real values")
        return declare(self._tally.trials, self._tally.rewards, eligible, alpha=self._alpha)

    def snapshot(self) -> Snapshot:
        """Gives the sums."""
        return self._tally.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._tally.restore(snapshot)


def pairs(best: Sequence[float], trials: Sequence[float]) -> list[float]:
    """Gives the chance that each arm is the one of leader and challenger that is measured; `best` are any odds."""
    total = sum(best)
    others = [sum(best[:arm]) + sum(best[arm + 1 :]) for arm in range(len(best))]  # total - p would lose its digits
    drawn = [chance / (total * other) if other > 0.0 else 0.0 for chance, other in zip(best, others, strict=True)]
    return [
        sum(
            (drawn[arm] * best[rival] + drawn[rival] * best[arm]) * _least_measured(trials[arm], trials[rival])
            for rival in range(len(best))
            if rival != arm
        )
        for arm in range(len(best))
    ]


def _least_measured(trials: float, of_rival: float) -> float:
    return (of_rival + 1.0) / (trials + of_rival + 2.0)
