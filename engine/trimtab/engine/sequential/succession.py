"""The mean of values that come one after the other, a second each, against a limit.

As `mean.py` says of its tests, this one is asymptotic too. It differs in what a value is: what a metric came to in a
whole second. So

* the first `FROM_SECONDS` values only make the variance. With fewer of them than `mean.py` takes of single values the
  alpha still holds, for a second's value is made of many: what holds is measured, in
  tests/engine/sequential/test_succession.py;
* successive seconds are alike, as load and neighbours are. A value counts as (1 - r) / (1 + r) of one, where r is the
  correlation of each value with the one before, as far as it is above 0: exact for an autoregression of order 1.
  Without that, values with r = 0.5 alarmed in 20 % of runs at an alpha of 5 %. What swings more slowly (hours) is not
  seen: compare it with the baseline.

Source of the factor: Bayley and Hammersley, The "effective" number of independent observations in an autocorrelated
time series (1946).
"""

from typing import Any, Final

import numpy as np

from trimtab.engine.sequential.conclusion import Estimate
from trimtab.engine.sequential.look import Sums
from trimtab.engine.sequential.mean import Harm, normal_steps
from trimtab.engine.sequential.mixture import Floats, Mixture
from trimtab.engine.sequential.moments import Moments
from trimtab.engine.sequential.starts import FIRST

FROM_SECONDS: Final = 60
_TILTS: Final = np.array([0.02, 0.04, 0.08, 0.16, 0.32])
"""In standard deviations of a second's value."""
_GREATEST_CORRELATION: Final = 0.99


class SuccessionTest:
    """Whether the mean of a second's value keeps a limit. None stands for a second without a value.

    >>> test = SuccessionTest(0.9, harm=Harm.BELOW)
    >>> for second in range(120):
    ...     test.update(0.85 + 0.01 * (second % 3))
    >>> round(test.evidence(), 1), round(test.estimate().value, 2), test.estimate().n
    (88.7, 0.86, 120)
    """

    __slots__ = ("_first", "_harm", "_last", "_limit", "_mixture", "_moments", "_products")

    def __init__(self, limit: float, *, harm: Harm) -> None:
        self._limit, self._harm = limit, harm
        self._mixture = Mixture(len(_TILTS), FIRST)
        self._moments = Moments()
        """of the values, less the first"""
        self._first = self._last = 0.0
        self._products = 0.0
        """sum of the products of each value with the one before, both less the first"""

    def update(self, look: float | None) -> None:
        """Takes a second that is over."""
        if look is None:
            return
        if not self._moments.count:
            self._first = look
        apart = look - self._first
        if self._tells:
            self._mixture.update(self._steps(apart))
        if self._moments.count:
            self._products += apart * self._last
        self._last = apart
        self._moments.update(Sums(1, apart, apart * apart))

    def evidence(self, peek: float | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next value."""
        tells = peek is not None and self._tells
        return self._mixture.evidence(self._steps(peek - self._first) if tells and peek is not None else None)

    @property
    def _tells(self) -> bool:
        return self._moments.count >= FROM_SECONDS and self._moments.variance > 0.0

    @property
    def correlation(self) -> float:
        """Gives that of each value with the one before, from 0 on; 0 where it is not known."""
        pairs, mean = self._moments.count - 1, self._moments.mean
        if pairs < 1 or not self._moments.variance > 0.0:
            return 0.0
        together = (self._products / pairs - mean * mean) / self._moments.variance
        return min(max(together, 0.0), _GREATEST_CORRELATION)

    def _steps(self, apart: float) -> Floats:
        known = self.correlation
        distance = self._harm * (apart + self._first - self._limit) / self._moments.variance**0.5
        return normal_steps(_TILTS, distance, (1.0 - known) / (1.0 + known))

    def estimate(self, peek: float | None = None) -> Estimate:
        """Gives the mean since the test began; None before."""
        count, mean = self._moments.count, self._moments.mean + self._first
        if peek is not None:
            mean = (mean * count + peek) / (count + 1)
            count += 1
        is_within = self._harm * (mean - self._limit) <= 0.0
        return Estimate(mean if count else None, self._limit, count, is_within=is_within)

    def snapshot(self) -> dict[str, Any]:
        """Gives the state as plain data."""
        return {
            "moments": self._moments.snapshot(), "mixture": self._mixture.snapshot(),
            "sums": [self._first, self._last, self._products],
        }  # fmt: skip

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continues from a snapshot of a test with the same settings."""
        self._moments.restore(snapshot["moments"])
        self._mixture.restore(snapshot["mixture"])
        self._first, self._last, self._products = snapshot["sums"]
