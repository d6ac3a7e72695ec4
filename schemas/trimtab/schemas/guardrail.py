"""Guardrails of a release file: bounds that no variant may cross.

A bound is absolute (`max`, `min`), or relative to what the baseline does in the same seconds (`maxRatio`, `minRatio`).
One that has both is two guardrails. What is bounded is built in, an outcome, or a metric of the release file.
"""

from functools import cached_property
from typing import Annotated, Final, Literal, Self, TypeVar, get_args

from pydantic import AfterValidator, Field, model_validator
from pydantic.alias_generators import to_camel

from trimtab.schemas.part import Name, OutcomeName, Part, WaitMs, WindowMs, duration_text

Severity = Literal["critical", "ordinary", "signal", "muted"]
OnFail = Literal["abort", "stepBack", "pause", "hold"]
_MOST_RATIO: Final = 1_000
"""Odds beyond it are told from none by nobody, and their powers overflow (`sequential/hypergeometric.py`)."""
_MOST: Final = 1e15
"""The size beyond which neither an outcome nor a metric has a value: bounds there only overflow."""


def _within(bound: float) -> float:
    if abs(bound) > _MOST:
        raise ValueError(f"expected at most {_MOST:g} in size, got {bound:g}")
    return bound


def _tells_something(ratio: float) -> float:
    if ratio > _MOST_RATIO:
        raise ValueError(f"expected at most {_MOST_RATIO}, got {ratio:g}")
    return ratio


Ratio = Annotated[float, Field(ge=1, allow_inf_nan=False), AfterValidator(_tells_something)]
_LONGEST_REACTIONS_MS: Final = 300_000
Finite = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_within)]


def _not_too_long(window_ms: int) -> int:
    if window_ms > _LONGEST_REACTIONS_MS:
        longest = duration_text(_LONGEST_REACTIONS_MS)
        raise ValueError(
            f"expected at most {longest}, for every reaction in it is kept, got {duration_text(window_ms)}"
        )
    return window_ms


class _Watch(Part):
    """How a guardrail is watched, and what comes of it."""

    window: WindowMs = 10_000
    """over which the value is shown; evidence is gathered second by second from the start on"""
    min_samples: Annotated[int, Field(ge=1)] = 20
    """below which nothing is concluded"""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = None
    """that a candidate which keeps the bound is never failed, at however many looks; its part of `falseAborts` where it
    is not given"""
    severity: Severity = "critical"
    """`critical`: a step waits until it passes; `ordinary`: a step waits only while it fails; `signal`: it is shown and
    nothing else; `muted`: it is not looked at"""
    on_fail: OnFail = "abort"
    """`abort`: the candidate loses all traffic for good; `stepBack`: back to the step before, on the way to all traffic
    to the last one (else as `hold`); `pause`: weights are held until a person resumes; `hold`: weights are held for as
    long as it fails, but on their way back to the baseline"""
    warm_up: WaitMs = 0
    """from a variant's first response on, what does not count yet"""


class ErrorRateGuardrail(_Watch):
    """Bounds the share of responses that are errors, of the service or of its clients."""

    metric: Literal["error_rate", "client_error_rate"]
    max: Annotated[float, Field(gt=0, lt=1)] | None = None
    """share, between 0 and 1"""
    max_ratio: Ratio | None = None
    """the odds of an error, against those of the baseline; 1 tolerates no difference at all"""

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        return _bounded(self, "max", "max_ratio")

    @cached_property
    def title(self) -> str:
        """What tells it from others."""
        return f"{self.metric} over {duration_text(self.window)}"


class LatencyGuardrail(_Watch):
    """Bounds a quantile of the response time."""

    metric: Literal["latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms"]
    max: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    """milliseconds"""
    max_ratio: Ratio | None = None
    """times the baseline's quantile"""

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        return _bounded(self, "max", "max_ratio")

    @cached_property
    def quantile(self) -> float:
        """The quantile that is bounded, between 0 and 1."""
        return int(self.metric.removeprefix("latency_p").removesuffix("_ms")) / 100

    @cached_property
    def title(self) -> str:
        """What tells it from others."""
        return f"{self.metric} over {duration_text(self.window)}"


class OutcomeGuardrail(_Watch):
    """Bounds the mean of an outcome's values."""

    metric: Literal["outcome"]
    name: OutcomeName
    """of the outcome"""
    max: Finite | None = None
    min: Finite | None = None
    max_ratio: Ratio | None = None
    """times the baseline's mean, which has to be above 0"""
    min_ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    """times the baseline's mean, which has to be above 0"""

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min: expected at most max {self.max:g}, got {self.min:g}")
        return _bounded(self, "max", "min", "max_ratio", "min_ratio")

    @cached_property
    def title(self) -> str:
        """What tells it from others."""
        return f"outcome {self.name} over {duration_text(self.window)}"


class SampleRatioGuardrail(_Watch):
    """Asks for requests to reach the variants as weights say; where they do not, nothing that was learned is true."""

    metric: Literal["sample_ratio"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.999
    """that routing which keeps the shares is never failed, at however many looks"""
    severity: Severity = "ordinary"
    on_fail: OnFail = "pause"

    @cached_property
    def title(self) -> str:
        """What tells it from others."""
        return self.metric


class ReactionGuardrail(Part):
    """Bounds our own reaction time: from an event to the weights that rest on it, visible in Redis.

    It says nothing of a candidate: weights that follow too late are held, or wait for a person.
    """

    metric: Literal["reaction_time"]
    max: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """milliseconds"""
    allowed: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """the share of reactions within the window that may take longer"""
    window: Annotated[WindowMs, AfterValidator(_not_too_long)] = 60_000
    """at most 5m, for each reaction in it is kept"""
    min_samples: Annotated[int, Field(ge=1)] = 20
    """reactions within the window, below which nothing is concluded"""
    severity: Severity = "ordinary"
    on_fail: Literal["pause", "hold"] = "hold"

    @cached_property
    def title(self) -> str:
        """What tells it from others."""
        return f"{self.metric} over {duration_text(self.window)}"


class MetricGuardrail(_Watch):
    """Bounds a metric of the release file, second by second: each second's value is one observation."""

    metric: Literal["metric"]
    name: Name
    """of the metric, one of `metrics`"""
    max: Finite | None = None
    min: Finite | None = None
    max_ratio: Ratio | None = None
    """times the baseline's value in the same second"""
    min_ratio: Annotated[float, Field(gt=0, le=1)] | None = None
    """times the baseline's value in the same second"""

    @model_validator(mode="after")
    def _has_a_bound(self) -> Self:
        if self.max is not None and self.min is not None and self.min > self.max:
            raise ValueError(f"min: expected at most max {self.max:g}, got {self.min:g}")
        return _bounded(self, "max", "min", "max_ratio", "min_ratio")

    @cached_property
    def title(self) -> str:
        """What tells it from others."""
        return f"metric {self.name} over {duration_text(self.window)}"


Guardrail = ErrorRateGuardrail | LatencyGuardrail | OutcomeGuardrail | MetricGuardrail
"""Those that bound what single variants do."""

AnyGuardrail = Annotated[Guardrail | SampleRatioGuardrail | ReactionGuardrail, Field(discriminator="metric")]

BUILT_IN_RAILS: Final = tuple(
    name
    for rail in (ErrorRateGuardrail, LatencyGuardrail, SampleRatioGuardrail, ReactionGuardrail)
    for name in get_args(rail.model_fields["metric"].annotation)
)
"""What guardrails bound that the release file does not define."""

ShareRail = ErrorRateGuardrail | LatencyGuardrail
"""What bounds a share of responses: a latency quantile is one of slower ones."""
ValueRail = OutcomeGuardrail | MetricGuardrail
"""What bounds a mean of values."""
Rail = ShareRail | ValueRail


_R = TypeVar("_R", bound=Rail)


def _bounded(rail: _R, *bounds: str) -> _R:
    """Gives a guardrail that has one of `bounds`. Raises `ValueError` for others."""
    if all(getattr(rail, bound) is None for bound in bounds):
        first, *others = map(to_camel, bounds)
        raise ValueError(f"{first}: expected a value here or in {', '.join(others)}, found none")
    return rail
