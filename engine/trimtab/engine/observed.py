"""Observed against published: whether requests are routed by the weights that are in force, and reach who they say.

Telemetry tells it by the revision that each request was routed by, whatever a sidecar says of itself:

* A request is stale where the weights of its revision had been replaced `GRACE_S` before its second began. A tenth of
  the requests of the last `STALE_S` are stale caches, or sidecars that are stuck.
* Shares drift where the requests of some variant in the last `DRIFT_S` differ from what the weights of their revisions
  expect by more than two points beyond chance (`DRIFT_SIGMAS`), as they do where few visitors are sticky and make many
  requests, or where a proxy does not do as its weights say.
* Of a shadow release and of an ensemble shares say nothing: copies of requests go to variants whatever their weight.
* Fewer requests than `STALE_N` or `DRIFT_N` show nothing.

Requests of unknown revisions say nothing, unless they are of one from before all that is remembered.
"""

from collections.abc import Sequence
from math import sqrt
from typing import Any, Final

from trimtab.engine.sequential.look import Routed
from trimtab.engine.sliding import Sliding
from trimtab.schemas.divergence import GRACE_S, Divergence
from trimtab.schemas.ids import BASIS_POINTS

STALE_S: Final = 10
STALE_N: Final = 50
STALE_SHARE: Final = 0.1
DRIFT_S: Final = 60
DRIFT_N: Final = 1_000
DRIFT_POINTS: Final = 0.02
DRIFT_SIGMAS: Final = 4.0

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""


class Observed:
    """What requests of one release show of its weights, under one spec."""

    __slots__ = ("_drift", "_has_copies", "_known", "_names", "_stale")

    def __init__(self, names: Sequence[str], *, has_copies: bool = False) -> None:
        """`names`: those of the variants, in the file's order; `has_copies`: of a shadow release or an ensemble."""
        self._names, self._has_copies = names, has_copies
        self._stale = Sliding(seconds=STALE_S, columns=2)
        """requests, and the stale ones of them"""
        self._drift = Sliding(seconds=DRIFT_S, columns=2 * len(names))
        """requests of each variant, and 10,000 times what was expected of them"""
        self._known: tuple[int, list[Divergence]] = (-1, [])
        """the second that somebody last asked about since something came, and the answer: a decision asks twice"""

    def take(self, look: Routed) -> None:
        """Takes the requests of a second that is over; seconds never go back."""
        n, self._known = sum(look.requests), (-1, [])
        self._stale.add(look.second, [n, n if look.is_stale else 0])
        if look.weights and not self._has_copies:
            self._drift.add(look.second, [*look.requests, *(n * int(weight) for weight in look.weights)])

    def divergences(self, second: int) -> list[Divergence]:
        """Gives what is seen by the end of `second`, the last that is over; nothing where traffic follows."""
        if self._known[0] != second:
            self._known = (second, [*self._staleness(second), *self._drifting(second)])
        return self._known[1]

    def _staleness(self, second: int) -> list[Divergence]:
        n, stale = self._stale.over(second)
        if n < STALE_N or stale < STALE_SHARE * n:
            return []
        words = (
            f"{stale} of {n} requests in {STALE_S} s were routed by weights that had been replaced {GRACE_S} s before"
        )
        return [Divergence(kind="stale", words=words)]

    def _drifting(self, second: int) -> list[Divergence]:
        sums = self._drift.over(second)
        requests, expected = sums[: len(self._names)], sums[len(self._names) :]
        n = sum(requests)
        if n < DRIFT_N:
            return []
        beyond: list[tuple[float, float, str]] = []
        for name, had, due in zip(self._names, requests, expected, strict=True):
            seen, said = had / n, due / n / BASIS_POINTS
            excess = abs(seen - said) - DRIFT_POINTS - DRIFT_SIGMAS * sqrt(said * (1.0 - said) / n)
            if excess > 0.0:
                words = f"{name} got {seen:.1%} of {n} requests in {DRIFT_S} s, its weights say {said:.1%}"
                beyond.append((round(excess, 9), -said, words))  # of two that mirror each other, the smaller one
        return [Divergence(kind="drift", words=max(beyond)[-1])] if beyond else []

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        return {"stale": self._stale.snapshot(), "drift": self._drift.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of the same variants; from nothing where there is none."""
        self._known = (-1, [])
        self._stale.restore(snapshot.get("stale", []))
        self._drift.restore(snapshot.get("drift", []))
