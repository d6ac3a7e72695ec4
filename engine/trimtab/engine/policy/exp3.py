"""Exp3: for worlds that work against you. Each arm's losses are weighed by how likely it was to be tried.

* A loss is 1 - reward, in the batch summed and divided by the share that the arm had when its trials were routed
  (`Batch.shares`, not the newest share): an unbiased estimate of what the arm would have lost on all of the batch,
  whatever its delay. Below `LEAST_SHARE` it is divided by that: one trial of an arm that should have had none must not
  outweigh a day.
* An arm that had no share is taken to have lost what the traffic lost on the whole: it comes back neither better nor
  worse.
* Only differences of losses matter, so the least is kept at 0; shares come from them by a soft maximum. Nothing grows
  beyond what a float holds, and nothing overflows.
* The rate is sqrt(ln K / (K t)) for t trials so far and K arms that may take traffic: no horizon to be known.

Own code instead of River's, which takes one reward at a time, divides by the newest shares, and multiplies weights that
overflow within 100,000 events. Source: Auer, Cesa-Bianchi, Freund and Schapire, The nonstochastic multiarmed bandit
problem (2002); Lattimore and Szepesvári, Bandit algorithms (2020), chapter 11 for losses, exercise 28.13 for the rate.
"""

import math
from collections.abc import Sequence
from typing import Final

from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.spread import explored, in_proportion

LEAST_SHARE: Final = 1e-4
"""One basis point: the least share that a weight can give."""


class Exp3:
    """Shares fall exponentially with the losses that an arm would have brought.

    >>> policy = Exp3(2, exploration=0.0)
    >>> policy.update(Batch([90, 10], [45, 5], [45, 5], [0.9, 0.1]))
    >>> policy.shares([True, True], 0, 1)
    [0.5, 0.5]
    """

    __slots__ = ("_exploration", "_losses", "_trials")

    def __init__(self, arms: int, *, exploration: float) -> None:
        """`exploration`: share of traffic that all arms share evenly."""
        self._losses = [0.0] * arms
        self._trials = 0.0
        self._exploration = exploration

    def update(self, batch: Batch) -> None:
        """Adds what each arm would have lost on the traffic of the batch."""
        lost = [
            min(max(trials - gained, 0.0), trials) for trials, gained in zip(batch.trials, batch.rewards, strict=True)
        ]
        for arm, (loss, trials, share) in enumerate(zip(lost, batch.trials, batch.shares, strict=True)):
            is_out = trials == 0.0 and share == 0.0
            self._losses[arm] += sum(lost) if is_out else loss / max(share, LEAST_SHARE)
        least = min(self._losses)
        self._losses = [loss - least for loss in self._losses]
        self._trials += sum(batch.trials)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives shares in proportion to exp(-rate x loss)."""
        arms = sum(eligible)
        rate = math.sqrt(math.log(arms) / (arms * max(self._trials, 1.0)))
        least = min(loss for loss, may in zip(self._losses, eligible, strict=True) if may)
        wanted = [math.exp(min(rate * (least - loss), 0.0)) for loss in self._losses]
        return explored(in_proportion(wanted, eligible), eligible, self._exploration)

    def snapshot(self) -> Snapshot:
        """Gives losses and trials."""
        return {"losses": [*self._losses], "trials": self._trials}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._losses = [float(loss) for loss in snapshot["losses"]]
        self._trials = float(snapshot["trials"])
