"""Thompson sampling, as its expected split: each arm gets the probability that it is the best one.

Source: Thompson, On the likelihood that one unknown probability exceeds another (1933). Computed instead of sampled, so
that shares are exact propensities. It never forgets: in a world that stands still nothing is simpler or much better; in
one that changes, a long past outvotes the present.
"""

from collections.abc import Sequence

from trimtab.engine.policy.belief import best_arms
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.tally import Tally


class Thompson:
    """Shares follow P(best) of all trials so far.

    >>> policy = Thompson(2, real_valued=False)
    >>> policy.update(Batch([100, 100], [10, 30], [10, 30], [0.5, 0.5]))
    >>> [round(share, 3) for share in policy.shares([True, True], 0, 1)]
    [0.0, 1.0]
    """

    __slots__ = ("_real_valued", "_tally")

    def __init__(self, arms: int, *, real_valued: bool) -> None:
        self._tally = Tally.of(arms)
        self._real_valued = real_valued

    def update(self, batch: Batch) -> None:
        """Counts what came of traffic."""
        self._tally.add(batch)

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies what is known of one arm by `keep`, from 0 to 1."""
        self._tally.forget(arm, keep)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives P(best) among the arms that may take traffic."""
        return best_arms(self._tally, eligible, real_valued=self._real_valued)

    def snapshot(self) -> Snapshot:
        """Gives the sums."""
        return self._tally.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._tally.restore(snapshot)
