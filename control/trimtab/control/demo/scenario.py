"""The stories that the demo tells: how each variant behaves, and what ought to come of it.

Behaviour is drawn, so that it is real, from a seeded generator, so that it is the same in every run. It depends on the
number of the request alone: a variant that turns bad does so at the same request whatever the clock says.
"""

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from trimtab.control.demo.options import DemoOptions, Scenario, Strategy
from trimtab.schemas.ids import BASIS_POINTS

BASELINE: Final = "v1"
VARIANTS: Final = ("v1", "v2", "v3")
STEPS_BP: Final = (500, 2_500, 5_000)
FLOOR_BP: Final = 300
"""What a bandit leaves each variant: enough that one which has all but lost its traffic is judged within the run."""

LATENCY_LIMIT_MS: Final = 150
"""What the latency guardrail of the `slow` story allows, and what counts there as a bad response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a service answers for a while: log-normal latencies, with shares of failures, slow answers, conversions."""

    p50_ms: float = 15.0
    spread: float = 0.25
    """standard deviation of the latency's logarithm"""
    error_ratio: float = 0.0
    tail_ratio: float = 0.0
    """share of answers that take `tail_ms` in place of `p50_ms`"""
    tail_ms: float = 0.0
    conversion_ratio: float = 0.20


@dataclass(frozen=True, slots=True)
class Course:
    """A variant's behaviour over its life: `first`, then from request number `turns_at` (counted from 0) on, `then`."""

    first: Behaviour
    turns_at: int = 0
    then: Behaviour | None = None

    def at(self, number: int) -> Behaviour:
        """Gives the behaviour at request `number`."""
        return self.first if self.then is None or number < self.turns_at else self.then


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What each variant does, and what the release has to bring about."""

    courses: Mapping[str, Course]
    objective: str
    bad: tuple[str, ...] = ()
    """variants that must lose all traffic"""
    best: str = ""
    """the variant that must win, where one must"""
    latency_limit_ms: float = math.inf
    """a slower response than this is a bad one"""
    guardrails: tuple[Mapping[str, object], ...] = field(default=())


class Answer(NamedTuple):
    """What a service does with one request."""

    latency_ms: float
    failed: bool
    converted: bool


def answers(course: Course, *, variant: str, seed: int) -> Iterator[Answer]:
    """Gives the answers of a variant, one request after the other; the same for the same seed."""
    generator = random.Random(f"{seed}:{variant}")  # noqa: S311 - a seeded simulation, not a secret
    number = 0
    while True:
        yield _answer(course.at(number), generator)
        number += 1


def _answer(behaviour: Behaviour, generator: random.Random) -> Answer:
    """Draws the same number of times whatever the behaviour, so that a turn does not shift what follows."""
    slow, failed, converted = generator.random(), generator.random(), generator.random()
    p50_ms = behaviour.tail_ms if slow < behaviour.tail_ratio else behaviour.p50_ms
    return Answer(
        latency_ms=p50_ms * math.exp(behaviour.spread * generator.gauss(0.0, 1.0)),
        failed=failed < behaviour.error_ratio,
        converted=converted < behaviour.conversion_ratio,
    )


def hold_s(duration_s: float) -> float:
    """Gives how long each step of the canary lasts: the whole ladder takes a quarter of the run, within reason."""
    return min(5.0, max(2.0, duration_s / 12))


def story(options: DemoOptions) -> Story:
    """Gives the story of a run. Raises `ValueError` for `models`, which has acts."""
    match options.scenario:
        case Scenario.FAULTY:
            return _faulty(_turn(options))
        case Scenario.SLOW:
            return _slow(_turn(options))
        case Scenario.BETTER:
            return _better()
        case Scenario.MODELS:
            raise ValueError("scenario models: its acts are in trimtab.control.demo.models")


def _turn(options: DemoOptions) -> int:
    """Gives the request at which v3 turns: as the canary's last step begins, or in the first fifth of a bandit's run.

    A bandit may leave v3 little more than its floor, so there the number has to be small.
    """
    match options.strategy:
        case Strategy.CANARY:
            return round(0.35 * hold_s(options.duration_s) * options.rps)
        case Strategy.BANDIT:
            return round(0.2 * options.duration_s * options.rps * FLOOR_BP / BASIS_POINTS)


_ERROR_RATE: Final = {"metric": "error_rate", "max": 0.05, "window": "10s", "minSamples": 10}


def _faulty(turn: int) -> Story:
    return Story(
        courses={
            "v1": Course(Behaviour()),
            "v2": Course(Behaviour(error_ratio=0.30)),
            "v3": Course(Behaviour(), turn, Behaviour(error_ratio=0.40)),
        },
        objective="success",
        bad=("v2", "v3"),
        guardrails=(_ERROR_RATE,),
    )


def _slow(turn: int) -> Story:
    latency = {"metric": "latency_p95_ms", "max": LATENCY_LIMIT_MS, "window": "10s", "minSamples": 10}
    return Story(
        courses={
            "v1": Course(Behaviour()),
            "v2": Course(Behaviour(p50_ms=250.0)),
            "v3": Course(Behaviour(), turn, Behaviour(tail_ratio=0.35, tail_ms=400.0)),
        },
        objective="success",
        bad=("v2", "v3"),
        latency_limit_ms=LATENCY_LIMIT_MS,
        guardrails=(_ERROR_RATE, latency),
    )


def _better() -> Story:
    return Story(
        courses={
            "v1": Course(Behaviour(conversion_ratio=0.20)),
            "v2": Course(Behaviour(conversion_ratio=0.32)),
            "v3": Course(Behaviour(conversion_ratio=0.17)),
        },
        objective="converted",
        best="v2",
        guardrails=(_ERROR_RATE,),
    )
