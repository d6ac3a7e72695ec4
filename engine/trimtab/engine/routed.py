"""Requests by second and by the revision that routed them, until their second is over.

Requests are counted against the weights of their own revision, and once. Those of a revision that is not known, and
those that come after their second was closed, are left out and counted as `missed`.
"""

from collections.abc import Iterator

import msgspec

from trimtab.engine.contribution import PaneContent
from trimtab.engine.propensity import InForce, Weights
from trimtab.engine.sequential.look import Routed
from trimtab.schemas.divergence import GRACE_S
from trimtab.schemas.ids import Revision


class RoutedSnapshot(msgspec.Struct, array_like=True):
    """`RoutedSeconds` as plain data."""

    closed_s: int
    missed: int
    seconds: list[tuple[int, Revision, str, list[int]]]


class RoutedSeconds:
    """The seconds of one release that are not closed yet.

    >>> from trimtab.engine.contribution import PaneContent
    >>> seconds, in_force = RoutedSeconds(arms=2, since_s=0), InForce()
    >>> in_force.decide(0, (5, 1), (9_000, 1_000))
    >>> seconds.add(1, (100, ""), +1, PaneContent(bytes(64), b"", b"", {}, routed=((5, 1, 3), (5, 2, 1))))
    >>> list(seconds.close(101, in_force)), seconds.missed
    ([Routed(weights=(9000, 1000), requests=[0, 3], second=100, is_stale=False)], 1)
    """

    __slots__ = ("_arms", "_closed_s", "_seconds", "missed")

    def __init__(self, *, arms: int, since_s: int) -> None:
        """`since_s`: requests of before do not belong."""
        self._arms, self._closed_s = arms, since_s
        self._seconds: dict[int, dict[tuple[Revision, str], list[int]]] = {}
        """second -> (revision, segment) -> requests by arm"""
        self.missed = 0

    def add(self, arm: int, place: tuple[int, str], sign: int, content: PaneContent) -> None:
        """Adds the content of a pane, that of a second and a segment, or takes it out."""
        second, segment = place
        for era, revision, requests in content.routed:
            if second < self._closed_s:
                self.missed += sign * requests
            else:
                of_second = self._seconds.setdefault(second, {})
                of_second.setdefault(((era, revision), segment), [0] * self._arms)[arm] += sign * requests

    def close(self, up_to_s: int, in_force: InForce) -> Iterator[Routed]:
        """Gives the requests of each second below `up_to_s` that was not closed before, by weights, in order.

        Those of a revision that is not known are given without weights where it is too old, and else left out.
        """
        self._closed_s = max(self._closed_s, up_to_s)
        for second in sorted(second for second in self._seconds if second < self._closed_s):
            replaced_ms = (second - GRACE_S) * 1000
            alike: dict[tuple[Weights, bool], list[int]] = {}
            for (revision, segment), requests in sorted(self._seconds.pop(second).items()):
                weights = in_force.of(revision, segment)
                is_stale = in_force.is_replaced(revision, segment, replaced_ms)
                if weights is None:
                    self.missed += sum(requests)
                    if not is_stale:
                        continue
                known = alike.setdefault((weights or (), is_stale), [0] * self._arms)
                known[:] = [one + other for one, other in zip(known, requests, strict=True)]
            for (weights, is_stale), requests in alike.items():
                if any(requests):
                    yield Routed(weights, requests, second, is_stale)

    @property
    def is_empty(self) -> bool:
        """Whether no second waits to be closed."""
        return not self._seconds

    def snapshot(self) -> RoutedSnapshot:
        """Gives it as plain data."""
        return RoutedSnapshot(
            self._closed_s, self.missed,
            [
                (second, revision, segment, list(requests))
                for second, of_second in sorted(self._seconds.items())
                for (revision, segment), requests in sorted(of_second.items())
                if any(requests)
            ],
        )  # fmt: skip

    @classmethod
    def restore(cls, snapshot: RoutedSnapshot, *, arms: int) -> "RoutedSeconds":
        """Gives that of which `snapshot` was taken."""
        seconds = cls(arms=arms, since_s=snapshot.closed_s)
        seconds.missed = snapshot.missed
        for second, revision, segment, requests in snapshot.seconds:
            seconds._seconds.setdefault(second, {})[revision, segment] = list(requests)
        return seconds
