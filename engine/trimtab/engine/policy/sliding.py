"""Thompson sampling on the newest batches alone.

A batch without trials is no batch: without evidence nothing is forgotten. Sums are made anew at each question, so that
no rounding is left of batches that are forgotten. Source: Trovò et al., Sliding-window Thompson sampling for
non-stationary settings (2020).
"""

from collections import deque
from collections.abc import Sequence

from trimtab.engine.policy.belief import best_arms
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.tally import Tally


class Sliding:
    """Shares follow P(best) of the newest batches.

    >>> policy = Sliding(2, batches=1, real_valued=False)
    >>> policy.update(Batch([100, 100], [90, 10], [90, 10], [0.5, 0.5]))
    >>> policy.update(Batch([100, 100], [10, 90], [10, 90], [0.5, 0.5]))
    >>> [round(share, 3) for share in policy.shares([True, True], 0, 1)]
    [0.0, 1.0]
    """

    __slots__ = ("_arms", "_kept", "_real_valued")

    def __init__(self, arms: int, *, batches: int, real_valued: bool) -> None:
        """`batches`: how many count, at least 1."""
        self._arms = arms
        self._kept: deque[Tally] = deque(maxlen=batches)
        self._real_valued = real_valued

    def update(self, batch: Batch) -> None:
        """Counts what came of traffic; the oldest batch goes where there are too many."""
        if sum(batch.trials) > 0.0:
            tally = Tally.of(self._arms)
            tally.add(batch)
            self._kept.append(tally)

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm by `keep`, from 0 to 1."""
        for tally in self._kept:
            tally.forget(arm, keep)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives P(best) among the arms that may take traffic."""
        return best_arms(self._sum(), eligible, real_valued=self._real_valued)

    def _sum(self) -> Tally:
        return Tally(
            *(
                [float(sum(values)) for values in zip(*each, strict=True)] or [0.0] * self._arms
                for each in (
                    [tally.trials for tally in self._kept],
                    [tally.rewards for tally in self._kept],
                    [tally.squares for tally in self._kept],
                )
            )
        )

    def snapshot(self) -> Snapshot:
        """Gives the batches that count."""
        return {"batches": [tally.snapshot() for tally in self._kept]}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._kept.clear()
        for kept in snapshot["batches"]:
            tally = Tally()
            tally.restore(kept)
            self._kept.append(tally)
