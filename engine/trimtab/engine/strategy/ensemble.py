"""Ensemble: every member answers every request, and its weight in the answer follows what its own answers have earned.

It begins with its baseline alone, as every release does. A member that fails a guardrail is out, and is not asked any
more; without any left beside the baseline, that answers alone.
"""

from trimtab.engine.strategy.situation import Move, Situation
from trimtab.schemas.ids import BASIS_POINTS


def ensemble(situation: Situation) -> Move:
    """Gives the members' weights as Hedge has them."""
    rule = "ensemble: weights follow what each member's own answers have earned"
    return Move(tuple(share * BASIS_POINTS for share in situation.shares), rule, keeps_floor=True)
