"""What the variants of a release have shown of its objective: trials, the sum of their rewards and of the squares.

A trial is a response where the objective is `success`, an outcome where it is one, and, where it is a metric of the
release file, a second in which the metric has a value. Seconds are given once, when they are over (`guard.py`). Where
the objective has an attribution a trial is a request whose cohort is mature (`cohort_book.py`), since the present spec
began.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from trimtab.engine.cohort_book import CohortBook
from trimtab.engine.evidence import Evidence
from trimtab.engine.metric import Missing, value_of
from trimtab.engine.seconds import ClosedSecond
from trimtab.engine.totals import ArmTotals
from trimtab.schemas.evidence import COUNTS, VALUE_SCALE
from trimtab.schemas.reading import SUCCESS
from trimtab.schemas.release import Spec

Sums = tuple[int, int, int]
"""trials, sum of rewards and of their squares, the sums in 1/VALUE_SCALE"""
Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""

NO_SUMS: Final[Sums] = (0, 0, 0)
_RESPONSES, _ERRORS = COUNTS.index("responses"), COUNTS.index("errors")


class Objective:
    """The objective of one release under one spec."""

    __slots__ = ("_all_sums", "_edition", "_evidence", "_metric", "_name", "_observed", "_variants", "waits")

    def __init__(self, spec: Spec, evidence: Evidence) -> None:
        self._evidence = evidence
        self._name = spec.objective.metric
        self._metric = spec.objective_metric
        self._variants = [variant.name for variant in spec.variants]
        self.waits = spec.objective.attribution is not None
        """whether rewards are those of mature cohorts, which began with the present spec"""
        self._observed: dict[str, Sums] = {}
        """variant -> of the seconds in which the metric had a value"""
        self._edition, self._all_sums = -1, list[Sums]()
        """of the evidence when somebody last asked for all sums, and those"""

    @property
    def in_flight(self) -> int:
        """Trials that are under way, of all variants together; a second is not known to be."""
        if self._metric is not None:
            return 0
        if (cohorts := self._cohorts) is not None:
            return cohorts.all_maturing
        totals = self._evidence.totals
        return sum([totals[variant].in_flight for variant in self._variants])

    def in_flight_in(self, segment: str) -> int:
        """Gives the same of a segment that is kept apart, or of none (""); not of a metric, whose seconds are not."""
        book = self._evidence.requests
        if self.waits and book is not None:
            return book.maturing_in(segment)
        return sum(self._evidence.segment_totals(variant, segment).in_flight for variant in self._variants)

    @property
    def _cohorts(self) -> CohortBook | None:
        book = self._evidence.requests
        return book.cohorts if self.waits and book is not None else None

    @property
    def expected(self) -> list[int]:
        """How many of the trials weights let expect of each variant, in 1/BASIS_POINTS; nothing where none waits."""
        return cohorts.expected() if (cohorts := self._cohorts) is not None else []

    def expected_in(self, segment: str) -> list[int]:
        """Gives the same of the trials in a segment that is kept apart, or in none ("")."""
        book = self._evidence.requests
        return book.cohorts_in(segment).expected() if self.waits and book is not None else []

    def take(self, seconds: Iterable[ClosedSecond]) -> None:
        """Takes seconds that are over."""
        if self._metric is None:
            return
        for closed in seconds:
            for variant, window in closed.arms.items():
                value = value_of(self._metric, window, self._evidence.totals[variant].in_flight)
                if not isinstance(value, Missing):
                    trials, total, squares = self._observed.get(variant, NO_SUMS)
                    more, squared = round(value * VALUE_SCALE), round(value * value * VALUE_SCALE)
                    self._observed[variant] = (trials + 1, total + more, squares + squared)

    def all_sums(self) -> list[Sums]:
        """Gives what every variant has shown, in the order of the release file; as `sums`, and not to be changed."""
        if self._metric is not None or self.waits:
            return [self.sums(variant) for variant in self._variants]
        evidence = self._evidence
        if evidence.edition != self._edition:  # a decision asks several times
            self._edition = evidence.edition
            self._all_sums = [self._in(evidence.totals[variant]) for variant in self._variants]
        return self._all_sums

    def sums(self, variant: str) -> Sums:
        """Gives what a variant has shown; of a metric, since the present spec began."""
        if self._metric is not None:
            return self._observed.get(variant, NO_SUMS)
        if (cohorts := self._cohorts) is not None:
            return cohorts.earned(self._variants.index(variant))
        return self._in(self._evidence.totals[variant])

    def sums_in(self, variant: str, segment: str) -> Sums:
        """Gives the same of a segment that is kept apart, or of none (""); nothing where a trial is a second."""
        if self._metric is not None:
            return NO_SUMS
        book = self._evidence.requests
        if self.waits and book is not None:
            return book.cohorts_in(segment).earned(self._variants.index(variant))
        return self._in(self._evidence.segment_totals(variant, segment))

    def _in(self, totals: ArmTotals) -> Sums:
        if self._name == SUCCESS:
            responses = totals.counts[_RESPONSES]  # by place, for a decision asks it of every variant
            rewards = (responses - totals.counts[_ERRORS]) * VALUE_SCALE
            return responses, rewards, rewards
        trials, total, squares = totals.values.get(self._name, NO_SUMS)
        return trials, total, squares

    def snapshot(self) -> Snapshot:
        """Gives what was observed, as decimal texts: sums may be longer than any integer of MessagePack."""
        return {variant: list(map(str, sums)) for variant, sums in self._observed.items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of an objective under the same spec."""
        self._observed = {variant: _sums(texts) for variant, texts in snapshot.items()}


def within(sums: Sums, *, is_share: bool) -> Sums:
    """Gives sums of shares as they can be of so many trials; those of real values as they are.

    >>> within((2, 5 * VALUE_SCALE, 5 * VALUE_SCALE), is_share=True) == (2, 2 * VALUE_SCALE, 2 * VALUE_SCALE)
    True
    """
    if not is_share:
        return sums
    trials, rewards, squares = sums
    rewards = max(0, min(trials * VALUE_SCALE, rewards))
    return trials, rewards, max(0, min(rewards, squares))


def _sums(texts: Sequence[str]) -> Sums:
    trials, total, squares = map(int, texts)
    return trials, total, squares
