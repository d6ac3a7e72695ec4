"""Bandit: every variant's share follows what a policy makes of the rewards, for as long as the release lives."""

from trimtab.engine.strategy.situation import Move, Situation
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.strategy import Bandit


def bandit(situation: Situation, spec: Bandit) -> Move:
    """Gives the policy's split among the variants that may take traffic."""
    target = tuple(share * BASIS_POINTS for share in situation.shares)
    return Move(target, f"bandit: weights follow the policy {spec.policy.type}", keeps_floor=True)
