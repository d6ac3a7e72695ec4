"""Scaling advice in the release file: bounds on response times, and what to scale when they are crossed.

A sliding window of response times above `upper` asks for more, one below `lower` for less. What is scaled is a chain
of steps: `toOne` takes the first that still can (from the head to scale up, from the tail to scale down), `toAll`
takes every one that can; both nest.
"""

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from trimtab.schemas.ids import NAME_PATTERN
from trimtab.schemas.part import WINDOWS_MS, DurationMs, Part, PositiveDurationMs, duration_text

_WINDOWS_MS: Final = tuple(sorted((*WINDOWS_MS, 600_000)))
_DEEPEST: Final = 8
_MOST_STEPS: Final = 64
_MOST_RESOURCES: Final = 8


def _kept(value: int) -> int:
    if value not in _WINDOWS_MS:
        raise ValueError(f"expected one of {', '.join(map(duration_text, _WINDOWS_MS))}, got {duration_text(value)}")
    return value


SizingWindowMs = Annotated[DurationMs, AfterValidator(_kept)]


class Scale(Part):
    """One resource that may be scaled, and how far."""

    type: Literal["scaleInstances", "scaleCpu", "scaleMemory"]
    """the unit follows from it: instances, thousandths of a core, MiB"""
    min: Annotated[int, Field(strict=True, ge=1)]
    max: Annotated[int, Field(strict=True, ge=1)]
    step: Annotated[int, Field(strict=True, ge=1)] = 1
    target: Annotated[str, Field(pattern=f"^$|{NAME_PATTERN}")] = ""
    """what is scaled in the variant's place, such as a database that it waits for; the variant itself where empty"""

    @property
    def resource(self) -> str:
        """`instances`, `cpu` or `memory`."""
        return self.type.removeprefix("scale").lower()

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min: expected at most max {self.max}, got {self.min}")
        return self


class ToOne(Part):
    """Escalates one of its parts: up from the head, down from the tail, until one can."""

    type: Literal["toOne"]
    escalations: Annotated[tuple["Escalation", ...], Field(min_length=1)]


class ToAll(Part):
    """Escalates all of its parts that can."""

    type: Literal["toAll"]
    escalations: Annotated[tuple["Escalation", ...], Field(min_length=1)]


Escalation = Annotated[Scale | ToOne | ToAll, Field(discriminator="type")]


class Scaling(Part):
    """Bounds on the response time of each variant, and what to do about them."""

    type: Literal["responseTimeSlidingWindow"]
    measure: Literal["mean", "p50", "p90", "p95", "p99"] = "mean"
    """of the response times in the window"""
    upper: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """milliseconds; above it more is advised"""
    lower: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """milliseconds; below it less is advised. 0: never"""
    window: SizingWindowMs = 600_000
    """10s, 30s, 1m, 5m, 10m, 15m or 1h"""
    cooldown: PositiveDurationMs = 600_000
    """how long nothing is advised after an advice. Shorter than the window, and what happened before the advice was
    followed still counts"""
    min_samples: Annotated[int, Field(strict=True, ge=1)] = 100
    """responses in the window, below which nothing is said"""
    max_error_ratio: Annotated[float, Field(ge=0, le=1)] = 0.05
    """share of errors above which short response times do not count as spare capacity: errors are often fast"""
    slower_ratio: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 1.25
    """from how many times the baseline's response time on a candidate counts as slower than it"""
    like_load_ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 1.25
    """up to how many times the requests per instance two variants count as under like load"""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.999
    """how sure it has to be that a candidate is slower at all"""
    escalation: Escalation

    @model_validator(mode="after")
    def _bounds_fit(self) -> Self:
        if self.lower >= self.upper:
            raise ValueError(f"lower: expected below upper {self.upper:g}, got {self.lower:g}")
        depth, steps = _extent(self.escalation)
        if depth > _DEEPEST or steps > _MOST_STEPS:
            raise ValueError(
                f"escalation: expected at most {_DEEPEST} levels and {_MOST_STEPS} steps, got {depth} and {steps}"
            )
        if (resources := len(_resources(self.escalation))) > _MOST_RESOURCES:
            raise ValueError(f"escalation: expected at most {_MOST_RESOURCES} resources, got {resources}")
        return self


def _extent(escalation: Escalation) -> tuple[int, int]:
    """Gives how deep an escalation nests, and how many steps it has."""
    if isinstance(escalation, Scale):
        return 1, 1
    parts = [_extent(part) for part in escalation.escalations]
    return 1 + max(depth for depth, _ in parts), sum(steps for _, steps in parts)


def _resources(escalation: Escalation) -> set[tuple[str, str]]:
    """Gives (target, resource) of everything that an escalation scales."""
    if isinstance(escalation, Scale):
        return {(escalation.target, escalation.resource)}
    return {one for part in escalation.escalations for one in _resources(part)}


def gauge_of(resource: str, target: str = "") -> str:
    """Gives the name of the outcome by which services tell how much there is of a resource of a variant.

    >>> gauge_of("instances"), gauge_of("cpu", "database")
    ('scale.instances', 'scale.cpu.database')
    """
    return f"scale.{resource}.{target}" if target else f"scale.{resource}"
