"""The weights that were in force when requests were routed: what a request's own revision says, as far as it is known.

A revision has the weights of the newest decision that is not after it: revisions between two changes are alike. One
that is older than what is remembered, or of no decision at all, is not known; `at` then gives what had been decided on
when its second began.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from trimtab.schemas.ids import Revision

MOST_CHANGES: Final = 256
"""Changes of weights that are remembered: four minutes of a bandit that moves every second."""

FEW_CHANGES: Final = 64
"""Those that are where nobody asks for the propensities of late outcomes."""

Weights = tuple[int, ...]
"""basis points, in the order of the release file"""


NONE: Final[Mapping[str, Sequence[int]]] = {}


class Change(msgspec.Struct, frozen=True, array_like=True):
    """Weights that came into force."""

    since_ms: int
    revision: Revision
    weights: Weights
    segments: dict[str, Weights] = {}
    """of segments that have weights of their own"""

    def of(self, segment: str) -> Weights:
        """Gives the weights of a segment's traffic."""
        return self.segments.get(segment, self.weights)


class InForceSnapshot(msgspec.Struct, array_like=True):
    """`InForce` as plain data."""

    changes: list[Change]
    newest: Revision


class InForce:
    """The weights of one release, change by change.

    >>> in_force = InForce()
    >>> in_force.decide(60_000, (1, 10), (10_000, 0)), in_force.decide(61_000, (1, 20), (9_000, 1_000))
    (None, None)
    >>> in_force.of((1, 19)), in_force.of((1, 20)), in_force.of((1, 21)), in_force.of((1, 9))
    ((10000, 0), (9000, 1000), None, None)
    >>> in_force.at(61)
    (9000, 1000)
    """

    __slots__ = ("_changes", "_most", "_newest")

    def __init__(self, most: int = MOST_CHANGES) -> None:
        """`most`: how many changes are remembered."""
        self._most = most
        self._changes: list[Change] = []
        self._newest: Revision = (0, 0)

    def decide(
        self, time_ms: int, revision: Revision, weights: Sequence[int], segments: Mapping[str, Sequence[int]] = NONE
    ) -> None:
        """Takes the next decision, made at `time_ms` of the log, and the weights of segments that have their own."""
        self._newest = revision
        last = self._changes[-1] if self._changes else None
        own, of_segments = tuple(weights), {name: tuple(of) for name, of in segments.items()} if segments else {}
        if last is None or last.weights != own or last.segments != of_segments:
            self._changes.append(Change(time_ms, revision, own, of_segments))
            if len(self._changes) > self._most:
                del self._changes[: -self._most]

    def of(self, revision: Revision, segment: str = "") -> Weights | None:
        """Gives the weights of a revision for a segment's traffic; None where the revision is not known."""
        at = bisect_right(self._changes, revision, key=lambda change: change.revision)
        return self._changes[at - 1].of(segment) if at and revision <= self._newest else None

    def is_replaced(self, revision: Revision, segment: str, by_ms: int) -> bool:
        """Whether the weights of a revision for a segment's traffic had all been replaced by others by then.

        A revision that is older than all changes that are remembered has been, where the oldest is older than that. Of
        another era nothing is known.
        """
        at = bisect_right(self._changes, revision, key=lambda change: change.revision)
        if not at:
            is_of_era = bool(self._changes) and revision[0] == self._changes[0].revision[0]
            return is_of_era and self._changes[0].since_ms <= by_ms
        since = bisect_right(self._changes, by_ms, key=lambda change: change.since_ms)
        own = self._changes[at - 1].of(segment)
        return all(change.of(segment) != own for change in self._changes[max(0, since - 1) :])

    def at(self, second: int, segment: str = "") -> Weights:
        """Gives the weights that had been decided on when a second began; the oldest known where it is before them."""
        at = bisect_right(self._changes, second * 1000, key=lambda change: change.since_ms)
        return self._changes[max(0, at - 1)].of(segment) if self._changes else ()

    def arranged(self, names: Sequence[str], anew: Sequence[str], most: int = MOST_CHANGES) -> "InForce":
        """Gives the same for other variants, those of `names` that are not in `anew` left out, and `most` changes."""
        arranged = InForce(most)
        arranged._newest = self._newest
        for change in self._changes[-most:]:
            segments = {segment: _arranged(own, names, anew) for segment, own in change.segments.items()}
            weights = _arranged(change.weights, names, anew)
            arranged._changes.append(Change(change.since_ms, change.revision, weights, segments))
        return arranged

    def snapshot(self) -> InForceSnapshot:
        """Gives it as plain data."""
        return InForceSnapshot(list(self._changes), self._newest)

    @classmethod
    def restore(cls, snapshot: InForceSnapshot, most: int = MOST_CHANGES) -> "InForce":
        """Gives that of which `snapshot` was taken."""
        in_force = cls(most)
        in_force._changes, in_force._newest = list(snapshot.changes), snapshot.newest
        return in_force


def _arranged(weights: Weights, names: Sequence[str], anew: Sequence[str]) -> Weights:
    by_name = dict(zip(names, weights, strict=True))
    return tuple(by_name.get(name, 0) for name in anew)
