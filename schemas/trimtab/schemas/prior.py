"""The prior of an objective: what is believed of the variants before anything has come.

It counts as observations that nobody made: `strength` of them, with this `mean`. Real evidence outweighs it as soon as
there is more of it. Confidence sequences of an A/B test take none: they promise what they do without beliefs.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from trimtab.schemas.nearest import known
from trimtab.schemas.part import Name, Part
from trimtab.schemas.policy import Mixture, PolicySpec
from trimtab.schemas.strategy import AbTest, Bandit, Strategy

SHADOW_STRENGTH: Final = 200.0
"""What a shadow phase counts where nothing is said: copies are no users, so some hundred answers may correct it."""
_NO_PRIOR: Final = ("exp3", "topTwo", "river", "entryPoint", "segmented", "linear")
"""Policies without one: they weigh by propensities, promise an error rate, or make of trials what they like."""

Strength = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]
_MOST: Final = 1e15
"""Beyond it squares overflow sooner or later, and no metric has a value."""


def _within(value: float) -> float:
    if abs(value) > _MOST:
        raise ValueError(f"expected at most {_MOST:g} in size, got {value:g}")
    return value


Finite = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_within)]
Deviation = Annotated[float, Field(gt=0, allow_inf_nan=False), AfterValidator(_within)]


class VariantPrior(Part):
    """What is believed of one variant."""

    mean: Finite
    """expected value of the objective"""
    strength: Strength
    """how many observations the belief is worth"""
    deviation: Deviation | None = None
    """standard deviation of single observations, where values are real"""


class Prior(Part):
    """What is believed of all variants, or of each, or taken from a shadow phase."""

    mean: Finite | None = None
    """expected value of the objective, of every variant that `variants` does not name"""
    strength: Strength | None = None
    """how many observations the belief is worth; of `from`, how many at most (200 where nothing is said)"""
    deviation: Deviation | None = None
    """standard deviation of single observations, where values are real"""
    variants: dict[Name, VariantPrior] = {}  # noqa: RUF012 - pydantic copies it
    source: Annotated[Literal["shadow"] | None, Field(alias="from")] = None
    """`shadow`: what the release saw under the strategy `shadow`, if that completed before this file was applied"""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if self.source is not None:
            if self.mean is not None or self.deviation is not None or self.variants:
                raise ValueError("from: expected no mean, deviation or variants beside it")
        elif (self.mean is None) != (self.strength is None):
            raise ValueError("mean: expected together with strength")
        elif self.mean is None and not self.variants:
            raise ValueError("mean: expected a value here, or in variants or from, found none")
        return self

    def of(self, variant: str) -> VariantPrior | None:
        """Gives what is believed of a variant; None for nothing, and for what has to be seen first."""
        if variant in self.variants or self.mean is None or self.strength is None:
            return self.variants.get(variant)
        return VariantPrior(mean=self.mean, strength=self.strength, deviation=self.deviation)


def check_prior(prior: Prior, variants: Sequence[str], strategy: Strategy, *, real_valued: bool) -> None:
    """Raises `ValueError` for a prior that cannot be of this objective, these variants, or this strategy.

    Its message begins with where that is, from the prior on: `.mean: expected …`, or `: abTest takes none`.
    """
    for name in prior.variants:
        try:
            known(name, variants, what="a variant")
        except ValueError as error:
            raise ValueError(f".variants: {error}") from None
    for name in variants:
        if (one := prior.of(name)) is not None:
            field = f".variants.{name}" if name in prior.variants else ""
            _check_values(field, one, real_valued=real_valued)
    if isinstance(strategy, AbTest):
        raise ValueError(": abTest takes none: its intervals promise what they do without beliefs")  # noqa: TRY004 - a field
    if isinstance(strategy, Bandit):
        _check_policy(strategy.policy)


def _check_values(field: str, one: VariantPrior, *, real_valued: bool) -> None:
    if not real_valued and not 0.0 <= one.mean <= 1.0:
        raise ValueError(f"{field}.mean: expected a share between 0 and 1, got {one.mean:g}")
    if real_valued != (one.deviation is not None):
        raise ValueError(f"{field}.deviation: expected {'one, for' if real_valued else 'none, unless'} values are real")


def _check_policy(policy: PolicySpec) -> None:
    if policy.type in _NO_PRIOR:
        raise ValueError(f": the policy {policy.type} takes none")
    if isinstance(policy, Mixture):
        for member in policy.members:
            _check_policy(member.policy)
