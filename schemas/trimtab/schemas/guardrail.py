"""Guardrails of a release file: bounds that no variant may cross."""

from typing import Annotated, Literal

from pydantic import Field

from trimtab.schemas.part import Part, WindowMs


class ErrorRateGuardrail(Part):
    """Bounds the share of responses that are errors."""

    metric: Literal["error_rate"]
    max: Annotated[float, Field(gt=0, lt=1)]
    """share, between 0 and 1"""
    window: WindowMs = 10_000
    min_samples: Annotated[int, Field(ge=1)] = 20
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.999


class LatencyGuardrail(Part):
    """Bounds a quantile of the response time."""

    metric: Literal["latency_p50_ms", "latency_p90_ms", "latency_p95_ms", "latency_p99_ms"]
    max: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """milliseconds"""
    window: WindowMs = 10_000
    min_samples: Annotated[int, Field(ge=1)] = 20
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.999

    @property
    def quantile(self) -> float:
        """The quantile that is bounded, between 0 and 1."""
        return int(self.metric.removeprefix("latency_p").removesuffix("_ms")) / 100


Guardrail = Annotated[ErrorRateGuardrail | LatencyGuardrail, Field(discriminator="metric")]
