"""Bandit: every variant's share follows the probability that it is the best one, for as long as the release lives.

Source: Thompson (1933); the split is the expected one, see `trimtab.engine.best`.
"""

from trimtab.engine.strategy.situation import Move, Situation
from trimtab.schemas.ids import BASIS_POINTS


def bandit(situation: Situation) -> Move:
    """Gives the expected Thompson split among the variants that may take traffic."""
    target = tuple(probability * BASIS_POINTS for probability in situation.probabilities)
    return Move(target, "bandit: weights follow P(best)", keeps_floor=True)
