"""What the parts of a release file have in common: strictness, names, shares, durations.

Shares are whole basis points (10,000 is all traffic), durations are texts such as `500ms`, `10s`, `5m`, or a number of
seconds.
"""

import math
import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from trimtab.schemas.ids import BASIS_POINTS, NAME_PATTERN, RELEASE_PATTERN

WINDOWS_MS: Final = (10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000)
"""The windows that the engine can keep."""

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
    if abs(exact_ms) > _LONGEST_MS:
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


def _not_negative(value: int) -> int:
    if value < 0:
        raise ValueError(f"expected a duration of at least 0, got {duration_text(value)}")
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
WaitMs = Annotated[DurationMs, AfterValidator(_not_negative)]
PositiveDurationMs = Annotated[DurationMs, AfterValidator(_positive)]
ReleaseName = Annotated[str, Field(pattern=RELEASE_PATTERN)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
OutcomeName = Annotated[str, Field(min_length=1, max_length=128)]
"""What services call what came of a request; those of the label service have underscores."""
BasisPoints = Annotated[int, Field(strict=True, ge=0, le=BASIS_POINTS)]
WindowMs = Annotated[
    int,
    BeforeValidator(duration_ms, json_schema_input_type=Literal["10s", "30s", "1m", "5m", "15m", "1h"]),
    AfterValidator(_kept),
    PlainSerializer(duration_text, return_type=str),
]


class Part(BaseModel):
    """A part of a release file: frozen, strict about what it knows, with names in camelCase."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=True
    )


def refuse_repeated(field: str, values: list[str], *, what: str = "name") -> None:
    """Raises `ValueError` where one of `values` stands twice."""
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{field}: {what} {value!r} stands twice")
