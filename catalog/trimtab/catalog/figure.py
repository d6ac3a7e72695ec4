"""Figures: how well something does, in development or in service, as a whole or in one segment."""

from typing import Annotated, Final

from pydantic import Field, field_validator

from trimtab.schemas.ids import NAME_PATTERN, is_name
from trimtab.schemas.model_term import METRIC
from trimtab.schemas.part import Part

MAX_TIMES: Final = 1_440
"""Figures that are kept of one metric and segment of a node, the newest."""
MAX_SERIES: Final = 512
"""Metrics and segments of one node."""


class Figure(Part):
    """One value of one metric. Of a model it is of development, of a deployment of service."""

    metric: Annotated[str, Field(pattern=rf"^{METRIC}$")]
    value: Annotated[float, Field(allow_inf_nan=False)]
    segment: str = ""
    """of which traffic or data; empty: of all"""
    time_s: Annotated[int, Field(ge=0)] = 0
    """since the epoch; 0: when it is written"""
    count: Annotated[int, Field(ge=0)] | None = None
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

    @property
    def key(self) -> str:
        """How a query calls it, without its stage: `accuracy[eu]`."""
        return f"{self.metric}[{self.segment}]" if self.segment else self.metric
