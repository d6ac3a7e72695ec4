"""What a variant has earned: trials and rewards, as everything that learns or judges by the objective sees them.

Where the objective has an `attribution`, trials are the requests of mature cohorts (`cohort_book.py`); else they are
outcomes (or responses), and count when they come.
"""

from typing import Final

from trimtab.engine.evidence import Evidence
from trimtab.schemas.evidence import VALUE_SCALE
from trimtab.schemas.release import Spec

Sums = tuple[int, int, int]
"""trials, sum of rewards and of their squares, the sums in 1/VALUE_SCALE"""
_NO_SUMS: Final = (0, 0, 0)


def earned(spec: Spec, evidence: Evidence, variant: str) -> Sums:
    """Gives what a variant has earned; with an attribution since the present spec, else since the release began."""
    book, metric = evidence.requests, spec.objective.metric
    if book is not None and book.cohorts is not None:
        return book.cohorts.earned(book.arm(variant))
    totals = evidence.totals[variant]
    if metric == "success":
        trials, rewards = totals.rewards(metric)
        return trials, rewards, rewards
    count, total, squares = totals.values.get(metric, _NO_SUMS)
    return count, total, squares


def within(trials: int, rewards: int, *, is_share: bool) -> int:
    """Gives rewards of so many trials: where they are shares, from 0 to 1 each. What is cut off stays to be told."""
    return max(0, min(trials * VALUE_SCALE, rewards)) if is_share else rewards
