"""Policies that know segments: strata of traffic with shares of their own."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from trimtab.engine.policy.policy import Batch, Policy


@runtime_checkable
class Contextual(Policy, Protocol):
    """A policy with shares per segment.

    A batch belongs to one segment, and `update` takes the traffic of none (segment ""). `shares` are those of such
    traffic. A segment is there as soon as it is named; whoever calls bounds how many there are. `isinstance` tells such
    policies from others.
    """

    def update_in(self, segment: str, batch: Batch) -> None:
        """Takes what came of a segment's traffic."""

    def shares_in(self, segment: str, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the shares for a segment's traffic; otherwise as `shares`."""
