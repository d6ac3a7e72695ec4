"""The odds ratio of two arms over all looks, each look compared within itself.

With weights or rates that move, the ratio of totals compares different times (Simpson's paradox); the sum over looks
does not.

Source: Mantel, Haenszel: Statistical aspects of the analysis of data from retrospective studies (1959).
"""

from trimtab.engine.sequential.conclusion import Estimate
from trimtab.engine.sequential.look import SharePair


class OddsRatio:
    """Running sums of the Mantel-Haenszel estimate.

    >>> ratio = OddsRatio()
    >>> ratio.update(SharePair(100, 2, 900, 9))
    >>> round(ratio.estimate(1.0).value, 2)
    2.02
    """

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums = [0.0, 0.0, 0.0, 0.0]
        """responses of candidate and baseline, crosswise products against and for the candidate"""

    def update(self, look: SharePair) -> None:
        """Takes a look in which both arms have responses."""
        self._sums = _added(self._sums, look)

    def estimate(self, margin_ratio: float, peek: SharePair | None = None) -> Estimate:
        """Gives the odds ratio, and whether it is within `margin_ratio`; no breaches at all are within."""
        sums = self._sums if peek is None or not peek.has_both else _added(self._sums, peek)
        candidate, baseline, against, in_favour = sums
        value = against / in_favour if in_favour else None
        n = int(min(candidate, baseline))
        return Estimate(value, margin_ratio, n, is_within=against <= margin_ratio * in_favour)

    def snapshot(self) -> list[float]:
        """Gives the sums."""
        return list(self._sums)

    def restore(self, snapshot: list[float]) -> None:
        """Continues from a snapshot."""
        self._sums = list(snapshot)


def _added(sums: list[float], look: SharePair) -> list[float]:
    candidate, x, baseline, y = look
    both = candidate + baseline
    return [
        sums[0] + candidate,
        sums[1] + baseline,
        sums[2] + x * (baseline - y) / both,
        sums[3] + y * (candidate - x) / both,
    ]
