"""Covariate adjustment: what is known from before the experiment takes scatter out of the difference (CUPED).

Each trial brings the metric y and a covariate x that the arm cannot have changed, such as the same metric of the same
visitor in the weeks before. Within each arm a line explains y by x; the arms are compared at the mean of x over all.
It is the least-squares estimate of y on arm, centred x and their product, computed from six sums an arm.

* The variance of what is left falls by the squared correlation: a correlation of 0.7 halves the trials needed.
* A line of its own for each arm is never worse than none in large samples, also where the split is uneven and the arms
  scatter differently; one common line (the usual CUPED) may be.
* A covariate that the arms do change (measured after routing) biases the difference. Nothing here can notice that.

Sources: Deng, Xu, Kohavi, Walker (2013), section 3; Lin (2013), "Agnostic notes on regression adjustments".
"""

from dataclasses import dataclass, fields
from math import inf, isfinite, sqrt

from trimtab.engine.experiment.confidence_sequence import Interval, Level, asymptotic_interval

_LEAST_TRIALS = 3


@dataclass(frozen=True, slots=True)
class Paired:
    """Sums over the trials of an arm that have both a metric y and a covariate x. Raises `ValueError` if not finite."""

    trials: int
    x: float
    xx: float
    y: float
    yy: float
    xy: float

    def __post_init__(self) -> None:
        if not all(isfinite(getattr(self, each.name)) for each in fields(self)):
            raise ValueError(f"expected finite sums, got {self!r}")
        if min(self.trials, self.xx, self.yy) < 0:
            raise ValueError(f"expected trials and sums of squares of at least 0, got {self!r}")


@dataclass(frozen=True, slots=True)
class Adjusted:
    """A difference with the covariate's part taken out, and without."""

    difference: float
    variance: float
    """of `difference`; infinite with fewer than three trials in an arm"""
    plain_difference: float
    plain_variance: float
    trials: int

    @property
    def reduction_ratio(self) -> float:
        """Which part of the variance the covariate explained: 0 for nothing; 0 where that is not known, too."""
        return 1.0 - self.variance / self.plain_variance if 0.0 < self.plain_variance < inf else 0.0

    @property
    def standard_error(self) -> float:
        """Of `difference`."""
        return sqrt(self.variance)

    def interval(self, level: Level) -> Interval:
        """Gives the confidence sequence of the adjusted difference."""
        return asymptotic_interval(self.difference, self.variance, self.trials, level)


def adjust(one: Paired, other: Paired) -> Adjusted:
    """Gives the mean of y in `one` less that in `other`, at the same x.

    >>> before_and_after = [(1, 2), (2, 3), (3, 5), (4, 5)]
    >>> def sums(pairs, extra):
    ...     x, y = zip(*((x, y + extra) for x, y in pairs))
    ...     squares = (sum(a * b for a, b in zip(v, w)) for v, w in ((x, x), (y, y), (x, y)))
    ...     xx, yy, xy = squares
    ...     return Paired(len(x), sum(x), xx, sum(y), yy, xy)
    >>> adjusted = adjust(sums(before_and_after, 1), sums(before_and_after, 0))
    >>> adjusted.difference, round(adjusted.variance, 3), round(adjusted.plain_variance, 3)
    (1.0, 0.175, 1.125)
    """
    trials = one.trials + other.trials
    if min(one.trials, other.trials) < _LEAST_TRIALS:
        plain = one.y / one.trials - other.y / other.trials if min(one.trials, other.trials) else 0.0
        return Adjusted(plain, inf, plain, inf, trials)
    first, second = _line(one), _line(other)
    mean_x = (one.x + other.x) / trials
    difference = first.at(mean_x) - second.at(mean_x)
    plain_variance = first.scatter / (one.trials - 1) / one.trials + second.scatter / (other.trials - 1) / other.trials
    # The mean of x over all is itself drawn; where the lines are not parallel, the difference moves with it.
    of_mean_x = (first.slope - second.slope) ** 2 * _spread_x(one, other) / (trials - 1) / trials
    variance = first.left / (one.trials - 2) / one.trials + second.left / (other.trials - 2) / other.trials + of_mean_x
    return Adjusted(difference, variance, first.mean_y - second.mean_y, plain_variance, trials)


@dataclass(frozen=True, slots=True)
class _Line:
    """The least-squares line of y on x of an arm."""

    mean_x: float
    mean_y: float
    slope: float
    scatter: float
    """sum of squares of y about its mean"""
    left: float
    """sum of squares of y about the line"""

    def at(self, x: float) -> float:
        return self.mean_y + self.slope * (x - self.mean_x)


def _line(arm: Paired) -> _Line:
    mean_x, mean_y = arm.x / arm.trials, arm.y / arm.trials
    xx = max(0.0, arm.xx - arm.x * mean_x)
    yy = max(0.0, arm.yy - arm.y * mean_y)
    slope = (arm.xy - arm.x * mean_y) / xx if xx else 0.0
    return _Line(mean_x, mean_y, slope, yy, max(0.0, yy - slope * slope * xx))


def _spread_x(one: Paired, other: Paired) -> float:
    total = one.x + other.x
    return max(0.0, one.xx + other.xx - total * total / (one.trials + other.trials))
