"""Which strategy a release file names."""

from typing import assert_never

from trimtab.engine.strategy.ab_test import ab_test
from trimtab.engine.strategy.bandit import bandit
from trimtab.engine.strategy.blue_green import blue_green
from trimtab.engine.strategy.canary import canary
from trimtab.engine.strategy.ensemble import ensemble
from trimtab.engine.strategy.shadow import shadow
from trimtab.engine.strategy.situation import Move, Situation
from trimtab.schemas.strategy import AbTest, Bandit, BlueGreen, Canary, Ensemble, Shadow


def choose(situation: Situation) -> Move:
    """Gives where the weights should go, by the strategy of the release."""
    match situation.spec.strategy:
        case Canary() as spec:
            return canary(situation, spec)
        case BlueGreen() as spec:
            return blue_green(situation, spec)
        case AbTest() as spec:
            return ab_test(situation, spec)
        case Shadow() as spec:
            return shadow(situation, spec)
        case Bandit() as spec:
            return bandit(situation, spec)
        case Ensemble():
            return ensemble(situation)
        case other:
            assert_never(other)
