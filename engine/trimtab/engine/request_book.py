"""What is kept of the requests of one release: who routed them by which weights, and cohorts where something asks.

Contents of panes are added to it and taken out of it as everywhere in evidence (`evidence.py`), so that it is the same
whatever came in which order.
"""

from collections.abc import Mapping, Sequence

import msgspec

from trimtab.engine.cohort_book import CohortBook, CohortSnapshot, CohortSpec, cohort_spec
from trimtab.engine.contribution import PaneContent
from trimtab.engine.errors import EngineError
from trimtab.engine.propensity import FEW_CHANGES, MOST_CHANGES, InForce, InForceSnapshot
from trimtab.engine.routed import RoutedSeconds, RoutedSnapshot
from trimtab.schemas.guardrail import SampleRatioGuardrail
from trimtab.schemas.ids import Revision
from trimtab.schemas.release import Spec


class RequestKeep(msgspec.Struct, frozen=True, array_like=True):
    """What is to be kept of requests."""

    variants: tuple[str, ...]
    """in the order of the release file"""
    cohorts: CohortSpec | None = None
    has_ratio: bool = False
    """whether somebody asks for a sample ratio"""
    segments: tuple[str, ...] = ()
    """whose cohorts are kept apart besides"""


def request_keep(spec: Spec) -> RequestKeep:
    """Gives what a release needs of its requests."""
    attribution, objective = spec.objective.attribution, spec.objective
    has_ratio = any(isinstance(one, SampleRatioGuardrail) and one.severity != "muted" for one in spec.guardrails)
    cohorts, segments = None, tuple[str, ...]()
    if attribution is not None:
        segments = tuple(segment.name for segment in spec.segments)
        cohorts = cohort_spec(objective.metric, attribution.window, attribution.default, attribution.repeated)
    return RequestKeep(tuple(variant.name for variant in spec.variants), cohorts, has_ratio, segments)


class RequestSnapshot(msgspec.Struct, array_like=True):
    """`RequestBook` as plain data."""

    in_force: InForceSnapshot
    cohorts: CohortSnapshot | None = None
    routed: RoutedSnapshot | None = None
    segments: dict[str, CohortSnapshot] = {}


class RequestBook:
    """What is kept of requests."""

    __slots__ = ("_arms", "_keep", "_segments", "cohorts", "in_force", "routed")

    def __init__(self, keep: RequestKeep, since_s: int = 0) -> None:
        """`since_s`: requests of before do not belong."""
        self._keep = keep
        self._arms = {name: arm for arm, name in enumerate(keep.variants)}
        arms = len(self._arms)
        self.in_force = InForce(self._changes)
        self.cohorts = CohortBook(keep.cohorts, arms=arms, since_s=since_s) if keep.cohorts else None
        self._segments: dict[str, CohortBook] = {}
        if keep.cohorts is not None:
            self._segments = {name: CohortBook(keep.cohorts, arms=arms, since_s=since_s) for name in keep.segments}
        self.routed = RoutedSeconds(arms=arms, since_s=since_s)

    @property
    def _changes(self) -> int:
        """How many changes of weights are remembered."""
        return MOST_CHANGES if self._keep.has_ratio or self._keep.cohorts else FEW_CHANGES

    def arm(self, variant: str) -> int:
        """Gives the position of a variant."""
        return self._arms[variant]

    def restarted(self, keep: RequestKeep, since_s: int) -> "RequestBook":
        """Gives an empty one for what comes from `since_s` on, which knows the weights of before."""
        anew = RequestBook(keep, since_s)
        anew.in_force = self.in_force.arranged(self._keep.variants, keep.variants, anew._changes)
        return anew

    def cohorts_in(self, segment: str) -> CohortBook:
        """Gives the cohorts of a segment that is kept apart, or the mature ones of none of those ("").

        Raises `EngineError` where none are kept.
        """
        if segment:
            return self._segments[segment]
        if self.cohorts is None:
            raise EngineError("cohorts are not kept")
        return self.cohorts.without(list(self._segments.values()))

    def maturing_in(self, segment: str) -> int:
        """Gives the requests of all variants whose cohort is not mature, in a segment that is kept apart or in none."""
        if segment:
            return self._segments[segment].all_maturing
        whole = self.cohorts.all_maturing if self.cohorts is not None else 0
        return max(0, whole - sum(apart.all_maturing for apart in self._segments.values()))

    def replace(self, variant: str, place: tuple[int, str], old: PaneContent, new: PaneContent) -> None:
        """Replaces the content of a pane, that of a second and a segment."""
        arm = self._arms.get(variant)
        if arm is not None and (self.cohorts is not None or old.routed or new.routed):
            self._add(arm, place, -1, old)
            self._add(arm, place, +1, new)

    def _add(self, arm: int, place: tuple[int, str], sign: int, content: PaneContent) -> None:
        second, segment = place
        self.routed.add(arm, place, sign, content)
        apart = self._segments.get(segment)
        for cohorts in (self.cohorts, apart):
            if cohorts is not None:
                cohorts.add(arm, second, sign, content)
                self._expect(cohorts, place, sign, content)

    def _expect(self, cohorts: CohortBook, place: tuple[int, str], sign: int, content: PaneContent) -> None:
        unknown = content.requests
        second, segment = place
        for era, revision, requests in content.routed:
            weights = self.in_force.of((era, revision), segment)
            if weights is not None:
                cohorts.expect(second, sign * requests, weights)
                unknown -= requests
        if unknown:
            cohorts.expect(second, sign * unknown, self.in_force.at(second, segment))

    def advance(self, now_s: int) -> None:
        """Moves time on."""
        for cohorts in (self.cohorts, *self._segments.values()):
            if cohorts is not None:
                cohorts.advance(now_s)

    def decide(
        self, time_ms: int, revision: Revision, weights: Sequence[int], segments: Mapping[str, Sequence[int]]
    ) -> None:
        """Takes the weights of the next decision, and those of segments that have some of their own."""
        self.in_force.decide(time_ms, revision, weights, segments)

    @property
    def evidence_count(self) -> int:
        """Gives what rises whenever something matures."""
        return self.cohorts.evidence_count if self.cohorts is not None else 0

    def snapshot(self) -> RequestSnapshot:
        """Gives it as plain data."""
        return RequestSnapshot(
            self.in_force.snapshot(),
            self.cohorts.snapshot() if self.cohorts is not None else None,
            self.routed.snapshot(),
            {name: cohorts.snapshot() for name, cohorts in self._segments.items()},
        )

    @classmethod
    def restore(cls, keep: RequestKeep, snapshot: RequestSnapshot) -> "RequestBook":
        """Gives that of which `snapshot` was taken."""
        book = cls(keep)
        book.in_force = InForce.restore(snapshot.in_force, book._changes)
        if keep.cohorts is not None and snapshot.cohorts is not None:
            book.cohorts = CohortBook.restore(keep.cohorts, snapshot.cohorts)
            for name, segment in snapshot.segments.items():
                book._segments[name] = CohortBook.restore(keep.cohorts, segment)
        if snapshot.routed is not None:
            book.routed = RoutedSeconds.restore(snapshot.routed, arms=len(keep.variants))
        return book
