"""How long an A/B test has to be: what of a release file that depends on, and a plan in words and for programs.

The numbers are those of `trimtab.engine.experiment.planning`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

from trimtab.engine.experiment.planning import Analysis, Demand, Effect, Plan, ShareEffect
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Release
from trimtab.schemas.strategy import AbTest

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_A_PAIR: Final = 2


@dataclass(frozen=True, slots=True)
class Comparison:
    """An A/B test, as far as its length depends on it."""

    split: dict[str, float]
    """variant -> share of the traffic; the baseline's first"""
    alpha: float = AbTest(type="abTest").alpha
    release: str = ""
    """that it is of; empty without a file"""
    values: Literal["share", "real"] | None = None
    """what the objective's are; None without a file"""
    is_of_seconds: bool = False
    """whether each second is one trial of a variant, as for metrics of the file"""
    duration_s: float | None = None
    """after which the file ends it"""
    planned_trials: int | None = None
    """as the file has them"""


def even(variants: int) -> Comparison:
    """Gives that of so many variants with even shares, of no release."""
    others = ["candidate"] if variants == _A_PAIR else [f"candidate-{place}" for place in range(1, variants)]
    return Comparison(dict.fromkeys(["baseline", *others], 1.0 / variants))


def of_release(release: Release) -> Comparison:
    """Gives that of a release. Raises `ValueError` where it has no A/B test, or one with variants without traffic."""
    spec = release.spec
    test = next((one for one in spec.strategies if isinstance(one, AbTest)), None)
    if test is None:
        raise ValueError(f"release {release.name}: strategy is {spec.strategy.type}, expected abTest")
    names = [variant.name for variant in spec.variants]
    names.sort(key=lambda name: name != spec.baseline)
    idle = [name for name, points in test.split.items() if points == 0]
    if idle:
        raise ValueError(f"release {release.name}: strategy.split: expected more than 0 for {', '.join(idle)}")
    return Comparison(
        split={name: test.split[name] / BASIS_POINTS if test.split else 1.0 / len(names) for name in names},
        alpha=test.alpha,
        release=release.name,
        values=spec.objective.values,
        is_of_seconds=spec.objective_metric is not None,
        duration_s=test.duration / 1000,
        planned_trials=test.planned_trials,
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, with what it is for."""

    comparison: Comparison
    effect: Effect
    demand: Demand
    plan: Plan
    per_second: float | None
    """trials of all variants together; None where nobody said: `plan.seconds` mean nothing then"""

    @property
    def is_any_time(self) -> bool:
        """Whether it may be looked at at any time."""
        return self.demand.analysis is Analysis.ANY_TIME

    def plain(self) -> dict[str, object]:
        """Gives it for programs."""
        split, plan = self.comparison.split, self.plan
        trials = zip(split.items(), plan.trials_by_arm, strict=True)
        return {
            "release": self.comparison.release or None,
            "analysis": str(self.demand.analysis),
            "alpha": self.demand.alpha,
            "alpha_each": plan.alpha_each,
            "power": self.demand.power,
            "difference": self.effect.difference,
            "variants": [{"variant": name, "share": share, "trials": count} for (name, share), count in trials],
            "trials": plan.trials,
            "mean_trials": plan.mean_trials,
            "fixed_trials": plan.fixed_trials,
            "planned_trials": plan.planned_trials if self.is_any_time else None,
            "per_second": self.per_second,
            "seconds": None if self.per_second is None else plan.seconds,
        }

    def lines(self) -> Iterator[str]:
        """Gives it in words."""
        yield f"{self.comparison.release or 'A/B test'}: to find {_effect(self.effect)}"
        yield f"{self._looks()}, {self._risks()}"
        yield from self._table()
        if self.is_any_time:
            what = "a comparison" if self.demand.comparisons > 1 else "it"
            mean = f"{self.plan.mean_trials:,.0f} trials in all on average"
            yield f"{what} is over after {mean}, where the difference is that one"
        if self.per_second is not None:
            yield f"{duration_words(self.plan.seconds)} for all trials, at {self.per_second:,g} a second"
        if self.is_any_time:
            has = self.comparison.planned_trials
            yield f"plannedTrials for that: {self.plan.planned_trials}" + (f", the file has {has}" if has else "")

    def _looks(self) -> str:
        return "looked at at any time" if self.is_any_time else "looked at once, at the end"

    def _risks(self) -> str:
        alpha, power, count = self.demand.alpha, self.demand.power, self.demand.comparisons
        if count == 1:
            return f"alpha {alpha:g}, power {power:g}"
        return f"alpha {alpha:g}; for each of {count} comparisons alpha {self.plan.alpha_each:g}, power {power:g}"

    def _table(self) -> Iterator[str]:
        split = self.comparison.split
        rows = [(name, f"{split[name]:.2%}", count) for name, count in zip(split, self.plan.trials_by_arm, strict=True)]
        width = max(map(len, (*split, "in all")))
        digits = len(f"{self.plan.trials:,}")
        for name, share, count in [*rows, ("in all", "", self.plan.trials)]:
            yield f"  {name:{width}}  {share:>6}  {count:>{digits},} trials"


def duration_words(seconds: float) -> str:
    """Gives a duration in the two largest units that it has, rounded up.

    >>> duration_words(301.2), duration_words(100_000), duration_words(0.2)
    ('5 min 2 s', '1 d 4 h', '1 s')
    """
    whole = max(1, ceil(seconds))
    place = next(place for place, (_, size) in enumerate(_UNITS) if whole >= size)
    (unit, size), (lesser, step) = _UNITS[place], _UNITS[min(place + 1, len(_UNITS) - 1)]
    many, rest = divmod(-(-whole // step) * step, size)
    return f"{many:,} {unit}" + (f" {rest // step} {lesser}" if rest else "")


def _effect(effect: Effect) -> str:
    if isinstance(effect, ShareEffect):
        return f"a difference of {effect.difference:g} from a share of {effect.baseline:g}"
    return f"a difference of {effect.difference:g} in means, at a standard deviation of {effect.standard_deviation:g}"
