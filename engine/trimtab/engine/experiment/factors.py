"""Which tags that variants share explain a difference between them.

Each tag splits the variants in two: those that have it, and all others. Both sides' sums are pooled and compared by
Welch's t-test, so that a feature that several variants share gets its credit even if no variant stands out.

* P values are adjusted over all tags that were tested (Holm): the chance that a tag without effect is called
  significant is at most the level, whatever tags there are. For one planned look; they are not any-time-valid.
* A tag that all or none of the variants have explains nothing and is refused, as is one with too little evidence.
* Tags that the same variants have (or exactly the others) cannot be told apart; each says so.
* Which tags a variant has was not drawn by lot: a tag may take credit for another that tends to come with it.

Sources: Welch (1947); Holm (1979).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import sqrt
from operator import add

from scipy.special import stdtr

from trimtab.engine.experiment.sample import Moments

_LEAST_TRIALS = 2


@dataclass(frozen=True, slots=True)
class Tagged:
    """A variant with its tags and what it has shown."""

    name: str
    tags: frozenset[str]
    shown: Moments


@dataclass(frozen=True, slots=True)
class Effect:
    """How variants with a tag differ from all others."""

    tag: str
    difference: float
    """mean of those with the tag less the mean of the others"""
    t: float
    degrees: float
    """of freedom, by Welch and Satterthwaite"""
    p: float
    """two-sided, of this tag alone"""
    adjusted_p: float
    """over all tags that were tested"""
    same_as: tuple[str, ...]
    """tags with the same variants on the one and on the other side: which of them it is cannot be told"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a tag was not tested."""

    tag: str
    reason: str


@dataclass(frozen=True, slots=True)
class Factors:
    """What the tags explain."""

    effects: tuple[Effect, ...]
    """the clearest first"""
    refused: tuple[Refusal, ...]

    def score(self, variant: Tagged) -> float:
        """Gives the sum of t over the tags of a variant: how much speaks for it by what it shares with others."""
        return sum(effect.t for effect in self.effects if effect.tag in variant.tags)


def factors(variants: Sequence[Tagged], tags: Iterable[str] | None = None) -> Factors:
    """Gives the effect of each of `tags`, or of each that some variant has.

    >>> shown = {"a": (30, 60.0, 150.0), "b": (30, 66.0, 175.0), "c": (30, 90.0, 300.0), "d": (30, 93.0, 318.0)}
    >>> new = {"c", "d"}
    >>> variants = [Tagged(n, frozenset({"new"} if n in new else ()), Moments(*sums)) for n, sums in shown.items()]
    >>> found = factors(variants)
    >>> [(effect.tag, round(effect.difference, 2), round(effect.t, 2)) for effect in found.effects]
    [('new', 0.95, 5.15)]
    """
    wanted = sorted(set().union(*(variant.tags for variant in variants)) if tags is None else set(tags))
    outcomes = [_effect(tag, variants) for tag in wanted]
    tested = [outcome for outcome in outcomes if isinstance(outcome, Effect)]
    refused = tuple(outcome for outcome in outcomes if isinstance(outcome, Refusal))
    return Factors(tuple(_adjusted(_marked(tested, variants))), refused)


def _effect(tag: str, variants: Sequence[Tagged]) -> Effect | Refusal:
    having = [variant.shown for variant in variants if tag in variant.tags]
    others = [variant.shown for variant in variants if tag not in variant.tags]
    if not having or not others:
        return Refusal(tag, f"{'all' if having else 'none'} of the variants have it")
    one, other = reduce(add, having), reduce(add, others)
    if min(one.trials, other.trials) < _LEAST_TRIALS:
        return Refusal(tag, f"expected at least 2 trials with it and without, got {one.trials} and {other.trials}")
    if one.variance == other.variance == 0.0:
        return Refusal(tag, "no scatter with it nor without")
    return _welch(tag, one, other)


def _welch(tag: str, one: Moments, other: Moments) -> Effect:
    of_one, of_other = one.variance / one.trials, other.variance / other.trials
    difference = one.mean - other.mean
    t = difference / sqrt(of_one + of_other)
    degrees = (of_one + of_other) ** 2 / (of_one**2 / (one.trials - 1) + of_other**2 / (other.trials - 1))
    p = min(1.0, 2.0 * float(stdtr(degrees, -abs(t))))
    return Effect(tag, difference, t, degrees, p, p, ())


def _marked(effects: list[Effect], variants: Sequence[Tagged]) -> list[Effect]:
    """Gives the effects with those named that split the variants alike."""
    sides = {effect.tag: _side(effect.tag, variants) for effect in effects}
    return [
        replace(effect, same_as=tuple(tag for tag in sides if tag != effect.tag and sides[tag] == sides[effect.tag]))
        for effect in effects
    ]


def _side(tag: str, variants: Sequence[Tagged]) -> tuple[bool, ...]:
    """Gives which variants are on the same side of a tag as the first one."""
    first = tag in variants[0].tags
    return tuple((tag in variant.tags) == first for variant in variants)


def _adjusted(effects: list[Effect]) -> list[Effect]:
    """Gives the effects from the least p on, each p times the tags that are left, never below the one before."""
    ordered = sorted(effects, key=lambda effect: (effect.p, effect.tag))
    adjusted, least = [], 0.0
    for rank, effect in enumerate(ordered):
        least = max(least, min(1.0, effect.p * (len(ordered) - rank)))
        adjusted.append(replace(effect, adjusted_p=least))
    return adjusted
