"""Confidence sequences: intervals that may be looked at at every moment, for as long as the experiment runs.

With probability 1 - alpha the truth is inside *all* the intervals that are ever shown, so whoever stops because of one
of them is not misled. An ordinary confidence interval promises that for a single look only.

* Each interval is a function of the sums as they are now. Nothing is carried from look to look, none is intersected
  with those before: where the truth drifts, the interval follows the average over all trials.
* `share_interval` is exact: valid from the first trial on, whatever the share.
* Differences are asymptotic: valid in the limit of a late first look. Before `Level.least_trials` in both arms, and for
  shares before `LEAST_EXPECTED` expected successes and failures in both, they say that nothing is known.
* Which arm a trial went to must not depend on its outcome. The split may move.

Sources: Robbins (1970), for shares with the mixture of Howard, Ramdas, McAuliffe, Sekhon (2021), section 3.2;
Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2021), "Time-uniform central limit theory", theorem 2.2 and equation 12.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, log, sqrt
from typing import Final

from scipy.special import betaln

from trimtab.engine.experiment.sample import Sample, Share

_PRIOR: Final = 0.5
"""of the mixture over shares, Beta(1/2, 1/2): close to the best for any share"""
LEAST_EXPECTED: Final = 30
"""Successes and failures that each arm has to expect, by the share of both together, before a difference is trusted.
Simulated with 3 to 10 % of the traffic on one arm (10,000 looks, alpha 5 %), 4.1 % of experiments at the most ever
miss from here on, 4.5 % from 20 on, and far more from 100 trials on whatever their share."""
LEAST_TRIALS: Final = 100
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and what else the truth may be. Infinite bounds say that nothing is known yet."""

    estimate: float
    lower: float
    upper: float

    @property
    def is_known(self) -> bool:
        """Whether there is evidence enough for bounds."""
        return isfinite(self.lower) and isfinite(self.upper)

    def holds(self, value: float) -> bool:
        """Whether the truth may be `value`."""
        return self.lower <= value <= self.upper


@dataclass(frozen=True, slots=True)
class Level:
    """How sure intervals are, and when they are to be narrowest.

    `alpha`: the chance that any of the intervals ever shown misses the truth. `tuned_trials`: how many trials in both
    arms together intervals of a difference are narrowest at; half of what is planned is a good choice. At a tenth of it
    they are 24 % wider than they could be, at ten times as many 7 %. Raises `ValueError` for what cannot be.
    """

    alpha: float
    tuned_trials: float
    least_trials: int = LEAST_TRIALS
    """in each arm, before a difference is trusted; more where values have a heavy tail"""

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha <= _HALF:
            raise ValueError(f"alpha: expected above 0 and at most 0.5, got {self.alpha}")
        if not 0.0 < self.tuned_trials < inf:
            raise ValueError(f"tuned_trials: expected above 0, got {self.tuned_trials}")


def share_interval(arm: Share, alpha: float) -> Interval:
    """Gives the interval of one share, [0, 1] without trials; `alpha` is above 0 and below 1.

    It holds every p at which the likelihood ratio of the mixture against p is below 1/alpha.

    >>> interval = share_interval(Share(trials=1_000, successes=100), alpha=0.05)
    >>> f"{interval.lower:.3f} {interval.upper:.3f}"
    '0.069 0.138'
    """
    if arm.trials == 0:
        return Interval(arm.mean, 0.0, 1.0)
    hits, misses, at = arm.successes, arm.trials - arm.successes, arm.mean
    mixture = float(betaln(_PRIOR + hits, _PRIOR + misses) - betaln(_PRIOR, _PRIOR))
    room = -log(alpha) - mixture

    def is_inside(share: float) -> bool:
        return -_log_likelihood(hits, misses, share) < room

    lower = _edge(at, 0.0, is_inside) if hits else 0.0
    return Interval(at, lower, _edge(at, 1.0, is_inside) if misses else 1.0)


def difference_interval(one: Sample, other: Sample, level: Level) -> Interval:
    """Gives the interval of the mean (or share) of `one` less that of `other`.

    >>> level = Level(alpha=0.05, tuned_trials=20_000)
    >>> interval = difference_interval(Share(10_000, 1_200), Share(10_000, 1_000), level)
    >>> f"{interval.estimate:.3f} {interval.lower:.4f} {interval.upper:.4f}"
    '0.020 0.0066 0.0334'
    """
    if not _is_enough(one, other, level):
        return Interval(one.mean - other.mean, -inf, inf)
    variance = one.variance / one.trials + other.variance / other.trials
    return asymptotic_interval(one.mean - other.mean, variance, one.trials + other.trials, level)


def asymptotic_interval(estimate: float, variance: float, trials: int, level: Level) -> Interval:
    """Gives the interval around an estimate of that variance, made of `trials` trials.

    Without scatter (variance 0) nothing is known: how far the next value may lie cannot be told.
    """
    if trials == 0 or not 0.0 < variance < inf:
        return Interval(estimate, -inf, inf)
    radius = sqrt(variance) * critical_value(trials / level.tuned_trials, level.alpha)
    return Interval(estimate, estimate - radius, estimate + radius)


def critical_value(progress: float, alpha: float) -> float:
    """Gives how many standard errors the bounds lie from the estimate, `progress` times the tuned size into it.

    It is least near `progress` 1 (3.03 at alpha 5 %), and grows without end, but slowly, to both sides.
    """
    prior = progress * (-2.0 * log(alpha) + log(-2.0 * log(alpha)) + 1.0)
    return sqrt((1.0 + 1.0 / prior) * (log(1.0 + prior) - 2.0 * log(alpha)))


def _log_likelihood(hits: int, misses: int, share: float) -> float:
    return (hits * log(share) if hits else 0.0) + (misses * log(1.0 - share) if misses else 0.0)


def _edge(inside: float, outside: float, is_inside: Callable[[float], bool]) -> float:
    """Gives the edge between two values, from outside, so that rounding never narrows an interval."""
    while (middle := (inside + outside) / 2.0) not in (inside, outside):
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return outside


def _is_enough(one: Sample, other: Sample, level: Level) -> bool:
    fewer = min(one.trials, other.trials)
    if fewer < max(1, level.least_trials):
        return False
    if not (isinstance(one, Share) and isinstance(other, Share)):
        return True
    pooled = Share(one.trials + other.trials, one.successes + other.successes).mean
    return min(pooled, 1.0 - pooled) * fewer >= LEAST_EXPECTED
