"""What a person may choose of the demo."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trimtab.streams.backend import Backend, chosen

MIN_DURATION_S: Final = 5.0
MIN_MODELS_S: Final = 60.0
"""Of the scenario `models`: labels come late, and each of its acts needs some."""
MAX_DURATION_S: Final = 3600.0
MIN_RPS: Final = 10
MAX_RPS: Final = 1000
"""What one process of Python can send, with the rest of the demo on the same machine."""


class Scenario(StrEnum):
    """What the candidates turn out to be."""

    BETTER = "better"
    FAULTY = "faulty"
    SLOW = "slow"
    MODELS = "models"
    """five acts with real models, which `trimtab.control.demo.models` plays"""

    @property
    def usual_s(self) -> float:
        """How long it lasts where nobody says; `models` at most, for its acts end by themselves."""
        return 180.0 if self is Scenario.MODELS else 60.0

    @property
    def least_s(self) -> float:
        """The shortest time that may be asked for."""
        return MIN_MODELS_S if self is Scenario.MODELS else MIN_DURATION_S


class Strategy(StrEnum):
    """How the release moves traffic."""

    CANARY = "canary"
    BANDIT = "bandit"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """One run of the demo. Raises `ValueError` for a number out of its range, `WrongBackend` as `chosen` does."""

    scenario: Scenario = Scenario.FAULTY
    strategy: Strategy = Strategy.CANARY
    duration_s: float = 60.0
    """of the traffic; starting and ending come on top"""
    rps: int = 200
    """requests per second"""
    seed: int = 1
    """of the arrivals and of what the services answer"""
    plain: bool = False
    """lines in place of the live view; also where standard output is no terminal"""
    console: bool = False
    """the console besides, also after the verdict, until a signal ends it"""
    backend: Backend = Backend.AUTO
    """the servers; once made, never `AUTO` but what that came to"""
    kafka: str = ""
    """HOST:PORT, of the backend `external` alone"""
    redis: str = ""
    """URL, of the backend `external` alone"""

    def __post_init__(self) -> None:
        least_s = self.scenario.least_s
        if not (math.isfinite(self.duration_s) and least_s <= self.duration_s <= MAX_DURATION_S):
            raise ValueError(f"duration: expected {least_s:.0f} to {MAX_DURATION_S:.0f} seconds, got {self.duration_s}")
        if self.scenario is Scenario.MODELS and self.strategy is not Strategy.CANARY:
            raise ValueError(f"strategy: the acts of the scenario models have their own, got {self.strategy}")
        if not MIN_RPS <= self.rps <= MAX_RPS:
            raise ValueError(f"rps: expected {MIN_RPS} to {MAX_RPS} requests per second, got {self.rps}")
        object.__setattr__(self, "backend", chosen(self.backend, kafka=self.kafka, redis=self.redis))
