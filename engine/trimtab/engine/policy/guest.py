"""A user's own policy, kept from doing harm.

* It comes as a factory, which whoever starts the worker found by entry point: the engine loads nothing.
* It may answer wrongly or raise. A release does not end, and a worker does not stop, because of that: the shares that
  it gave last stay, among the arms that may take traffic (even ones before the first), and `fault` says why.
* That the same batches and seeds give the same shares is its own duty; replay rests on it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from trimtab.engine.policy.policy import Batch, Policy, Snapshot
from trimtab.engine.policy.spread import in_proportion

Parameters = Mapping[str, bool | int | float | str]


class PolicyFactory(Protocol):
    """What an entry point in the group `trimtab.policies` is."""

    def __call__(self, arms: Sequence[str], parameters: Parameters, *, real_valued: bool) -> Policy:
        """Gives a policy for the variants `arms`; raises `ValueError` where parameters do not fit."""


class Guest:
    """A policy that answers for one that is not ours.

    >>> from trimtab.engine.policy.uniform import Uniform
    >>> guest = Guest("mine", Uniform())
    >>> guest.shares([True, True], 0, 1), guest.fault
    ([0.5, 0.5], '')
    """

    __slots__ = ("_last", "_name", "_policy", "_wrong_answer", "_wrong_update")

    def __init__(self, name: str, policy: Policy) -> None:
        self._name = name
        self._policy = policy
        self._last: list[float] = []
        self._wrong_update = ""
        self._wrong_answer = ""

    @property
    def fault(self) -> str:
        """What it did wrong when it was last told or asked; empty where nothing."""
        return self._wrong_answer or self._wrong_update

    def update(self, batch: Batch) -> None:
        """Tells it what came of traffic."""
        try:
            self._policy.update(batch)
        except Exception as error:  # noqa: BLE001 - its code may raise anything; the fault is kept and shown
            self._wrong_update = f"policy {self._name}: update raised {error!r:.200}"
        else:
            self._wrong_update = ""

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives its shares, or the last that were right."""
        try:
            given = [float(share) for share in self._policy.shares(eligible, pending, seed)]
        except Exception as error:  # noqa: BLE001 - as above
            self._wrong_answer = f"policy {self._name}: shares raised {error!r:.200}"
        else:
            self._wrong_answer = _fault(self._name, given, eligible)
            self._last = self._last if self._wrong_answer else given
        return in_proportion(self._last or [0.0] * len(eligible), eligible)

    def snapshot(self) -> Snapshot:
        """Gives its snapshot, and what it answered last."""
        return {
            "guest": self._policy.snapshot(),
            "last": [*self._last],
            "wrong_update": self._wrong_update,
            "wrong_answer": self._wrong_answer,
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._policy.restore(snapshot["guest"])
        self._last = [float(share) for share in snapshot["last"]]
        self._wrong_update, self._wrong_answer = snapshot["wrong_update"], snapshot["wrong_answer"]


def _fault(name: str, shares: Sequence[float], eligible: Sequence[bool]) -> str:
    if len(shares) != len(eligible):
        return f"policy {name}: gave {len(shares)} shares, expected {len(eligible)}"
    if not all(math.isfinite(share) and share >= 0.0 for share in shares):
        return f"policy {name}: gave shares {list(shares)!r:.200}, expected finite ones of at least 0"
    if not any(share > 0.0 for share, may in zip(shares, eligible, strict=True) if may):
        return f"policy {name}: gave shares {list(shares)!r:.200}, none to an arm that may take traffic"
    return ""
