"""One bound on one variant: what is measured, which test judges it, and the verdict with its numbers.

* A latency quantile q above a limit is a share of slower responses above 1 - q.
* Absolute bounds on shares are judged response by response. Bounds relative to the baseline, and bounds on means, are
  judged when a second is over: what is in an open second may depend on what came of it.
* The limit of a relative latency bound is the baseline's own quantile, frozen before the looks that it is used in, and
  frozen anew as the baseline's latency drifts (sequential/latency.py has why that is allowed).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from trimtab.engine.sequential.budget import BudgetTest, most_per_breach
from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.conclusion import Conclusion, Estimate, Rule, conclude
from trimtab.engine.sequential.latency import REFREEZE_LOOKS, WARM_UP_COUNT
from trimtab.engine.sequential.look import Share, SharePair, Sums, SumsPair
from trimtab.engine.sequential.mean import DifferenceTest, Harm, MeanTest
from trimtab.engine.sketch import Sketch
from trimtab.engine.window import ArmWindow
from trimtab.schemas.evidence import VALUE_SCALE
from trimtab.schemas.guardrail import (
    ErrorRateGuardrail,
    Guardrail,
    LatencyGuardrail,
    OutcomeGuardrail,
    ValueRail,
)

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""


@dataclass(frozen=True, slots=True)
class Pair:
    """What a variant did in a stretch of time, and the baseline beside it."""

    variant: ArmWindow
    baseline: ArmWindow
    in_flight: int | None = None
    """requests of the variant that have not ended, as of when this is looked at; None where nobody asks"""
    baseline_in_flight: int | None = None


Look = TypeVar("Look")
Look_contra = TypeVar("Look_contra", contravariant=True)
BuiltInRail = ErrorRateGuardrail | LatencyGuardrail | OutcomeGuardrail
"""What is bounded without a metric of the release file; for those see `metric_rail.py`."""
Breaches = Callable[[ArmWindow], int]
"""Gives how many responses of a window breach"""


class Test(Protocol[Look_contra]):
    """What judges a bound: any test of `trimtab.engine.sequential`."""

    def update(self, look: Look_contra) -> None:
        """Takes a look that is over."""

    def evidence(self, peek: Look_contra | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""

    def estimate(self, peek: Look_contra | None = None) -> Estimate:
        """Gives what was seen, `peek` included."""

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a test with the same settings."""


class Rail(Protocol):
    """What every bound does."""

    def update(self, look: Any) -> None:
        """Takes a look: a `Share` where the bound is a `ShareRail`, else the `Pair` of a second that is over."""

    def conclude(self, rule: Rule, peek: Share | None = None) -> Conclusion:
        """Gives the verdict; `peek` is what is no look yet, and only for a `ShareRail`."""

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a bound with the same settings."""


class ShareRail:
    """An absolute bound on a share of responses."""

    __slots__ = ("gain", "test")

    def __init__(self, allowed: float) -> None:
        self.test = BudgetTest(allowed)
        self.gain = most_per_breach(allowed)
        """what one breach adds to ln E at most"""

    def update(self, look: Share) -> None:
        """Takes a look."""
        self.test.update(look)

    def conclude(self, rule: Rule, peek: Share | None = None) -> Conclusion:
        """Gives the verdict, with what is no look yet."""
        return conclude(self.test, rule, peek=peek)

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        return self.test.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a bound with the same settings."""
        self.test.restore(snapshot)


class PairRail(Generic[Look]):
    """A bound that is judged by seconds that are over, by the same measure throughout."""

    __slots__ = ("_look", "_test")

    def __init__(self, test: Test[Look], look: Callable[[Pair], Look]) -> None:
        """`look` is the measure."""
        self._test = test
        self._look = look

    def update(self, pair: Pair) -> None:
        """Takes a second that is over."""
        self._test.update(self._look(pair))

    def conclude(self, rule: Rule, peek: Share | None = None) -> Conclusion:  # noqa: ARG002 - as every bound does
        """Gives the verdict on seconds that are over."""
        return conclude(self._test, rule)

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        return self._test.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a bound with the same settings."""
        self._test.restore(snapshot)


class LatencyRatioRail:
    """A bound on a latency quantile, against that of the baseline.

    Null: the variant is slower than `max_ratio` times the baseline's frozen quantile no more often than the baseline
    is slower than that quantile itself.

    The quantile is frozen anew after every `REFREEZE_LOOKS` looks at least, with `WARM_UP_COUNT` responses at least: of
    what the baseline did since it was frozen before. So each look is judged by a limit that nothing in it could move.
    """

    __slots__ = ("_frozen_ms", "_gathered", "_looks", "_max_ratio", "_quantile", "_test")

    def __init__(self, max_ratio: float, quantile: float) -> None:
        self._max_ratio, self._quantile = max_ratio, quantile
        self._test = ComparisonTest()
        self._gathered = Sketch()
        """what the baseline has done since its quantile was frozen"""
        self._looks = 0
        """since then"""
        self._frozen_ms = 0.0
        """0 until the baseline has had enough responses"""

    def update(self, pair: Pair) -> None:
        """Takes a second that is over."""
        ours, theirs = pair.variant, pair.baseline
        if self._frozen_ms:
            slower = ours.latency.count_above(self._frozen_ms * self._max_ratio)
            self._test.update(
                SharePair(ours.responses, slower, theirs.responses, theirs.latency.count_above(self._frozen_ms))
            )
        self._gathered.merge(theirs.latency)
        self._looks += 1
        if self._gathered.count >= WARM_UP_COUNT and (not self._frozen_ms or self._looks >= REFREEZE_LOOKS):
            self._frozen_ms = self._gathered.quantile_ms(self._quantile) or 0.0
            self._gathered, self._looks = Sketch(), 0

    def conclude(self, rule: Rule, peek: Share | None = None) -> Conclusion:  # noqa: ARG002 - as every bound does
        """Gives the verdict on seconds that are over."""
        return conclude(self._test, rule)

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        return {
            "test": self._test.snapshot(), "frozen_ms": self._frozen_ms,
            "warm_up": self._gathered.snapshot(), "looks": self._looks,
        }  # fmt: skip

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a bound with the same settings."""
        self._test.restore(snapshot["test"])
        first, dtype, counts = snapshot["warm_up"]
        self._gathered = Sketch.restore((first, dtype, counts))
        self._frozen_ms, self._looks = snapshot["frozen_ms"], snapshot.get("looks", 0)


def sums_of(window: ArmWindow, metric: str) -> Sums:
    """Gives count, sum and sum of squares of an outcome's values."""
    count, total, squares = window.values.get(metric, (0, 0, 0))
    return Sums(count, total / VALUE_SCALE, squares / VALUE_SCALE)


def allowed_of(guardrail: Guardrail) -> float | None:
    """Gives the share of breaches that an absolute bound allows; None where it bounds no share."""
    if guardrail.max is None or isinstance(guardrail, ValueRail):
        return None
    return guardrail.max if isinstance(guardrail, ErrorRateGuardrail) else round(1.0 - guardrail.quantile, 6)


def breaches_of(guardrail: ErrorRateGuardrail | LatencyGuardrail) -> Breaches:
    """Gives what counts the breaches of a guardrail on a share."""
    if isinstance(guardrail, LatencyGuardrail):
        limit_ms = guardrail.max or 0.0
        return lambda window: window.count_above(limit_ms)
    if guardrail.metric == "error_rate":
        return lambda window: window.errors
    return lambda window: window.client_errors


def rails_of(guardrail: BuiltInRail) -> dict[str, Rail]:
    """Gives the bounds of a guardrail by the name of their field; none where it is muted."""
    if guardrail.severity == "muted":
        return {}
    return _of_outcome(guardrail) if isinstance(guardrail, OutcomeGuardrail) else _of_share(guardrail)


def _of_share(guardrail: ErrorRateGuardrail | LatencyGuardrail) -> dict[str, Rail]:
    breaches, rails = breaches_of(guardrail), dict[str, Rail]()

    def shares(pair: Pair) -> SharePair:
        ours, theirs = pair.variant, pair.baseline
        return SharePair(ours.responses, breaches(ours), theirs.responses, breaches(theirs))

    if (allowed := allowed_of(guardrail)) is not None:
        rails["max"] = ShareRail(allowed)
    if guardrail.max_ratio is not None and isinstance(guardrail, LatencyGuardrail):
        rails["maxRatio"] = LatencyRatioRail(guardrail.max_ratio, guardrail.quantile)
    elif guardrail.max_ratio is not None:
        rails["maxRatio"] = PairRail(ComparisonTest(guardrail.max_ratio), shares)
    return rails


def _of_outcome(guardrail: OutcomeGuardrail) -> dict[str, Rail]:
    rails = dict[str, Rail]()

    def sums(pair: Pair) -> Sums:
        return sums_of(pair.variant, guardrail.name)

    def both(pair: Pair) -> SumsPair:
        return SumsPair(sums(pair), sums_of(pair.baseline, guardrail.name))

    sides = (("max", guardrail.max, guardrail.max_ratio), ("min", guardrail.min, guardrail.min_ratio))
    for field, limit, ratio in sides:
        harm = Harm.ABOVE if field == "max" else Harm.BELOW
        if limit is not None:
            rails[field] = PairRail(MeanTest(limit, harm=harm), sums)
        if ratio is not None:
            rails[f"{field}Ratio"] = PairRail(DifferenceTest(harm=harm, ratio=ratio), both)
    return rails
