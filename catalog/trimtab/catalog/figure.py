"""Figures: how well something does, in development or in service, as a whole or in one segment."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field, field_validator, model_validator

from trimtab.schemas.ids import NAME_PATTERN, is_name
from trimtab.schemas.model_term import METRIC
from trimtab.schemas.part import Part

MAX_TIMES: Final = 1_440
"""Figures that are kept of one metric and segment of a node, the newest."""
MAX_SERIES: Final = 512
"""Metrics and segments of one node."""
MOST: Final = (1 << 53) - 1
"""What every store and every reader of JSON holds exactly."""
LAST_S: Final = 253_402_300_799
"""The end of the year 9999: milliseconds in place of seconds lie far beyond it."""

_RATIO: Final = (0.0, 1.0)
_AMOUNT: Final = (0.0, float("inf"))
BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    **dict.fromkeys(
        ("accuracy", "agreement", "auc", "correct", "error_ratio", "f1", "precision", "recall", "share"), _RATIO
    ),
    **dict.fromkeys(("brier", "cost", "log_loss", "p50_ms", "p95_ms", "p99_ms"), _AMOUNT),
}
"""What metrics can be of which everybody means the same, the least and the most. Others may be any number."""


class Figure(Part):
    """One value of one metric. Of a model it is of development, of a deployment of service."""

    metric: Annotated[str, Field(pattern=rf"^{METRIC}$")]
    value: Annotated[float, Field(allow_inf_nan=False, strict=True)]
    segment: str = ""
    """of which traffic or data; empty: of all"""
    time_s: Annotated[int, Field(ge=0, le=LAST_S)] = 0
    """since the epoch; 0: when it is written"""
    count: Annotated[int, Field(ge=0, le=MOST)] | None = None
    """requests or samples that it rests on"""

    @field_validator("metric")
    @classmethod
    def _one_line(cls, metric: str) -> str:
        if metric.endswith("\n"):  # which `$` lets pass
            raise ValueError(f"expected a metric's name, got {metric!r}")
        return metric

    @field_validator("segment")
    @classmethod
    def _is_segment(cls, segment: str) -> str:
        if segment and not is_name(segment):
            raise ValueError(f"expected a segment's name, {NAME_PATTERN}, got {segment!r:.80}")
        return segment

    @model_validator(mode="after")
    def _is_possible(self) -> "Figure":
        if not is_possible(self.metric, self.value):
            least, most = BOUNDS[self.metric]
            upto = f" to {most:g}" if most < float("inf") else " or more"
            raise ValueError(f"value: expected {least:g}{upto} for {self.metric}, got {self.value:g}")
        return self

    @property
    def key(self) -> str:
        """How a query calls it, without its stage: `accuracy[eu]`."""
        return f"{self.metric}[{self.segment}]" if self.segment else self.metric


def is_possible(metric: str, value: float) -> bool:
    """Whether a metric can have a value at all.

    >>> is_possible("accuracy", 96.9), is_possible("p99_ms", -1.0), is_possible("my_score", -7.0)
    (False, False, True)
    """
    least, most = BOUNDS.get(metric, (float("-inf"), float("inf")))
    return least <= value <= most and abs(value) < float("inf")
