"""Every arm gets the same: to compare others with, and where every arm is to be measured alike."""

from collections.abc import Sequence

from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.spread import evenly


class Uniform:
    """Even shares, whatever came of them.

    >>> Uniform().shares([True, True, False], 0, 1)
    [0.5, 0.5, 0.0]
    """

    __slots__ = ()

    def update(self, batch: Batch) -> None:
        """Changes nothing."""

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives even shares."""
        return evenly(eligible)

    def snapshot(self) -> Snapshot:
        """Gives nothing: there is no state."""
        return {}

    def restore(self, snapshot: Snapshot) -> None:
        """Changes nothing."""
