"""The weighted mean of other policies' shares.

All members learn from all traffic, whoever asked for it: what a batch brought is evidence of the arms, and its
propensities are those that were in force. Each member that draws does so with a seed of its own.
"""

from collections.abc import Sequence

from trimtab.engine.policy.guest import Guest
from trimtab.engine.policy.policy import Batch, Policy, Snapshot


class Mixture:
    """Shares between those of its members.

    >>> from trimtab.engine.policy.uniform import Uniform
    >>> Mixture([(1.0, Uniform()), (3.0, Uniform())]).shares([True, True], 0, 1)
    [0.5, 0.5]
    """

    __slots__ = ("_policies", "_weights")

    def __init__(self, members: Sequence[tuple[float, Policy]]) -> None:
        """`members`: at least one, with its weight, above 0."""
        total = sum(weight for weight, _ in members)
        self._weights = [weight / total for weight, _ in members]
        self._policies = [policy for _, policy in members]

    @property
    def fault(self) -> str:
        """What users' own policies among its members did wrong when they were last told or asked."""
        return "; ".join(policy.fault for policy in self._policies if isinstance(policy, Guest) and policy.fault)

    def update(self, batch: Batch) -> None:
        """Tells every member what came of traffic."""
        for policy in self._policies:
            policy.update(batch)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the weighted mean of the members' shares."""
        asked = [
            policy.shares(eligible, pending, seed * len(self._policies) + place)
            for place, policy in enumerate(self._policies)
        ]
        return [
            sum(weight * share for weight, share in zip(self._weights, of_arm, strict=True))
            for of_arm in zip(*asked, strict=True)
        ]

    def snapshot(self) -> Snapshot:
        """Gives the members' snapshots."""
        return {"members": [policy.snapshot() for policy in self._policies]}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        for policy, member in zip(self._policies, snapshot["members"], strict=True):
            policy.restore(member)
