"""The release file: how a person describes a rollout.

YAML or JSON, `apiVersion: trimtab.dev/v1`, `kind: Release`. Field names are camelCase in the file. Shares are whole
basis points (10,000 is all traffic), durations are texts such as `500ms`, `10s`, `5m`, or a number of seconds.
"""

import math
import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, model_validator
from pydantic.alias_generators import to_camel

from trimtab.schemas.ids import BASIS_POINTS, NAME_PATTERN, ReleaseId

API_VERSION: Final = "trimtab.dev/v1"

WINDOWS_MS: Final = (10_000, 60_000, 300_000)
"""The windows that the engine keeps."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_LONGEST_MS: Final = 8_760 * 3_600_000


def duration_ms(value: object) -> int:
    """Gives whole milliseconds for `500ms`, `10s`, `5m`, `1h`, or a number of seconds. Raises `ValueError`."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        exact_ms = float(match[1]) * _UNIT_MS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool) and -math.inf < value < math.inf:
        exact_ms = value * 1000
    else:
        raise ValueError(f"expected a duration such as 500ms, 10s or 5m, got {value!r:.80}")
    if exact_ms > _LONGEST_MS:
        raise ValueError(f"expected a duration of at most a year (8760h), got {value!r:.80}")
    return round(exact_ms)


def duration_text(value_ms: int) -> str:
    """Gives the shortest text that `duration_ms` reads back as `value_ms`."""
    for unit in ("h", "m", "s"):
        if value_ms and value_ms % _UNIT_MS[unit] == 0:
            return f"{value_ms // _UNIT_MS[unit]}{unit}"
    return f"{value_ms}ms"


def _positive(value: int) -> int:
    if value <= 0:
        raise ValueError(f"expected a duration above 0, got {duration_text(value)}")
    return value


def _kept(value: int) -> int:
    if value not in WINDOWS_MS:
        raise ValueError(f"expected one of {', '.join(map(duration_text, WINDOWS_MS))}, got {duration_text(value)}")
    return value


DurationMs = Annotated[
    int,
    BeforeValidator(duration_ms, json_schema_input_type=str | float),
    PlainSerializer(duration_text, return_type=str),
]
PositiveDurationMs = Annotated[DurationMs, AfterValidator(_positive)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
BasisPoints = Annotated[int, Field(strict=True, ge=0, le=BASIS_POINTS)]
WindowMs = Annotated[
    int,
    BeforeValidator(duration_ms, json_schema_input_type=Literal["10s", "1m", "5m"]),
    AfterValidator(_kept),
    PlainSerializer(duration_text, return_type=str),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


class Metadata(_Part):
    """What the release is called."""

    name: Name
    labels: dict[str, str] = {}


class Route(_Part):
    """Which requests at the proxy belong to the release."""

    prefix: Annotated[str, Field(pattern=r"^/")] = "/"
    """path prefix"""


class Variant(_Part):
    """One version that takes part."""

    name: Name
    target: str = ""
    """the proxy's name for it (Envoy: a cluster); the variant's own name where empty"""

    @property
    def at_proxy(self) -> str:
        """The proxy's name for this variant."""
        return self.target or self.name


class Objective(_Part):
    """What the best variant has most of (or, to minimise, least of)."""

    metric: Annotated[str, Field(min_length=1)] = "success"
    """`success`: responses that are no errors; any other name: outcomes of that name, with values from 0 to 1"""
    goal: Literal["maximize", "minimize"] = "maximize"


class ErrorRateGuardrail(_Part):
    """Bounds the share of responses that are errors."""

    metric: Literal["error_rate"]
    max: Annotated[float, Field(gt=0, lt=1)]
    """share, between 0 and 1"""
    window: WindowMs = 10_000
    min_samples: Annotated[int, Field(ge=1)] = 20
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.999


class LatencyGuardrail(_Part):
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


class Limits(_Part):
    """What the weights keep to, whatever the evidence says. An abort alone may go straight to the baseline."""

    min_weight: BasisPoints = 100
    """floor of a variant that may take traffic under `bandit`"""
    max_weight: BasisPoints = BASIS_POINTS
    """cap of a single candidate while the release progresses"""
    max_step: Annotated[int, Field(strict=True, ge=1, le=BASIS_POINTS)] = 2_000
    """how far any weight may move in one decision"""


class Canary(_Part):
    """Candidates share each step in turn, as long as their guardrails pass; then the best of them is promoted."""

    type: Literal["canary"]
    steps: Annotated[tuple[BasisPoints, ...], Field(min_length=1)] = (500, 2_500, 5_000)
    """basis points, rising; shared evenly by the candidates that are left"""
    hold: PositiveDurationMs = 10_000
    """how long each step lasts at least"""


class Bandit(_Part):
    """Weights follow the probability that a variant is the best one."""

    type: Literal["bandit"]
    interval: PositiveDurationMs = 1_000
    """how often weights are chosen anew"""


Strategy = Annotated[Canary | Bandit, Field(discriminator="type")]


class Spec(_Part):
    """What is released, how, and what must not happen."""

    route: Route = Route()
    baseline: Name
    variants: Annotated[tuple[Variant, ...], Field(min_length=2)]
    objective: Objective = Objective()
    guardrails: tuple[Guardrail, ...] = ()
    limits: Limits = Limits()
    strategy: Strategy

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        names = [variant.name for variant in self.variants]
        _refuse_repeated("variants", names)
        _refuse_repeated("variants", [variant.at_proxy for variant in self.variants], what="target")
        if self.baseline not in names:
            raise ValueError(f"baseline: expected one of the variants {', '.join(names)}, got {self.baseline!r}")
        _refuse_repeated("guardrails", [f"{rail.metric} over {duration_text(rail.window)}" for rail in self.guardrails])
        return self

    @model_validator(mode="after")
    def _limits_fit(self) -> Self:
        floor = self.limits.min_weight
        if floor * len(self.variants) > BASIS_POINTS:
            total = floor * len(self.variants)
            raise ValueError(f"limits.minWeight: {len(self.variants)} variants x {floor} bp is {total}, over 10000")
        if self.limits.max_weight < floor:
            raise ValueError(f"limits.maxWeight: expected at least minWeight {floor}, got {self.limits.max_weight}")
        if isinstance(self.strategy, Canary):
            self._steps_fit(self.strategy.steps)
        return self

    def _steps_fit(self, steps: tuple[int, ...]) -> None:
        candidates = len(self.variants) - 1
        if list(steps) != sorted(set(steps)) or steps[0] == 0:
            raise ValueError(f"strategy.steps: expected rising shares above 0, got {list(steps)}")
        if steps[-1] > self.limits.max_weight * candidates:
            room = self.limits.max_weight * candidates
            raise ValueError(f"strategy.steps: {steps[-1]} is over the {room} bp that limits.maxWeight leaves")


class Release(_Part):
    """One rollout of a service or model, with a name and a life."""

    api_version: Literal["trimtab.dev/v1"]
    kind: Literal["Release"]
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> ReleaseId:
        """The name that telemetry and commands use."""
        return ReleaseId(self.metadata.name)

    def document(self) -> bytes:
        """Gives the release as JSON, as it travels in the evidence log; `parse_document` reads it back."""
        return self.model_dump_json(by_alias=True).encode()


def parse_document(document: bytes) -> Release:
    """Gives the release that `document` (of `Release.document`) holds. Raises pydantic's `ValidationError`."""
    return Release.model_validate_json(document)


def _refuse_repeated(field: str, values: list[str], *, what: str = "name") -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{field}: {what} {value!r} stands twice")
