"""How often weights are chosen."""

from typing import Final

from trimtab.engine.strategy.steps import shortest_ms
from trimtab.schemas.strategy import AbTest, Bandit, Strategy

STEP_INTERVAL_MS: Final = 1_000
"""How often a strategy with steps looks at its gate, where it is alone."""
_LOOKS_PER_HOLD: Final = 20
"""How often it does within the time that a step lasts, at least, however many others there are."""


def interval_ms(strategy: Strategy, pace: int) -> int:
    """Gives the time between two looks; `pace`: how many intervals a strategy that can wait lets pass."""
    if isinstance(strategy, Bandit):
        return strategy.interval
    if isinstance(strategy, AbTest):
        return STEP_INTERVAL_MS * pace
    return max(STEP_INTERVAL_MS, min(STEP_INTERVAL_MS * pace, shortest_ms(strategy) // _LOOKS_PER_HOLD))
