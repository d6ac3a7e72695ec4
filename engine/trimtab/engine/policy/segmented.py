"""Thompson sampling per segment, with partial pooling between segments.

An arm's share in a segment gets as prior what the arm earned in the other segments, worth `strength` trials:

    Beta(1 + strength m + rewards, 1 + strength (1 - m) + trials - rewards),   1 / strength = spread + 1 / pooled

m is the arm's mean in the other segments (half a trial at 1/2 added), `pooled` their trials, and `spread` how much
segments differ, as 1/M of Beta(M m, M (1 - m)): the mean of 1/M over a grid, each M weighed by the likelihood of all
segments and arms together (empirical Bayes). Where segments are alike, one learns from all; where they differ, from
itself. A segment's own trials are not in its prior, so none counts twice.

Source: Efron and Morris, Data analysis using Stein's estimator (1975), for the idea; Kleinman, Proportions with
extraneous variance (1973), for the beta-binomial likelihood.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import betaln

from trimtab.engine.policy.belief import best_arms
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.tally import Tally

Floats = npt.NDArray[np.float64]

_GRID: Final = 4.0 ** np.arange(1, 11)
"""M: from segments that have little in common (sd .22 about .5) to those that are one (.0005)"""


class Segmented:
    """Shares per segment that follow P(best), where other segments count as far as they are alike.

    >>> policy = Segmented(2)
    >>> for segment in ("de", "fr", "it"):
    ...     policy.update_in(segment, Batch([4000, 4000], [400, 500], [400, 500], [0.5, 0.5]))
    >>> policy.shares_in("es", [True, True], 0, 1)[1] > 0.99
    True
    """

    __slots__ = ("_arms", "_segments", "_spread")

    def __init__(self, arms: int) -> None:
        self._arms = arms
        self._segments: dict[str, Tally] = {"": Tally.of(arms)}
        self._spread = -1.0
        """as last computed; below 0 where something came since"""

    def update(self, batch: Batch) -> None:
        """Counts what came of traffic of no segment."""
        self.update_in("", batch)

    def update_in(self, segment: str, batch: Batch) -> None:
        """Counts what came of a segment's traffic."""
        self._segments.setdefault(segment, Tally.of(self._arms)).add(batch)
        self._spread = -1.0

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm in traffic of no segment by `keep`, from 0 to 1."""
        self.forget_in("", arm, keep)

    def forget_in(self, segment: str, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm in a segment by `keep`, from 0 to 1."""
        self._segments[segment].forget(arm, keep)
        self._spread = -1.0

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives P(best) for traffic of no segment."""
        return self.shares_in("", eligible, pending, seed)

    def shares_in(self, segment: str, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Contextual
        """Gives P(best) in a segment."""
        own = self._segments.get(segment, Tally.of(self._arms))
        spread = self.spread()
        prior = _sum(self._arms, [tally for name, tally in sorted(self._segments.items()) if name != segment])
        believed = Tally.of(self._arms)
        for arm in range(self._arms):
            pooled = prior.trials[arm]
            strength = pooled / (1.0 + spread * pooled)
            mean = (min(max(prior.rewards[arm], 0.0), pooled) + 0.25) / (pooled + 0.5)
            believed.trials[arm] = strength + own.trials[arm]
            believed.rewards[arm] = strength * mean + min(max(own.rewards[arm], 0.0), own.trials[arm])
        return best_arms(believed, eligible, real_valued=False)

    def spread(self) -> float:
        """Gives how much segments differ in the same arm: the mean of 1/M, from 1e-6 to 0.25."""
        if self._spread < 0.0:
            self._spread = _spread([tally for _, tally in sorted(self._segments.items())])
        return self._spread

    def snapshot(self) -> Snapshot:
        """Gives the sums of every segment."""
        return {"segments": {name: tally.snapshot() for name, tally in self._segments.items()}}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._spread = -1.0
        self._segments = {}
        for name, sums in snapshot["segments"].items():
            self._segments[name] = Tally()
            self._segments[name].restore(sums)


def _sum(arms: int, tallies: Sequence[Tally]) -> Tally:
    total = Tally.of(arms)
    for tally in tallies:
        total.add(Batch(tally.trials, tally.rewards, tally.squares, ()))
    return total


def _spread(segments: Sequence[Tally]) -> float:
    trials = np.array([tally.trials for tally in segments])
    gained = np.clip([tally.rewards for tally in segments], 0.0, trials)
    others = trials.sum(axis=0) - trials
    # Without its like in other segments an arm tells nothing of how they differ.
    tells = (trials > 0.0) & (others > 0.0)
    mean = (np.maximum(gained.sum(axis=0) - gained, 0.0) + 0.25) / (others + 0.5)
    mean, others, trials, gained = mean[tells], others[tells], trials[tells], gained[tells]
    # The mean of the others is itself uncertain by their number: without that, few trials look like different segments.
    strength = 1.0 / (1.0 / _GRID[:, None] + 1.0 / others)
    alpha, beta = strength * mean, strength * (1.0 - mean)
    likelihood = (betaln(alpha + gained, beta + trials - gained) - betaln(alpha, beta)).sum(axis=1)
    weight = np.exp(likelihood - likelihood.max())
    return float((weight / _GRID).sum() / weight.sum())
