"""A candidate's latency against that of the baseline, as shares of responses slower than three frozen limits.

The limits are the baseline's quantiles p50, p90 and p99 of a warm-up; each makes a comparison of shares, and E is the
mean of the three. One of them is fast for what is slower throughout, another for a tail.

* A limit is frozen before the looks that it is used in. It may be frozen anew at a time that does not depend on what
  came after; evidence goes on.
* Comparisons, margins, sides and what is passed over are as in comparison.py. Margins are ratios of odds, not of time.
* That latencies of the baseline move with the time of day takes nothing from validity, only from power.
"""

import math
from typing import Any, Final, Literal

import numpy as np

from trimtab.engine.sequential.comparison import TILTS, margin_of
from trimtab.engine.sequential.conclusion import Estimate, Side
from trimtab.engine.sequential.hypergeometric import pair_steps
from trimtab.engine.sequential.look import SlowPair
from trimtab.engine.sequential.mixture import Floats, Mixture
from trimtab.engine.sequential.odds import OddsRatio
from trimtab.engine.sequential.starts import FIRST
from trimtab.engine.sketch import Sketch
from trimtab.schemas.decision import Verdict

QUANTILES: Final = (0.5, 0.9, 0.99)
WARM_UP_COUNT: Final = 1_000
"""Responses that limits rest on at the least: ten of them lie beyond p99."""
REFREEZE_LOOKS: Final = 60
"""Looks after which limits are frozen anew, at the least: they age as the baseline's latency drifts."""


def frozen_limits_ms(warm_up: Sketch) -> tuple[float, ...] | Literal[Verdict.INCONCLUSIVE]:
    """Gives the limits that the baseline's warm-up sets, one per quantile; INCONCLUSIVE with too few responses."""
    if warm_up.count < WARM_UP_COUNT:
        return Verdict.INCONCLUSIVE
    quantiles = [warm_up.quantile_ms(quantile) for quantile in QUANTILES]
    return tuple(quantile for quantile in quantiles if quantile is not None)


def slow_pair(candidate: Sketch, baseline: Sketch, limits_ms: tuple[float, ...]) -> SlowPair:
    """Gives the look of two sketches of the same stretch of time."""
    ours, theirs = ([sketch.count_above(limit) for limit in limits_ms] for sketch in (candidate, baseline))
    return SlowPair(candidate.count, ours, baseline.count, theirs)


class LatencyTest:
    """Whether a candidate is no slower than the baseline, within a margin.

    >>> test = LatencyTest()
    >>> for second in range(60):
    ...     test.update(SlowPair(10, (6, 2, 0), 90, (45, 9, 1)))
    >>> round(test.evidence(), 2), test.estimate().is_within
    (20.13, False)
    """

    __slots__ = ("_margin", "_mixture", "_ratios", "_tilts")

    def __init__(self, margin_ratio: float = 1.0, *, side: Side = Side.HARM, first: float = FIRST) -> None:
        """`margin_ratio`: the odds ratio that is tolerated, at least 1. Raises `ValueError` for anything else."""
        self._margin = margin_of(margin_ratio)
        self._tilts = TILTS[side]
        self._mixture = Mixture(len(QUANTILES) * len(self._tilts), first)
        self._ratios = [OddsRatio() for _ in QUANTILES]

    def update(self, look: SlowPair) -> None:
        """Takes a look that is over."""
        pairs = look.pairs()
        if pairs[0].has_both:
            self._mixture.update(self._steps(look))
            for ratio, pair in zip(self._ratios, pairs, strict=True):
                ratio.update(pair)

    def evidence(self, peek: SlowPair | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""
        if peek is None or not (peek.candidate and peek.baseline):
            return self._mixture.evidence()
        return self._mixture.evidence(self._steps(peek))

    def _steps(self, look: SlowPair) -> Floats:
        return np.concatenate([pair_steps(self._tilts, self._margin, pair) for pair in look.pairs()])

    def estimate(self, peek: SlowPair | None = None) -> Estimate:
        """Gives the worst of the three odds ratios since the test began; all of them have to be within the margin."""
        pairs = [None] * len(QUANTILES) if peek is None else peek.pairs()
        limit = math.exp(self._margin)
        all_of_them = [ratio.estimate(limit, pair) for ratio, pair in zip(self._ratios, pairs, strict=True)]
        worst = max((one.value for one in all_of_them if one.value is not None), default=None)
        return Estimate(worst, limit, all_of_them[0].n, is_within=all(one.is_within for one in all_of_them))

    def snapshot(self) -> dict[str, Any]:
        """Gives the state as plain data."""
        return {"ratios": [ratio.snapshot() for ratio in self._ratios], "mixture": self._mixture.snapshot()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continues from a snapshot of a test with the same settings."""
        for ratio, kept in zip(self._ratios, snapshot["ratios"], strict=True):
            ratio.restore(kept)
        self._mixture.restore(snapshot["mixture"])
