"""Policies: from what the arms of a bandit earned to the share of traffic that each of them should get.

A policy is a state machine without IO, clock or randomness of its own. It is told what came of traffic, batch by batch,
and asked for shares. The same batches and seeds give the same shares, bit for bit.

* More is always better: whoever minimises turns rewards around before they come here.
* A batch holds what became known since the one before, whenever it was routed; trials of an arm are never negative.
* Shares sum to 1, and an arm that may not take traffic has none.
* `snapshot` is plain data (numbers, texts, lists, dictionaries with texts as keys); `restore` continues exactly.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """What became known between two updates; one entry per arm in each field, arms in the order of the release file."""

    trials: Sequence[float]
    rewards: Sequence[float]
    """sum of the rewards of these trials"""
    squares: Sequence[float]
    """sum of the squares of these rewards"""
    shares: Sequence[float]
    """the propensity: the share of traffic that each arm had when these trials were routed"""


class Policy(Protocol):
    """What every policy does."""

    def update(self, batch: Batch) -> None:
        """Takes what came of traffic."""

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the share that each arm should get of the traffic to come.

        `pending`: trials that are under way or about to be, whose rewards are not known yet. `seed` makes the draws of
        policies that draw; the others pass it over. At least one arm is eligible.
        """

    def snapshot(self) -> Snapshot:
        """Gives the policy's state as plain data."""

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a policy with the same settings and number of arms."""
