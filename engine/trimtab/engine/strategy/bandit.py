"""Bandit: every variant's share follows what a policy makes of the rewards, for as long as the release lives."""

from collections.abc import Sequence

from trimtab.engine.strategy.situation import Move, Situation
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.strategy import Bandit


def bandit(situation: Situation, spec: Bandit) -> Move:
    """Gives the policy's split among the variants that may take traffic, and that of each segment."""
    rule = f"bandit: weights follow the policy {spec.policy.type}"
    if situation.segment_shares:
        rule = f"{rule}, in each segment"
    return Move(
        _basis_points(situation.shares), f"{rule}; {situation.fault}" if situation.fault else rule, keeps_floor=True,
        segments={segment: _basis_points(shares) for segment, shares in situation.segment_shares.items()},
    )  # fmt: skip


def _basis_points(shares: Sequence[float]) -> tuple[float, ...]:
    return tuple([share * BASIS_POINTS for share in shares])
