"""What is kept of the requests of one release, where something asks for it: cohorts, sample ratios, and the weights.

Contents of panes are added to it and taken out of it as everywhere in evidence (`evidence.py`), so that it is the same
whatever came in which order.
"""

import msgspec

from trimtab.engine.cohort_book import CohortBook, CohortSnapshot, CohortSpec, cohort_spec
from trimtab.engine.contribution import PaneContent
from trimtab.engine.propensity import InForce, InForceSnapshot
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


def request_keep(spec: Spec) -> RequestKeep | None:
    """Gives what a release needs of its requests; None where that is nothing."""
    attribution, objective = spec.objective.attribution, spec.objective
    has_ratio = any(isinstance(one, SampleRatioGuardrail) and one.severity != "muted" for one in spec.guardrails)
    if attribution is None and not has_ratio:
        return None
    cohorts = None
    if attribution is not None:
        cohorts = cohort_spec(objective.metric, attribution.window, attribution.default, attribution.repeated)
    return RequestKeep(tuple(variant.name for variant in spec.variants), cohorts, has_ratio)


class RequestSnapshot(msgspec.Struct, array_like=True):
    """`RequestBook` as plain data."""

    in_force: InForceSnapshot
    cohorts: CohortSnapshot | None = None
    routed: RoutedSnapshot | None = None


class RequestBook:
    """What is kept of requests."""

    __slots__ = ("_arms", "_keep", "cohorts", "in_force", "routed")

    def __init__(self, keep: RequestKeep, since_s: int = 0) -> None:
        """`since_s`: requests of before do not belong."""
        self._keep = keep
        self._arms = {name: arm for arm, name in enumerate(keep.variants)}
        arms = len(self._arms)
        self.in_force = InForce()
        self.cohorts = CohortBook(keep.cohorts, arms=arms, since_s=since_s) if keep.cohorts else None
        self.routed = RoutedSeconds(arms=arms, since_s=since_s) if keep.has_ratio else None

    def arm(self, variant: str) -> int:
        """Gives the position of a variant."""
        return self._arms[variant]

    def restarted(self, keep: RequestKeep, since_s: int) -> "RequestBook":
        """Gives an empty one for what comes from `since_s` on, which knows the weights of before."""
        anew = RequestBook(keep, since_s)
        anew.in_force = self.in_force.arranged(self._keep.variants, keep.variants)
        return anew

    def replace(self, variant: str, second: int, old: PaneContent, new: PaneContent) -> None:
        """Replaces the content of a pane."""
        arm = self._arms.get(variant)
        if arm is not None:
            self._add(arm, second, -1, old)
            self._add(arm, second, +1, new)

    def _add(self, arm: int, second: int, sign: int, content: PaneContent) -> None:
        if self.routed is not None:
            self.routed.add(arm, second, sign, content)
        if self.cohorts is not None:
            self.cohorts.add(arm, second, sign, content)
            self._expect(self.cohorts, second, sign, content)

    def _expect(self, cohorts: CohortBook, second: int, sign: int, content: PaneContent) -> None:
        unknown = content.requests
        for era, revision, requests in content.routed:
            weights = self.in_force.of((era, revision))
            if weights is not None:
                cohorts.expect(second, sign * requests, weights)
                unknown -= requests
        if unknown:
            cohorts.expect(second, sign * unknown, self.in_force.at(second))

    def advance(self, now_s: int) -> None:
        """Moves time on."""
        if self.cohorts is not None:
            self.cohorts.advance(now_s)

    def decide(self, time_ms: int, revision: Revision, weights: list[int]) -> None:
        """Takes the weights of the next decision."""
        self.in_force.decide(time_ms, revision, weights)

    @property
    def evidence_count(self) -> int:
        """Gives what rises whenever something matures."""
        return self.cohorts.evidence_count if self.cohorts is not None else 0

    def snapshot(self) -> RequestSnapshot:
        """Gives it as plain data."""
        return RequestSnapshot(
            self.in_force.snapshot(),
            self.cohorts.snapshot() if self.cohorts is not None else None,
            self.routed.snapshot() if self.routed is not None else None,
        )

    @classmethod
    def restore(cls, keep: RequestKeep, snapshot: RequestSnapshot) -> "RequestBook":
        """Gives that of which `snapshot` was taken."""
        book = cls(keep)
        book.in_force = InForce.restore(snapshot.in_force)
        if keep.cohorts is not None and snapshot.cohorts is not None:
            book.cohorts = CohortBook.restore(keep.cohorts, snapshot.cohorts)
        if snapshot.routed is not None:
            book.routed = RoutedSeconds.restore(snapshot.routed, arms=len(keep.variants))
        return book
