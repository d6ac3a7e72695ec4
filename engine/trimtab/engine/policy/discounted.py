"""Thompson sampling with a memory that fades.

What is known counts less by exp(-trials / memory) with each batch, whichever arms its trials went to, so that the same
traffic is remembered alike however it was cut into batches. Source: Raj and Kalyani, Taming non-stationary bandits
(2017), where the factor is one per step.
"""

import math
from collections.abc import Sequence

from trimtab.engine.policy.belief import best_arms
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.tally import Tally


class Discounted:
    """Shares follow P(best) of trials that fade.

    >>> policy = Discounted(2, memory=100, real_valued=False)
    >>> policy.update(Batch([100, 0], [50, 0], [50, 0], [1.0, 0.0]))
    >>> policy.update(Batch([0, 100], [0, 80], [0, 80], [0.0, 1.0]))
    >>> [round(trials) for trials in policy.snapshot()["trials"]]
    [37, 100]
    """

    __slots__ = ("_memory", "_real_valued", "_tally")

    def __init__(self, arms: int, *, memory: float, real_valued: bool) -> None:
        """`memory`: trials, of all arms together, after which a trial counts 1/e."""
        self._tally = Tally.of(arms)
        self._memory = memory
        self._real_valued = real_valued

    def update(self, batch: Batch) -> None:
        """Counts what came of traffic, after what came before has faded."""
        self._tally.fade(math.exp(-sum(batch.trials) / self._memory))
        self._tally.add(batch)

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm by `keep`, from 0 to 1."""
        self._tally.forget(arm, keep)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives P(best) among the arms that may take traffic."""
        return best_arms(self._tally, eligible, real_valued=self._real_valued)

    def snapshot(self) -> Snapshot:
        """Gives the faded sums."""
        return self._tally.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._tally.restore(snapshot)
