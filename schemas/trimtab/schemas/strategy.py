"""Strategies of a release file: how traffic moves while the evidence comes in."""

from typing import Annotated, Literal

from pydantic import Field

from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.part import BasisPoints, Part, PositiveDurationMs

MinResponses = Annotated[int, Field(strict=True, ge=1)]


class Canary(Part):
    """Candidates share each step in turn, as long as their guardrails pass; then the best of them is promoted."""

    type: Literal["canary"]
    steps: Annotated[tuple[BasisPoints, ...], Field(min_length=1)] = (500, 2_500, 5_000)
    """basis points, rising; shared evenly by the candidates that are left"""
    hold: PositiveDurationMs = 10_000
    """how long each step lasts at least"""
    advance: Literal["evidence", "time", "manual"] = "evidence"
    """what a step waits for after that. `evidence`: every guardrail of every candidate passes; `time`: none fails;
    `manual`: a person who says `promote`, as `evidence` lets it be said"""
    min_responses: MinResponses = 20
    """that each candidate has within a step before it may end"""


class BlueGreen(Part):
    """All traffic at once, with a look before the switch and one after it, in which the way back is as short."""

    type: Literal["blueGreen"]
    preview: BasisPoints = 0
    """basis points for the candidate before the switch; at 0 its evidence comes from whoever reaches it otherwise"""
    verify: PositiveDurationMs = 10_000
    """how long it is looked at before the switch, at least: its guardrails have to pass"""
    watch: PositiveDurationMs = 300_000
    """how long it is looked at after the switch, at least, until it is promoted"""
    switch: Literal["evidence", "manual"] = "evidence"
    """`manual`: the switch waits for a person who says `promote` as well"""
    min_responses: MinResponses = 20
    """of the candidate within each look"""


class Shadow(Part):
    """Candidates answer copies of requests and take no traffic, until they have been seen for long enough."""

    type: Literal["shadow"]
    mirror: BasisPoints = BASIS_POINTS
    """which share of the requests is copied to each candidate"""
    duration: PositiveDurationMs = 600_000
    """how long, at least"""
    min_responses: MinResponses = 100
    """of each candidate"""


class Bandit(Part):
    """Weights follow the probability that a variant is the best one."""

    type: Literal["bandit"]
    interval: PositiveDurationMs = 1_000
    """how often weights are chosen anew"""


Strategy = Annotated[Canary | BlueGreen | Shadow | Bandit, Field(discriminator="type")]
