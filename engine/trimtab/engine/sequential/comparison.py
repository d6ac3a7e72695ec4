"""A candidate's share of breaches against that of the baseline in the same stretches of time.

Null: in every look the candidate's odds of a breach are at most `margin_ratio` times the baseline's, whatever those are
and however they move from look to look. Given a look's sizes and the sum of its breaches the likelihood ratio of larger
odds has mean 1 at the margin and less below (hypergeometric.py has why). At a margin of 1 it takes less: that the
requests of a look were dealt to the arms without regard to what would become of them.

* Weights may move between looks in any way that does not depend on outcomes still to come.
* A look's sizes must not depend on its outcomes. So evidence is judged at the end of looks; a peek at an open one says
  what E would be if it ended now, and its maximum over many peeks has no guarantee.
* A look in which one arm has no responses tells nothing and is passed over. Where that is most of them, let looks be
  longer, for good: some ten responses of the candidate in each lose little.

`Side.BENEFIT` has the opposite null, that odds are at least `margin_ratio` times the baseline's: evidence against it
shows that the candidate is not inferior by more than the margin. `Side.BOTH` tells either way from exactly the margin.
"""

import math
from typing import Any, Final

import numpy as np

from trimtab.engine.sequential.conclusion import Estimate, Side
from trimtab.engine.sequential.hypergeometric import pair_steps
from trimtab.engine.sequential.look import SharePair
from trimtab.engine.sequential.mixture import LN_ODDS, Floats, Mixture
from trimtab.engine.sequential.odds import OddsRatio
from trimtab.engine.sequential.starts import FIRST

TILTS: Final[dict[Side, Floats]] = {
    Side.HARM: LN_ODDS,
    Side.BENEFIT: -LN_ODDS,
    Side.BOTH: np.concatenate([LN_ODDS, -LN_ODDS]),
}


class ComparisonTest:
    """Whether a candidate breaches no more often than the baseline, within a margin.

    >>> test = ComparisonTest(margin_ratio=1.25)
    >>> for second in range(15):
    ...     test.update(SharePair(100, 3, 900, 9))
    >>> round(test.evidence(), 2), round(test.estimate().value, 2)
    (9.26, 3.06)
    """

    __slots__ = ("_margin", "_mixture", "_ratio", "_tilts")

    def __init__(self, margin_ratio: float = 1.0, *, side: Side = Side.HARM, first: float = FIRST) -> None:
        """`margin_ratio`: the odds ratio that is tolerated, at least 1. Raises `ValueError` for anything else."""
        self._margin = margin_of(margin_ratio)
        self._tilts = TILTS[side]
        self._mixture = Mixture(len(self._tilts), first)
        self._ratio = OddsRatio()

    def update(self, look: SharePair) -> None:
        """Takes a look that is over."""
        if look.has_both:
            self._mixture.update(pair_steps(self._tilts, self._margin, look))
            self._ratio.update(look)

    def evidence(self, peek: SharePair | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""
        if peek is None or not peek.has_both:
            return self._mixture.evidence()
        return self._mixture.evidence(pair_steps(self._tilts, self._margin, peek))

    def estimate(self, peek: SharePair | None = None) -> Estimate:
        """Gives the odds ratio since the test began; None while the baseline has no breaches to compare with."""
        return self._ratio.estimate(math.exp(self._margin), peek)

    def snapshot(self) -> dict[str, Any]:
        """Gives the state as plain data."""
        return {"ratio": self._ratio.snapshot(), "mixture": self._mixture.snapshot()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continues from a snapshot of a test with the same settings."""
        self._ratio.restore(snapshot["ratio"])
        self._mixture.restore(snapshot["mixture"])


def margin_of(ratio: float) -> float:
    """Gives the logarithm of a tolerated odds ratio. Raises `ValueError` unless it is finite and at least 1."""
    if not 1.0 <= ratio < math.inf:
        raise ValueError(f"expected a margin of at least 1, got {ratio!r}")
    return math.log(ratio)
