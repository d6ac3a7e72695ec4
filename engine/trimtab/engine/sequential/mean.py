"""Real-valued metrics, of which only sums are known: a mean against a limit, or against the concurrent baseline's.

These tests are asymptotic, unlike all others here: they take a look's mean for normal, with the variance that all looks
before it had. No alpha holds for all distributions; what holds is measured, in tests/engine/sequential/test_mean.py. So

* the first `from_count` values of each arm only make the variance. They are no evidence. With 1,000 of them, at an
  alpha of 5 %, between 2 and 6 % of releases on their limit alarmed in 1,500 looks: lognormal values with a skewness
  of 6, and sales that one visit in twenty makes. With 200 of the latter it was 6 % too, and a variance from ten sales;
* tilts are small, at most 0.16 standard deviations: a tilt t misjudges the skewness g of the values by t g / 3 of its
  evidence, so that alpha becomes about alpha ^ (1 - t g / 3);
* values with a skewness above 5, or with a few that are as large as all others together, are to be capped by whoever
  measures, or compared as shares above limits (latency.py), which is exact.

A look in which an arm (or, of a limit, the candidate) has no values is passed over; values that are all alike are no
evidence either, for they have no variance to be judged by. A look's sizes must not depend on its values. Looks are
weighted by what they tell: weights and levels may move from look to look.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from trimtab.engine.compiled import compiled
from trimtab.engine.sequential.conclusion import Estimate, Side
from trimtab.engine.sequential.look import NO_VALUES, Sums, SumsPair
from trimtab.engine.sequential.mixture import Floats, Mixture
from trimtab.engine.sequential.moments import Moments, half_width
from trimtab.engine.sequential.starts import FIRST

FROM_COUNT: Final = 1_000
TUNED_COUNT: Final = 10_000
_DEVIATIONS: Final = np.array([0.01, 0.02, 0.04, 0.08, 0.16])
_TILTS: Final[dict[Side, Floats]] = {
    Side.HARM: _DEVIATIONS,
    Side.BENEFIT: -_DEVIATIONS,
    Side.BOTH: np.concatenate([_DEVIATIONS, -_DEVIATIONS]),
}
"""In standard deviations of one value."""


class Harm(IntEnum):
    """Which way a mean does harm."""

    ABOVE = 1
    BELOW = -1


@compiled
def normal_steps(tilts: Floats, distance: float, information: float) -> Floats:
    """Gives the log likelihood ratio of each mean in `tilts` against 0, for a normal value of that information."""
    return information * tilts * (distance - 0.5 * tilts)


class MeanTest:
    """Whether a mean keeps a limit.

    >>> test = MeanTest(10.0, harm=Harm.BELOW)
    >>> for second in range(30):
    ...     test.update(Sums(100, 980.0, 10_004.0))
    >>> round(test.evidence(), 2), test.estimate().is_within, [round(edge, 1) for edge in test.interval(0.05)]
    (7.96, False, [9.7, 9.9])
    """

    __slots__ = ("_from_count", "_harm", "_limit", "_mixture", "_moments", "_tilts")

    def __init__(
        self, limit: float, *, harm: Harm, side: Side = Side.HARM, from_count: int = FROM_COUNT, first: float = FIRST
    ) -> None:
        """`from_count`: values that only make the variance, at least 2."""
        self._limit, self._harm, self._from_count = limit, harm, from_count
        self._tilts = _TILTS[side]
        self._mixture = Mixture(len(self._tilts), first)
        self._moments = Moments()

    def update(self, look: Sums) -> None:
        """Takes a look that is over."""
        if self._tells(look):
            self._mixture.update(self._steps(look))
        self._moments.update(look)

    def evidence(self, peek: Sums | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""
        return self._mixture.evidence(None if peek is None or not self._tells(peek) else self._steps(peek))

    def _tells(self, look: Sums) -> bool:
        return look.n > 0 and self._moments.count >= self._from_count and self._moments.variance > 0.0

    def _steps(self, look: Sums) -> Floats:
        deviation = self._moments.variance**0.5
        return normal_steps(self._tilts, self._harm * (look.mean - self._limit) / deviation, float(look.n))

    def estimate(self, peek: Sums | None = None) -> Estimate:
        """Gives the mean since the test began."""
        moments = _with(self._moments, peek or NO_VALUES)
        is_within = self._harm * (moments.mean - self._limit) <= 0.0
        return Estimate(moments.mean if moments.count else None, self._limit, moments.count, is_within=is_within)

    def interval(self, alpha: float, tuned_count: int = TUNED_COUNT) -> tuple[float, float]:
        """Gives a confidence sequence of the mean, both ways; tightest at `tuned_count` values."""
        if self._moments.count < self._from_count or not self._moments.variance:
            return -np.inf, np.inf
        half = half_width(self._moments.count, tuned_count, alpha) * self._moments.variance**0.5
        return self._moments.mean - half, self._moments.mean + half

    def snapshot(self) -> dict[str, Any]:
        """Gives the state as plain data."""
        return {"moments": self._moments.snapshot(), "mixture": self._mixture.snapshot()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continues from a snapshot of a test with the same settings."""
        self._moments.restore(snapshot["moments"])
        self._mixture.restore(snapshot["mixture"])


class DifferenceTest:
    """Whether a candidate's mean is no worse than the baseline's, within a margin.

    >>> test = DifferenceTest(harm=Harm.ABOVE, margin=0.1)
    >>> for second in range(60):
    ...     test.update(SumsPair(Sums(100, 1_040.0, 10_916.0), Sums(900, 9_000.0, 90_900.0)))
    >>> round(test.evidence(), 2), round(test.estimate().value, 2)
    (156.64, 0.4)
    """

    __slots__ = ("_arms", "_from_count", "_harm", "_margin", "_mixture", "_per_value", "_ratio", "_sums", "_tilts")

    def __init__(  # noqa: PLR0913 - one argument a setting, by keyword
        self,
        *,
        harm: Harm,
        margin: float = 0.0,
        ratio: float = 1.0,
        side: Side = Side.HARM,
        from_count: int = FROM_COUNT,
        first: float = FIRST,
    ) -> None:
        """The candidate's mean less `ratio` times the baseline's may be `margin` on the harmful side.

        `margin`: at least 0, in the metric's unit. `ratio`: 1 to compare with the baseline, 0.95 to tolerate a loss of
        5 %. `from_count`: values of each arm that only make the variance, at least 2.
        """
        self._harm, self._margin, self._ratio, self._from_count = harm, margin, ratio, from_count
        self._tilts = _TILTS[side]
        self._mixture = Mixture(len(self._tilts), first)
        self._arms = Moments(), Moments()
        self._sums = [0.0, 0.0]
        """information of all looks, and their differences, each times its information"""
        self._per_value = 0.0
        """information per value of the candidate, in the first look that told something"""

    def update(self, look: SumsPair) -> None:
        """Takes a look that is over."""
        if self._tells(look):
            difference, information = self._difference(look)
            self._mixture.update(self._steps(look))
            self._sums = [self._sums[0] + information, self._sums[1] + difference * information]
            self._per_value = self._per_value or information / look.candidate.n
        for moments, sums in zip(self._arms, look, strict=True):
            moments.update(sums)

    def evidence(self, peek: SumsPair | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""
        return self._mixture.evidence(None if peek is None or not self._tells(peek) else self._steps(peek))

    def _tells(self, look: SumsPair) -> bool:
        are_known = min(moments.count for moments in self._arms) >= self._from_count and self._variance > 0.0
        return are_known and look.candidate.n > 0 and look.baseline.n > 0

    @property
    def _variance(self) -> float:
        """Of one value, mean of the arms."""
        ours, theirs = self._arms
        return 0.5 * (ours.variance + self._ratio * self._ratio * theirs.variance)

    def _difference(self, look: SumsPair) -> tuple[float, float]:
        """Gives the difference of the means of a look, and its information: 1 / variance."""
        ours, theirs = self._arms
        of_baseline = self._ratio * self._ratio * theirs.variance / look.baseline.n
        variance = ours.variance / look.candidate.n + of_baseline
        return look.candidate.mean - self._ratio * look.baseline.mean, 1.0 / variance

    def _steps(self, look: SumsPair) -> Floats:
        difference, information = self._difference(look)
        distance = (self._harm * difference - self._margin) / self._variance**0.5
        return normal_steps(self._tilts, distance, information * self._variance)

    def estimate(self, peek: SumsPair | None = None) -> Estimate:
        """Gives the difference since evidence began, each look compared within itself; None before."""
        information, weighted = self._sums
        if peek is not None and self._tells(peek):
            difference, more = self._difference(peek)
            information, weighted = information + more, weighted + difference * more
        counts = [moments.count for moments in self._arms]
        if peek is not None:
            counts = [count + sums.n for count, sums in zip(counts, peek, strict=True)]
        value = weighted / information if information else None
        is_within = value is not None and self._harm * value <= self._margin
        return Estimate(value, self._harm * self._margin, min(counts), is_within=is_within)

    def interval(self, alpha: float, tuned_count: int = TUNED_COUNT) -> tuple[float, float]:
        """Gives a confidence sequence of the difference, both ways; tightest at `tuned_count` values of a candidate."""
        information, weighted = self._sums
        if not information:
            return -np.inf, np.inf
        half = half_width(information, tuned_count * self._per_value, alpha)
        return weighted / information - half, weighted / information + half

    def snapshot(self) -> dict[str, Any]:
        """Gives the state as plain data."""
        return {
            "arms": [moments.snapshot() for moments in self._arms],
            "sums": list(self._sums),
            "per_value": self._per_value,
            "mixture": self._mixture.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continues from a snapshot of a test with the same settings."""
        for moments, kept in zip(self._arms, snapshot["arms"], strict=True):
            moments.restore(kept)
        self._sums, self._per_value = list(snapshot["sums"]), snapshot["per_value"]
        self._mixture.restore(snapshot["mixture"])


def _with(moments: Moments, look: Sums) -> Moments:
    both = Moments()
    both.restore(moments.snapshot())
    both.update(look)
    return both
