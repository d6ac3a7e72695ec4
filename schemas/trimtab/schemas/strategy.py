"""Strategies of a release file: how traffic moves while the evidence comes in."""

from typing import Annotated, Literal

from pydantic import Field

from trimtab.schemas.combination import Combine
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.part import BasisPoints, Name, Part, PositiveDurationMs
from trimtab.schemas.policy import Adaptive, PolicySpec

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


class AbTest(Part):
    """A fixed split, which anybody may look at at any moment, until one variant is better than all others."""

    type: Literal["abTest"]
    split: dict[Name, BasisPoints] = {}  # noqa: RUF012 - pydantic copies it
    """variant -> basis points, together 10,000; even where it is not given"""
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    """the probability that a variant is ever declared the winner although it is not the only best one"""
    duration: PositiveDurationMs = 1_209_600_000
    """after which it ends without a winner, if there is none"""
    planned_trials: Annotated[int, Field(strict=True, ge=100)] = 20_000
    """observations of the objective, of two variants together, that are expected: intervals are narrowest at half"""
    on_winner: Literal["keep", "promote"] = "keep"
    """`keep`: the release is over, and the split stays; `promote`: the winner takes all traffic"""


class Bandit(Part):
    """Weights follow what a policy makes of what the variants have earned so far."""

    type: Literal["bandit"]
    interval: PositiveDurationMs = 1_000
    """how often weights are chosen anew"""
    policy: PolicySpec = Adaptive()
    """how"""


class Shadow(Part):
    """Candidates answer copies of requests and take no traffic, until they have been seen for long enough."""

    type: Literal["shadow"]
    mirror: BasisPoints = BASIS_POINTS
    """which share of the requests is copied to each candidate"""
    duration: PositiveDurationMs = 600_000
    """how long, at least"""
    min_responses: MinResponses = 100
    """of each candidate"""
    then: Annotated[Canary | BlueGreen | AbTest | Bandit | None, Field(discriminator="type")] = None
    """the strategy that the release goes on with by itself once its candidates have passed; without one it is over"""


class Ensemble(Part):
    """Every variant answers every request; one answer is made of theirs, by weights that follow what each earned."""

    type: Literal["ensemble"]
    combine: Combine = "mean"
    """how an answer is made of those of its members. `mean`: the weighted mean, of probabilities or numbers; `vote`:
    each member gives its weight to one class; `median`: the weighted median, of numbers"""
    interval: PositiveDurationMs = 1_000
    """how often weights are chosen anew"""
    memory: Annotated[float, Field(ge=1, le=1e12)] = 10_000
    """trials of each member after which a trial counts 1/e"""


Strategy = Annotated[Canary | BlueGreen | AbTest | Shadow | Bandit | Ensemble, Field(discriminator="type")]
