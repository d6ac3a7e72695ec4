"""Strategies of a release file: how traffic moves while the evidence comes in."""

from typing import Annotated, Literal

from pydantic import Field

from trimtab.schemas.part import BasisPoints, Part, PositiveDurationMs


class Canary(Part):
    """Candidates share each step in turn, as long as their guardrails pass; then the best of them is promoted."""

    type: Literal["canary"]
    steps: Annotated[tuple[BasisPoints, ...], Field(min_length=1)] = (500, 2_500, 5_000)
    """basis points, rising; shared evenly by the candidates that are left"""
    hold: PositiveDurationMs = 10_000
    """how long each step lasts at least"""


class Bandit(Part):
    """Weights follow the probability that a variant is the best one."""

    type: Literal["bandit"]
    interval: PositiveDurationMs = 1_000
    """how often weights are chosen anew"""


Strategy = Annotated[Canary | Bandit, Field(discriminator="type")]
