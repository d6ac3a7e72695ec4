"""Limits of a release file: what its weights keep to, and which limits cannot all be kept.

* `minWeight` and `maxWeight` are for every variant that does not say otherwise itself.
* The baseline has no cap: it takes what others lose.
* The holdout is the baseline's for good: a variant that takes all traffic takes all but that.
"""

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from trimtab.schemas.condition_text import ConditionText
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.model_arm import PLACEHOLDERS, ModelArm
from trimtab.schemas.part import BasisPoints, Name, Part, WaitMs
from trimtab.schemas.strategy import AbTest, BlueGreen, Canary, Strategy


class Variant(Part):
    """One version that takes part."""

    name: Name
    target: str = ""
    """the proxy's name for it (Envoy: a cluster); the variant's own name where empty. `{model}` and `{version}` stand
    for those of its model"""
    model: ModelArm | None = None
    """which model it is: `{ref: NAME:VERSION}`, or a query to the models' catalogue"""
    min_weight: BasisPoints | None = None
    """floor of this variant in place of `limits.minWeight`"""
    max_weight: BasisPoints | None = None
    """cap of this candidate in place of `limits.maxWeight`"""
    condition: ConditionText | None = None
    """which requests go to it whatever its weight, while it may take traffic"""
    condition_strength: Annotated[int, Field(strict=True, gt=0, le=BASIS_POINTS, multiple_of=100)] = BASIS_POINTS
    """the share of these that do so; the others go by weight. Whole hundreds of basis points"""

    @model_validator(mode="after")
    def _strength_is_of_something(self) -> Self:
        if self.condition is None and self.condition_strength != BASIS_POINTS:
            raise ValueError("conditionStrength: expected a condition beside it")
        return self

    @model_validator(mode="after")
    def _target_is_of_a_model(self) -> Self:
        if self.model is None and any(one in self.target for one in PLACEHOLDERS):
            raise ValueError(f"target: expected a model beside {' and '.join(PLACEHOLDERS)}, got {self.target!r:.80}")
        return self

    @property
    def at_proxy(self) -> str:
        """The proxy's name for this variant."""
        target = self.target or self.name
        return self.model.named(target) if self.model else target

    @property
    def is_resolved(self) -> bool:
        """Whether it is known which model it is, where it is one."""
        return self.model is None or self.model.model is not None


class Limits(Part):
    """What the weights keep to, whatever the evidence says. An abort alone may go straight to the baseline."""

    min_weight: BasisPoints = 100
    """floor of a variant that may take traffic under `bandit`"""
    max_weight: BasisPoints = BASIS_POINTS
    """cap of a single candidate while the release progresses"""
    max_step: Annotated[int, Field(strict=True, ge=1, le=BASIS_POINTS)] = 2_000
    """how far any weight may move in one decision"""
    holdout: BasisPoints = 0
    """what the baseline keeps at least, also once a variant is promoted"""
    hysteresis: BasisPoints = 0
    """a policy's moves that are smaller, of every weight, are not made"""
    cooldown: WaitMs = 0
    """how long weights stay where they are after a move; what guardrails and people order does not wait"""

    def floor_of(self, variant: Variant) -> int:
        """Gives the basis points that a variant keeps while it may take traffic, under `bandit`."""
        return self.min_weight if variant.min_weight is None else variant.min_weight

    def cap_of(self, variant: Variant) -> int:
        """Gives the basis points that a candidate takes at most while the release progresses."""
        return self.max_weight if variant.max_weight is None else variant.max_weight


def check_limits(limits: Limits, variants: Sequence[Variant], baseline: str, strategy: Strategy) -> None:
    """Raises `ValueError`, with the field and the sum, for limits that cannot all be kept."""
    for variant in variants:
        _check_bounds(limits, variant, is_baseline=variant.name == baseline)
    _check_floors(limits, variants, baseline)
    if limits.hysteresis > limits.max_step:
        raise ValueError(f"limits.hysteresis: expected at most maxStep {limits.max_step}, got {limits.hysteresis}")
    match strategy:
        case Canary():
            _check_steps(strategy.steps, limits, [variant for variant in variants if variant.name != baseline])
        case AbTest():
            _check_split(strategy.split, limits, variants, baseline)
        case BlueGreen() if strategy.preview + limits.holdout > BASIS_POINTS:
            total = strategy.preview + limits.holdout
            raise ValueError(f"strategy.preview: {strategy.preview} bp and limits.holdout are {total}, over 10000")
        case _:
            pass


def _check_bounds(limits: Limits, variant: Variant, *, is_baseline: bool) -> None:
    if is_baseline and variant.max_weight is not None:
        raise ValueError(f"variants: {variant.name} is the baseline, which takes what others lose: no maxWeight")
    floor, cap = limits.floor_of(variant), limits.cap_of(variant)
    if cap < floor and not is_baseline:
        if variant.min_weight is None and variant.max_weight is None:
            raise ValueError(f"limits.maxWeight: expected at least minWeight {floor}, got {cap}")
        raise ValueError(f"variants: {variant.name} takes at most {cap} bp, and keeps at least {floor}")


def _check_floors(limits: Limits, variants: Sequence[Variant], baseline: str) -> None:
    floors = {variant.name: limits.floor_of(variant) for variant in variants}
    total = sum(floors.values())
    if total > BASIS_POINTS and len(set(floors.values())) == 1:
        floor = floors[baseline]
        raise ValueError(f"limits.minWeight: {len(variants)} variants x {floor} bp is {total}, over 10000")
    total += max(0, limits.holdout - floors[baseline])
    if total > BASIS_POINTS:
        floors[baseline] = max(floors[baseline], limits.holdout)
        summed = " + ".join(map(str, floors.values()))
        raise ValueError(f"limits: floors and holdout, {summed} bp, sum to {total}, over 10000")


def _check_steps(steps: Sequence[int], limits: Limits, candidates: Sequence[Variant]) -> None:
    if list(steps) != sorted(set(steps)) or steps[0] == 0:
        raise ValueError(f"strategy.steps: expected rising shares above 0, got {list(steps)}")
    room = sum(limits.cap_of(candidate) for candidate in candidates)
    if steps[-1] > room:
        raise ValueError(f"strategy.steps: {steps[-1]} is over the {room} bp that limits.maxWeight leaves")
    left = BASIS_POINTS - limits.holdout
    if steps[-1] > left:
        raise ValueError(f"strategy.steps: {steps[-1]} is over the {left} bp that limits.holdout leaves")


def _check_split(split: dict[str, int], limits: Limits, variants: Sequence[Variant], baseline: str) -> None:
    shares = split or {variant.name: BASIS_POINTS // len(variants) for variant in variants}
    for variant in variants:
        share, cap = shares[variant.name], limits.cap_of(variant)
        if variant.name == baseline and share < limits.holdout:
            raise ValueError(f"strategy.split: {share} bp of {baseline} are below limits.holdout {limits.holdout}")
        if variant.name != baseline and share > cap:
            raise ValueError(f"strategy.split: {share} bp of {variant.name} are over its maxWeight {cap}")


def room_of(limits: Limits, candidates: Sequence[Variant], strategy: Strategy) -> int:
    """Gives the basis points that candidates may take together while the release progresses."""
    left = BASIS_POINTS - limits.holdout
    if isinstance(strategy, BlueGreen):
        return left
    return min(left, sum(limits.cap_of(candidate) for candidate in candidates))


def cap_under(limits: Limits, variant: Variant, strategy: Strategy) -> int:
    """Gives the cap of a candidate: the switch of `blueGreen` has none."""
    return BASIS_POINTS if isinstance(strategy, BlueGreen) else limits.cap_of(variant)
