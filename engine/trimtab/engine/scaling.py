"""Scaling advice: more when responses take too long, less when they need not be so fast, a roll-back where that helps.

* Too few responses in the window: INCONCLUSIVE. Missing is not zero, and no traffic is no reason to scale down.
* Above the upper bound, with a baseline to compare with: the cause decides (`slowness.cause_of`): more for LOAD, a
  roll-back for VERSION, both for BOTH, nothing for UNKNOWN. Without one, it is taken for load.
* Below the lower bound: less; but CANNOT_TELL while many responses are errors, which are often fast.
* After an advice nothing is said for the cooldown, so that its effect can show.
* Advice is for whoever runs the instances. Here it is taken as followed, until `tell` says what there really is.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypedDict

from trimtab.engine.escalation import Amounts, Change, Direction, changed, escalate, least
from trimtab.engine.slowness import Cause, Finding, Load, cause_of, response_time_ms
from trimtab.engine.window import ArmWindow
from trimtab.schemas.part import duration_text
from trimtab.schemas.scaling import Scaling

_INSTANCES: Final = ("", "instances")
_END: Final = {Direction.UP: "max", Direction.DOWN: "min"}


class Action(StrEnum):
    """What is advised."""

    ESCALATE = "escalate"
    DE_ESCALATE = "de_escalate"
    ROLL_BACK = "roll_back"
    ROLL_BACK_AND_ESCALATE = "roll_back_and_escalate"
    HOLD = "hold"
    """response times are within their bounds"""
    AT_LIMIT = "at_limit"
    """there should be more, or less, but every step is at its end"""
    CANNOT_TELL = "cannot_tell"
    """a bound is crossed, but not whose fault it is"""
    COOLDOWN = "cooldown"
    INCONCLUSIVE = "inconclusive"
    """not enough responses"""


_ADVICE: Final = (Action.ESCALATE, Action.DE_ESCALATE, Action.ROLL_BACK, Action.ROLL_BACK_AND_ESCALATE)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and why."""

    action: Action
    changes: tuple[Change, ...]
    reason: str
    value_ms: float | None
    """response time in the window; None without responses"""
    n: int
    """responses that it rests on"""
    baseline_ms: float | None
    """None without a baseline or its responses"""
    baseline_n: int
    quiet_until_ms: int
    """until when nothing more is advised; 0 where there was no advice yet"""

    @property
    def is_advice(self) -> bool:
        """Whether there is something to do."""
        return self.action in _ADVICE


class ScalerSnapshot(TypedDict):
    """A scaler as plain data."""

    quiet_until_ms: int
    amounts: list[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class _Ruling:
    action: Action
    reason: str
    changes: tuple[Change, ...] = ()


class Scaler:
    """The scaling of one variant.

    >>> scaler = Scaler(Scaling.model_validate({"type": "responseTimeSlidingWindow", "upper": 300, "lower": 100,
    ...     "escalation": {"type": "scaleInstances", "min": 1, "max": 4}}))
    >>> scaler.assess(ArmWindow(), now_ms=0).reason
    '0 responses in 10m, expected 100'
    """

    __slots__ = ("_amounts", "_quiet_until_ms", "_spec")

    def __init__(self, spec: Scaling) -> None:
        self._spec = spec
        self._amounts: Amounts = {_INSTANCES: 1, **least(spec.escalation)}
        self._quiet_until_ms = 0

    def tell(self, resource: str, amount: int, target: str = "") -> None:
        """Takes how much of a resource there is: instances, thousandths of a core, or MiB.

        What was never told is taken to be at its step's `min`, instances without a step to be one. Raises `ValueError`
        for less than 1.
        """
        if amount < 1:
            raise ValueError(f"{resource}: expected at least 1, got {amount}")
        self._amounts = {**self._amounts, (target, resource): amount}

    def assess(
        self, window: ArmWindow, now_ms: int, baseline_window: ArmWindow | None = None, *, baseline_instances: int = 1
    ) -> Advice:
        """Gives the advice for what the variant, and the baseline beside it, did in the last `window` of the spec.

        Without `baseline_window` (the variant *is* the baseline, or is alone) slowness is taken for load.
        """
        baseline = None if baseline_window is None else Load(baseline_window, baseline_instances)
        ruling = self._ruling(window, now_ms, baseline)
        self._amounts = changed(self._amounts, ruling.changes)
        if ruling.action in _ADVICE:
            self._quiet_until_ms = now_ms + self._spec.cooldown
        return Advice(
            action=ruling.action,
            changes=ruling.changes,
            reason=ruling.reason,
            value_ms=response_time_ms(self._spec, window),
            n=window.responses,
            baseline_ms=None if baseline_window is None else response_time_ms(self._spec, baseline_window),
            baseline_n=0 if baseline_window is None else baseline_window.responses,
            quiet_until_ms=self._quiet_until_ms,
        )

    @property
    def instances(self) -> int:
        """How many instances there are."""
        return self._amounts[_INSTANCES]

    def escalate(self, seen: Advice, now_ms: int) -> Advice:
        """Gives an advice for more in place of `seen`, by which it could not be told whose fault it is."""
        ruling = self._scaled(Direction.UP, seen.reason)
        self._amounts = changed(self._amounts, ruling.changes)
        if ruling.action in _ADVICE:
            self._quiet_until_ms = now_ms + self._spec.cooldown
        return replace(
            seen,
            action=ruling.action,
            changes=ruling.changes,
            reason=ruling.reason,
            quiet_until_ms=self._quiet_until_ms,
        )

    def snapshot(self) -> ScalerSnapshot:
        """Gives the scaler as plain data."""
        amounts = [(target, resource, amount) for (target, resource), amount in sorted(self._amounts.items())]
        return {"quiet_until_ms": self._quiet_until_ms, "amounts": amounts}

    def restore(self, snapshot: ScalerSnapshot) -> None:
        """Continues from a snapshot, also of a scaler with other steps: what both have is kept."""
        self._quiet_until_ms = snapshot["quiet_until_ms"]
        kept = {(target, resource): amount for target, resource, amount in snapshot["amounts"]}
        self._amounts = {**self._amounts, **kept}

    def _ruling(self, window: ArmWindow, now_ms: int, baseline: Load | None) -> _Ruling:
        spec, value_ms = self._spec, response_time_ms(self._spec, window)
        if now_ms < self._quiet_until_ms:
            left_s = -(-(self._quiet_until_ms - now_ms) // 1000)
            return _Ruling(Action.COOLDOWN, f"{left_s} s of the cooldown are left")
        if value_ms is None or window.responses < spec.min_samples:
            length = duration_text(spec.window)
            return _Ruling(
                Action.INCONCLUSIVE, f"{window.responses} responses in {length}, expected {spec.min_samples}"
            )
        if value_ms > spec.upper:
            return self._slow(value_ms, window, baseline)
        if value_ms < spec.lower:
            return self._fast(value_ms, window)
        return _Ruling(Action.HOLD, f"{_text(spec, value_ms)} is within {spec.lower:g} and {spec.upper:g} ms")

    def _slow(self, value_ms: float, window: ArmWindow, baseline: Load | None) -> _Ruling:
        over = f"{_text(self._spec, value_ms)} is over {self._spec.upper:g} ms"
        if baseline is None:
            return self._scaled(Direction.UP, over)
        finding = cause_of(self._spec, Load(window, self._amounts[_INSTANCES]), baseline)
        return self._by_cause(finding, f"{over}: {finding.reason}")

    def _by_cause(self, finding: Finding, reason: str) -> _Ruling:
        if finding.cause is Cause.UNKNOWN:
            return _Ruling(Action.CANNOT_TELL, reason)
        if finding.cause is Cause.VERSION:
            return _Ruling(Action.ROLL_BACK, reason)
        more = self._scaled(Direction.UP, reason)
        if finding.cause is Cause.LOAD:
            return more
        is_more = more.action is Action.ESCALATE
        return _Ruling(Action.ROLL_BACK_AND_ESCALATE if is_more else Action.ROLL_BACK, more.reason, more.changes)

    def _fast(self, value_ms: float, window: ArmWindow) -> _Ruling:
        under = f"{_text(self._spec, value_ms)} is under {self._spec.lower:g} ms"
        if window.errors > self._spec.max_error_ratio * window.responses:
            return _Ruling(Action.CANNOT_TELL, f"{under}, but {window.errors} of {window.responses} responses failed")
        return self._scaled(Direction.DOWN, under)

    def _scaled(self, direction: Direction, reason: str) -> _Ruling:
        changes = escalate(self._spec.escalation, direction, self._amounts)
        if not changes:
            return _Ruling(Action.AT_LIMIT, f"{reason}; every step is at its {_END[direction]}")
        action = Action.ESCALATE if direction is Direction.UP else Action.DE_ESCALATE
        return _Ruling(action, f"{reason}; {', '.join(map(str, changes))}", changes)


def _text(spec: Scaling, value_ms: float) -> str:
    return f"{spec.measure} response time {value_ms:.4g} ms over {duration_text(spec.window)}"
