"""How many trials, and how much time, an experiment with a fixed split needs to find a difference of a given size.

* Power is that of each arm's comparison with the baseline (the first arm), two-sided, if its true difference is the one
  planned for. The plan is for the comparison that needs most.
* `FIXED`: one look, at the end, and none before. Shares by the two-sample z-test with the pooled variance under the
  null, real values by the t-test with its exact power (noncentral t).
* `ANY_TIME`: confidence sequences, looked at all the time (`winner.assess`). The horizon is longer by
  `crossing.inflation_ratio`, but the experiment ends when it is clear: `mean_trials` is what it takes on average.
* Several comparisons: each at alpha/(K-1) (Bonferroni), at Dunnett's value, or not corrected at all, if the question is
  not whether *some* arm differs.

Sources: Fleiss, Levin, Paik (2003), section 4.2; Dunnett (1955); for ANY_TIME see `crossing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, isclose, isnan, sqrt
from typing import Final

from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from trimtab.engine.experiment.confidence_sequence import LEAST_EXPECTED, LEAST_TRIALS, Level
from trimtab.engine.experiment.crossing import TUNED_RATIO, crossing, drift_for
from trimtab.engine.experiment.dunnett import dunnett_value

_LEAST_ARMS = 2
_HALF: Final = 0.5
_SURE_ENOUGH: Final = 0.9999
_ROUNDING: Final = 1e-6
"""What a share times a number of trials may be too large by, so that it does not cost a trial."""


class Analysis(StrEnum):
    """How the experiment will be looked at."""

    FIXED = "fixed"
    ANY_TIME = "any_time"


class Correction(StrEnum):
    """What is done about several comparisons with one baseline."""

    NONE = "none"
    BONFERRONI = "bonferroni"
    DUNNETT = "dunnett"


@dataclass(frozen=True, slots=True)
class ShareEffect:
    """A share that the baseline has, and how much more (or less) of it is to be found, in points between 0 and 1."""

    baseline: float
    difference: float

    def __post_init__(self) -> None:
        if not (0.0 < self.baseline < 1.0 and 0.0 < self.baseline + self.difference < 1.0):
            raise ValueError(f"baseline and baseline + difference: expected between 0 and 1, got {self!r}")

    @classmethod
    def relative(cls, baseline: float, ratio: float) -> "ShareEffect":
        """Gives the effect of `ratio` times the baseline's share: 0.05 for 5 % more than it has."""
        return cls(baseline, baseline * ratio)


@dataclass(frozen=True, slots=True)
class MeanEffect:
    """A real value's standard deviation in every arm, and the difference of means that is to be found."""

    standard_deviation: float
    difference: float

    def __post_init__(self) -> None:
        if not 0.0 < self.standard_deviation < inf or abs(self.difference) == inf:
            raise ValueError(f"expected a finite difference and a standard deviation above 0, got {self!r}")

    @classmethod
    def relative(cls, mean: float, standard_deviation: float, ratio: float) -> "MeanEffect":
        """Gives the effect of `ratio` times the baseline's mean."""
        return cls(standard_deviation, mean * ratio)


Effect = ShareEffect | MeanEffect


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of an experiment. `split`: share of the experiment's traffic by arm, the baseline's first.

    Raises `ValueError` for what cannot be: a split that does not sum to 1, or Dunnett's value where it does not hold.
    """

    split: Sequence[float] = (0.5, 0.5)
    alpha: float = 0.05
    power: float = 0.8
    correction: Correction = Correction.BONFERRONI
    analysis: Analysis = Analysis.ANY_TIME

    def __post_init__(self) -> None:
        if len(self.split) < _LEAST_ARMS or min(self.split) <= 0.0 or not isclose(sum(self.split), 1.0, abs_tol=1e-9):
            raise ValueError(f"split: expected at least two shares above 0 that sum to 1, got {list(self.split)}")
        if not (0.0 < self.alpha <= _HALF <= self.power <= _SURE_ENOUGH):
            raise ValueError(
                f"expected alpha above 0 and at most 0.5, power from 0.5 to 0.9999, got {self.alpha} and {self.power}"
            )
        if self.analysis is Analysis.ANY_TIME and self.correction is Correction.DUNNETT:
            raise ValueError("correction: dunnett holds for one look only, expected bonferroni for any_time")

    @property
    def comparisons(self) -> int:
        """How many arms there are beside the baseline."""
        return len(self.split) - 1

    @property
    def alpha_each(self) -> float:
        """The two-sided level of each comparison."""
        if self.correction is Correction.DUNNETT:
            return 2.0 * float(ndtr(-dunnett_value(self.alpha, self.split)))
        return self.alpha / (self.comparisons if self.correction is Correction.BONFERRONI else 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long an experiment has to be."""

    trials_by_arm: tuple[int, ...]
    seconds: float
    """at the traffic that was told"""
    alpha_each: float
    mean_trials: float
    """what it takes on average if the difference is the planned one; less than `trials` only for ANY_TIME"""
    fixed_trials: int
    """what a single look at the end would need"""
    level: Level
    """for the intervals of each comparison"""

    @property
    def trials(self) -> int:
        """Of all arms together."""
        return sum(self.trials_by_arm)

    @property
    def planned_trials(self) -> int:
        """Of two arms together: what `plannedTrials` of an abTest has to be for the intervals of `level`."""
        return ceil(self.level.tuned_trials / TUNED_RATIO)

    @property
    def inflation_ratio(self) -> float:
        """How many times the trials of a single look at the end."""
        return self.trials / self.fixed_trials


def plan(effect: Effect, demand: Demand, trials_per_s: float) -> Plan:
    """Gives the least experiment that has the power; `trials_per_s`: traffic of all its arms together.

    Raises `ValueError` for a difference of 0 and for no traffic: no experiment is long enough for either.

    >>> shop = ShareEffect.relative(baseline=0.10, ratio=0.10)
    >>> plan(shop, Demand(analysis=Analysis.FIXED), trials_per_s=10.0).trials_by_arm
    (14751, 14751)
    """
    if not 0.0 < trials_per_s < inf or effect.difference == 0.0:
        raise ValueError(f"expected traffic and a difference, got {trials_per_s} trials a second and {effect!r}")
    fixed = max(_fixed_trials(effect, demand, arm) for arm in range(1, len(demand.split)))
    needed, mean_ratio = fixed, 1.0
    if demand.analysis is Analysis.ANY_TIME:
        needed = max(_any_time_trials(effect, demand, arm) for arm in range(1, len(demand.split)))
        mean_ratio = crossing(drift_for(demand.power, demand.alpha_each), demand.alpha_each).mean_ratio
    by_arm = _by_arm(needed, demand.split)
    tuned_trials = TUNED_RATIO * needed * _LEAST_ARMS / len(by_arm)
    return Plan(
        trials_by_arm=by_arm,
        seconds=sum(by_arm) / trials_per_s,
        alpha_each=demand.alpha_each,
        mean_trials=sum(by_arm) * mean_ratio,
        fixed_trials=sum(_by_arm(fixed, demand.split)),
        level=Level(demand.alpha, tuned_trials),
    )


def fixed_power(effect: Effect, trials: tuple[int, int], alpha: float) -> float:
    """Gives the power of a single look with so many trials in the baseline and in an arm: to find the right sign.

    Exact for real values of a normal distribution; for shares the usual approximation that sizes are planned by.
    """
    if isinstance(effect, ShareEffect):
        pooled, apart = _share_variances(effect, (float(trials[0]), float(trials[1])))
        limit = float(ndtri(1.0 - alpha / 2.0))
        return float(ndtr((abs(effect.difference) - limit * sqrt(pooled)) / sqrt(apart)))
    degrees = sum(trials) - 2
    shift = abs(effect.difference) / sqrt(_mean_variance(effect, (float(trials[0]), float(trials[1]))))
    limit = float(stdtrit(degrees, 1.0 - alpha / 2.0))
    below = float(nctdtr(degrees, shift, limit))
    # SciPy gives nan beyond what it can tell: for shifts above 35, where the normal distribution does as well.
    return float(ndtr(shift - limit)) if isnan(below) else 1.0 - below


def _share_variances(effect: ShareEffect, trials: tuple[float, float]) -> tuple[float, float]:
    """Gives the variance of the difference under the null, from the share of both together, and under the effect."""
    one, other = effect.baseline, effect.baseline + effect.difference
    both = (trials[0] * one + trials[1] * other) / sum(trials)
    pooled = both * (1.0 - both) * (1.0 / trials[0] + 1.0 / trials[1])
    return pooled, one * (1.0 - one) / trials[0] + other * (1.0 - other) / trials[1]


def _fixed_trials(effect: Effect, demand: Demand, arm: int) -> int:
    """Gives the least trials of the whole experiment with the power: power grows with them, so by halving."""
    pair = (demand.split[0], demand.split[arm])

    def is_enough(trials: int) -> bool:
        baseline, candidate = _by_arm(trials, pair)
        return fixed_power(effect, (baseline, candidate), demand.alpha_each) >= demand.power

    short, enough = 0, 1
    while not is_enough(enough):
        short, enough = enough, enough * 2
    while enough - short > 1:
        middle = (short + enough) // 2
        short, enough = (short, middle) if is_enough(middle) else (middle, enough)
    return enough


def _any_time_trials(effect: Effect, demand: Demand, arm: int) -> int:
    drift = drift_for(demand.power, demand.alpha_each)
    pair = (demand.split[0], demand.split[arm])
    if isinstance(effect, MeanEffect):
        return ceil(max(drift**2 * _mean_variance(effect, pair) / effect.difference**2, LEAST_TRIALS / min(pair)))
    _, variance = _share_variances(effect, pair)
    both = (pair[0] * effect.baseline + pair[1] * (effect.baseline + effect.difference)) / sum(pair)
    least = max(LEAST_TRIALS, LEAST_EXPECTED / min(both, 1.0 - both)) / min(pair)
    return ceil(max(drift**2 * variance / effect.difference**2, least))


def _mean_variance(effect: MeanEffect, trials: tuple[float, float]) -> float:
    return effect.standard_deviation**2 * (1.0 / trials[0] + 1.0 / trials[1])


def _by_arm(trials: int, split: Sequence[float]) -> tuple[int, ...]:
    return tuple(max(2, ceil(trials * share - _ROUNDING)) for share in split)
