"""Looks: what one stretch of time brought to a test, once it is over.

* A look belongs to a stretch that was fixed before it began (a second of event time, or ten): where it ends may depend
  on no outcome, nor on which arm got something. So nothing is carried over from a look in which an arm got nothing.
* Every response is in one look only, that of its own time.
"""

from collections.abc import Sequence
from typing import NamedTuple


class Share(NamedTuple):
    """Responses of one arm, and how many of them breached (were errors, or slower than a limit)."""

    responses: int
    breaches: int


class SharePair(NamedTuple):
    """The same of two arms, in the same stretch of time."""

    candidate: int
    candidate_breaches: int
    baseline: int
    baseline_breaches: int

    @property
    def has_both(self) -> bool:
        """Whether there is something to compare."""
        return self.candidate > 0 and self.baseline > 0


class SlowPair(NamedTuple):
    """Responses of two arms, and how many of each were slower than each of the frozen limits."""

    candidate: int
    candidate_slower: Sequence[int]
    baseline: int
    baseline_slower: Sequence[int]

    def pairs(self) -> list[SharePair]:
        """Gives the pair of shares at each limit."""
        slower = zip(self.candidate_slower, self.baseline_slower, strict=True)
        return [SharePair(self.candidate, ours, self.baseline, theirs) for ours, theirs in slower]


class Routed(NamedTuple):
    """Requests by arm, and the weights that were in force when they were routed, in any unit."""

    weights: Sequence[float]
    """none where the revision is older than all that are remembered"""
    requests: Sequence[int]
    second: int = 0
    """of event time"""
    is_stale: bool = False
    """whether the weights had been replaced when they were used"""


class Sums(NamedTuple):
    """Values of one arm: how many, their sum, and the sum of their squares."""

    n: int
    total: float
    squares: float

    @property
    def mean(self) -> float:
        """Their mean; there is at least one."""
        return self.total / self.n


NO_VALUES = Sums(0, 0.0, 0.0)


class SumsPair(NamedTuple):
    """Values of two arms, in the same stretch of time."""

    candidate: Sums
    baseline: Sums
