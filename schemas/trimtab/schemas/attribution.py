"""Attribution: how rewards that come late find the requests that earned them.

A reward belongs to the cohort of its request: those that were routed in the same stretch of time. A cohort is mature
once the window is over for all of it; then each of its requests is a trial, and one of which nothing came has the
default reward.
"""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from trimtab.schemas.evidence import MAX_VALUE
from trimtab.schemas.part import Part, PositiveDurationMs, duration_text

LONGEST_MS: Final = 3_600_000
_SHORTEST_MS: Final = 1_000

Rule = Literal["first", "last", "sum", "max"]


def _whole_seconds(window_ms: int) -> int:
    if not _SHORTEST_MS <= window_ms <= LONGEST_MS or window_ms % 1000:
        raise ValueError(f"expected whole seconds from 1s to 1h, got {duration_text(window_ms)}")
    return window_ms


class Attribution(Part):
    """Which outcomes count for a request, and what a request without one counts."""

    window: Annotated[PositiveDurationMs, AfterValidator(_whole_seconds)]
    """how long after a request its outcomes still count, from 1s to 1h: weights learn of a request that much later"""
    default: Annotated[float, Field(ge=-MAX_VALUE, le=MAX_VALUE, allow_inf_nan=False)] = 0.0
    """the reward of a request of which nothing came within the window"""
    repeated: Rule = "last"
    """what several outcomes of one request come to; `sum` needs `values: real`"""

    def refuse_shares(self) -> None:
        """Raises `ValueError` where rewards would not lie between 0 and 1."""
        if not 0.0 <= self.default <= 1.0:
            raise ValueError(f"attribution.default: expected 0 to 1 where values are shares, got {self.default!r}")
        if self.repeated == "sum":
            raise ValueError("attribution.repeated: sum needs values: real, for a sum of shares may exceed 1")
