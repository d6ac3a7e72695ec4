"""What an arm of an experiment has shown, as sums: all that the modules of this package need.

Sums, not rows: an arm costs three or six numbers however long it runs, and adding up parts in any order is the same.
Missing is not zero: an arm without trials has no mean, and variances that cannot be known yet are infinite.
"""

from dataclasses import dataclass
from math import inf, isfinite, nan

_PLUS_SUCCESSES, _PLUS_TRIALS = 1, 2
_TWO = 2


@dataclass(frozen=True, slots=True)
class Share:
    """Trials that each succeeded or did not. Raises `ValueError` where successes are not within 0 and `trials`.

    >>> Share(trials=200, successes=30).mean
    0.15
    """

    trials: int
    successes: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials:
            raise ValueError(f"successes: expected 0 to {self.trials} (trials), got {self.successes}")

    @property
    def mean(self) -> float:
        """Share of successes; nan without trials."""
        return self.successes / self.trials if self.trials else nan

    @property
    def variance(self) -> float:
        """Variance of one trial, from one success and one failure more than were seen.

        A rare success that has not come yet would otherwise be taken for one that never comes. Source: Agresti and
        Caffo (2000).
        """
        smoothed = (self.successes + _PLUS_SUCCESSES) / (self.trials + _PLUS_TRIALS)
        return smoothed * (1.0 - smoothed)


@dataclass(frozen=True, slots=True)
class Moments:
    """Trials with a real value each. Raises `ValueError` for negative, infinite or missing sums.

    The variance is what is left of two large sums, so values that are far from 0 and close to each other lose digits:
    with a mean 1,000 times the standard deviation about six of sixteen.

    >>> arm = Moments(trials=3, total=6.0, squares=14.0)  # 1, 2, 3
    >>> arm.mean, arm.variance
    (2.0, 1.0)
    """

    trials: int
    total: float
    squares: float
    """sum of the squared values"""

    def __post_init__(self) -> None:
        if self.trials < 0 or self.squares < 0 or not (isfinite(self.total) and isfinite(self.squares)):
            raise ValueError(f"expected finite sums of at least 0 trials, got {self!r}")

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.trials + other.trials, self.total + other.total, self.squares + other.squares)

    @property
    def mean(self) -> float:
        """Mean value; nan without trials."""
        return self.total / self.trials if self.trials else nan

    @property
    def variance(self) -> float:
        """Unbiased variance of one value; infinite for fewer than two."""
        if self.trials < _TWO:
            return inf
        return max(0.0, self.squares - self.total * self.total / self.trials) / (self.trials - 1)


Sample = Share | Moments
