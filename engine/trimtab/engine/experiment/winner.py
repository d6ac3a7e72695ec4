"""When an experiment with two or more arms may declare a winner.

* An arm wins when its confidence sequences of the difference to *every* other arm lie above 0. Whoever looks at each
  second may do so: the chance that an arm that is not the only best one is ever declared is at most alpha.
* For that each of the K(K-1)/2 comparisons runs at alpha/(K-1), not at alpha divided by all of them: to declare an
  arm wrongly, its own comparison with the best arm has to be wrong. With one best arm these are K-1; with m tied ones,
  K-m of the others and ceil(m/2) pairs that hold all the tied, which are no more. So, too, all K-1 differences to a
  baseline are inside their intervals at once with probability 1 - alpha.
* When the horizon has passed and no arm is above all others, the answer is NO_DIFFERENCE: none was *found*; the
  intervals say how large one may still be. The arm with the greatest mean is never a winner for that alone.
* Too little evidence in some arm is INCONCLUSIVE, before the horizon and after it.

Which moment is the first to declare counts: a later look may be unsure again, and does not take it back.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

from trimtab.engine.experiment.confidence_sequence import Interval, Level, difference_interval
from trimtab.engine.experiment.sample import Sample

_LEAST_ARMS = 2


class Outcome(StrEnum):
    """What an experiment says."""

    RUNNING = "running"
    """nothing separates yet, and there is time left"""
    WINNER = "winner"
    NO_DIFFERENCE = "no_difference"
    """the time is over and nothing separates"""
    INCONCLUSIVE = "inconclusive"
    """some arm has too little evidence for any comparison"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an experiment stands, with the intervals that it rests on."""

    outcome: Outcome
    winner: str
    """empty without one"""
    beaten: tuple[str, ...]
    """arms that some other arm is better than, which may be stopped before there is a winner: the chance that the best
    arm is ever among them is at most alpha"""
    differences: Mapping[tuple[str, str], Interval]
    """(arm, other) -> how much more the arm has than the other, in the order of the arms, each pair once"""
    reason: str


def assess(arms: Mapping[str, Sample], level: Level, *, minimize: bool = False, is_over: bool = False) -> Standing:
    """Gives the standing of an experiment. `is_over`: whether the horizon has passed, in time or in trials.

    `level.alpha` is for the experiment as a whole. Raises `ValueError` for fewer than two arms.

    >>> from trimtab.engine.experiment.sample import Share
    >>> arms = {"a": Share(10_000, 1_000), "b": Share(10_000, 1_200)}
    >>> assess(arms, Level(alpha=0.05, tuned_trials=20_000)).reason
    'b has 0.02 more than a (0.006571 to 0.03343)'
    """
    if len(arms) < _LEAST_ARMS:
        raise ValueError(f"expected at least two arms, got {list(arms)}")
    each = replace(level, alpha=level.alpha / (len(arms) - 1))
    differences = {
        (one, other): difference_interval(arms[one], arms[other], each) for one, other in combinations(arms, 2)
    }
    lead = _Lead(differences, minimize=minimize)
    beaten = tuple(arm for arm in arms if any(lead.is_better(other, arm) for other in arms if other != arm))
    winner = next((arm for arm in arms if all(lead.is_better(arm, other) for other in arms if other != arm)), "")
    outcome = Outcome.WINNER if winner else _without_winner(differences, is_over=is_over)
    return Standing(outcome, winner, beaten, differences, _reason(outcome, winner, differences, arms))


class _Lead:
    """Which arm is better than which, from intervals that hold each pair once."""

    def __init__(self, differences: Mapping[tuple[str, str], Interval], *, minimize: bool) -> None:
        self._differences, self._minimize = differences, minimize

    def is_better(self, one: str, other: str) -> bool:
        interval = _between(self._differences, one, other)
        return interval.upper < 0.0 if self._minimize else interval.lower > 0.0


def _between(differences: Mapping[tuple[str, str], Interval], one: str, other: str) -> Interval:
    if (one, other) in differences:
        return differences[one, other]
    turned = differences[other, one]
    return Interval(-turned.estimate, -turned.upper, -turned.lower)


def _without_winner(differences: Mapping[tuple[str, str], Interval], *, is_over: bool) -> Outcome:
    if not all(interval.is_known for interval in differences.values()):
        return Outcome.INCONCLUSIVE
    return Outcome.NO_DIFFERENCE if is_over else Outcome.RUNNING


def _reason(
    outcome: Outcome, winner: str, differences: Mapping[tuple[str, str], Interval], arms: Mapping[str, Sample]
) -> str:
    if outcome is Outcome.WINNER:
        others = [other for other in arms if other != winner]
        return "; ".join(_difference_text(winner, arm, _between(differences, winner, arm)) for arm in others)
    if outcome is Outcome.INCONCLUSIVE:
        pairs = [f"{one} and {other}" for (one, other), interval in differences.items() if not interval.is_known]
        return f"not enough evidence to compare {', '.join(pairs)}"
    found = "no arm is above all others yet" if outcome is Outcome.RUNNING else "no difference found"
    pairs = [_difference_text(one, other, interval) for (one, other), interval in differences.items()]
    return f"{found}: {'; '.join(pairs)}"


def _difference_text(one: str, other: str, interval: Interval) -> str:
    more = "more" if interval.estimate >= 0 else "less"
    bounds = (interval.lower, interval.upper) if interval.estimate >= 0 else (-interval.upper, -interval.lower)
    return f"{one} has {abs(interval.estimate):.4g} {more} than {other} ({bounds[0]:.4g} to {bounds[1]:.4g})"
