"""Weights past their age: nobody has stood behind them for so long that the release file says what becomes of them.

A worker that speaks for a release and follows its evidence announces its newest weights again every `VOUCHED_EVERY_S`.
The age of weights is the time since a holder heard that last; a release without traffic, which decides nothing, has
weights as young as any other.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from trimtab.schemas.decision import STALE_AFTER_MS
from trimtab.schemas.part import DurationMs, Part, duration_text

VOUCHED_EVERY_S: Final = 5.0
SHORTEST_MS: Final = 15_000
"""Two announcements may be lost, and another worker may take over from one that was killed."""


def _outlasts_a_lost_word(value_ms: int) -> int:
    if value_ms < SHORTEST_MS:
        every = duration_text(round(1_000 * VOUCHED_EVERY_S))
        raise ValueError(
            f"expected at least {duration_text(SHORTEST_MS)}, for workers vouch for weights every {every},"
            f" got {duration_text(value_ms)}"
        )
    return value_ms


class StaleWeights(Part):
    """When weights are stale, and what becomes of them then.

    >>> StaleWeights().then
    'keep'
    """

    after: Annotated[DurationMs, AfterValidator(_outlasts_a_lost_word)] = STALE_AFTER_MS
    """the age from which they are stale, and shown as that"""
    then: Literal["keep", "baseline"] = "keep"
    """`keep`: they stay in force; `baseline`: all requests go to the baseline until somebody stands behind them again.
    Weights that nobody is to move any more, of releases that are over or frozen, stay in any case"""
