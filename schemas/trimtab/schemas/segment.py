"""Segments of a release file: strata of traffic whose evidence is kept apart."""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field

from trimtab.schemas.condition_text import ConditionText
from trimtab.schemas.part import Name, Part, refuse_repeated

MAX_SEGMENTS: Final = 16
MAX_FEATURES: Final = 32

FeatureName = Annotated[str, Field(min_length=1, max_length=100)]
Feature = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]


class Segment(Part):
    """A stratum of traffic, by the name that telemetry gives it.

    >>> Segment(name="mobile", features={"screen": 0.3}).features
    {'screen': 0.3}
    """

    name: Name
    condition: ConditionText | None = None
    """which requests are of it, for the sidecar to tell. Without one, services tell it in their telemetry"""
    features: dict[FeatureName, Feature] = {}  # noqa: RUF012 - pydantic copies it
    """feature -> value, for the policy `linear`: of the order of 1. One that is absent counts as 0"""


def check_segments(segments: Sequence[Segment]) -> None:
    """Raises `ValueError` for a name that stands twice, and for too many different features."""
    refuse_repeated("segments", [segment.name for segment in segments])
    names = {name for segment in segments for name in segment.features}
    if len(names) > MAX_FEATURES:
        raise ValueError(f"segments: expected at most {MAX_FEATURES} different features, got {len(names)}")
