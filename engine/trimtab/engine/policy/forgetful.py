"""Policies that can be told that what they know of one arm is out of date."""

from typing import Protocol

from trimtab.engine.policy.policy import Policy


class Forgetful(Policy, Protocol):
    """A policy that a drift signal can act on."""

    def forget(self, arm: int, keep: float) -> None:
        """Multiplies the weight of what is known of one arm by `keep`, from 0 to 1."""
