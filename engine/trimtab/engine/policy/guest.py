"""A user's own policy, kept from doing harm.

* It comes as a factory, which whoever starts the worker found by entry point: the engine loads nothing.
* It may answer wrongly or raise. A release does not end, and a worker does not stop, because of that: the shares that
  it gave last stay, among the arms that may take traffic (even ones before the first), and `fault` says why.
* What it is given is its own: nothing that it does to a batch reaches other policies.
* One whose state is no plain data begins anew after a restart, and `fault` says so. Where that is seen of a new one
  (`refusal`) the release is refused.
* That the same batches and seeds give the same shares is its own duty; replay rests on it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec

from trimtab.engine.policy.policy import Batch, Policy, Snapshot
from trimtab.engine.policy.spread import in_proportion

Parameters = Mapping[str, bool | int | float | str]

_METHODS: Final = ("update", "shares", "snapshot", "restore")


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
        own = Batch([*batch.trials], [*batch.rewards], [*batch.squares], [*batch.shares])
        try:
            self._policy.update(own)
        except Exception as error:  # noqa: BLE001 - its code may raise anything; the fault is kept and shown
            self._wrong_update = f"policy {self._name}: update raised {error!r:.200}"
        else:
            self._wrong_update = ""

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives its shares, or the last that were right."""
        try:
            given = [float(share) for share in self._policy.shares([*eligible], pending, seed)]
        except Exception as error:  # noqa: BLE001 - as above
            self._wrong_answer = f"policy {self._name}: shares raised {error!r:.200}"
        else:
            self._wrong_answer = _fault(self._name, given, eligible)
            self._last = self._last if self._wrong_answer else given
        return in_proportion(self._last or [0.0] * len(eligible), eligible)

    def snapshot(self) -> Snapshot:
        """Gives its snapshot, and what it answered last."""
        guest, wrong = self._state()
        return {
            "guest": guest,
            "last": [*self._last],
            "wrong_update": f"{wrong}; it began anew" if wrong else self._wrong_update,
            "wrong_answer": self._wrong_answer,
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._last = [float(share) for share in snapshot["last"]]
        self._wrong_update, self._wrong_answer = snapshot["wrong_update"], snapshot["wrong_answer"]
        if snapshot["guest"] is None:
            return
        try:
            self._policy.restore(snapshot["guest"])
        except Exception as error:  # noqa: BLE001 - as above
            self._wrong_update = f"policy {self._name}: restore raised {error!r:.200}; it began anew"

    @property
    def refusal(self) -> str:
        """Why it is no policy, as far as that can be seen of a new one; empty where it may be one."""
        missing = [name for name in _METHODS if not callable(getattr(self._policy, name, None))]
        if missing:
            return f"policy {self._name}: expected an object with {', '.join(_METHODS)}; it lacks {', '.join(missing)}"
        return self._state()[1]

    def _state(self) -> tuple[Snapshot | None, str]:
        """Gives its state, or nothing and why it has none that could be kept."""
        try:
            state = self._policy.snapshot()
            msgspec.msgpack.encode(state)
        except Exception as error:  # noqa: BLE001 - as above
            return None, f"policy {self._name}: expected a snapshot of plain data, got {error!r:.200}"
        return state, ""


def _fault(name: str, shares: Sequence[float], eligible: Sequence[bool]) -> str:
    if len(shares) != len(eligible):
        return f"policy {name}: gave {len(shares)} shares, expected {len(eligible)}"
    if not all(math.isfinite(share) and share >= 0.0 for share in shares):
        return f"policy {name}: gave shares {list(shares)!r:.200}, expected finite ones of at least 0"
    if not any(share > 0.0 for share, may in zip(shares, eligible, strict=True) if may):
        return f"policy {name}: gave shares {list(shares)!r:.200}, none to an arm that may take traffic"
    return ""
