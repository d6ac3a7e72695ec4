"""Scaling in the life of a release: when it is looked at, what it changes, and how it and the guardrails agree.

* Every variant that may take traffic is looked at once a second, against the baseline in the same window.
* How much there really is of a resource is what services tell: an outcome named as `gauge_of` says. Its mean over the
  last `TOLD_MS`, rounded, counts; where nobody tells, advice is taken as followed.
* A candidate that is slower than the baseline under like load is to be taken out, as a guardrail that aborts would.
* A latency guardrail that fails a candidate waits where more would help: where both are slow, or the candidate alone,
  but with more requests an instance than the baseline. It waits for the cooldown of the advice, in which weights are
  held, and its evidence starts anew when it is granted and when it is over. Where nothing can be added any more, or the
  loads are alike, the guardrail does what it says.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from trimtab.engine.escalation import Amounts, least
from trimtab.engine.evidence import Evidence
from trimtab.engine.scaling import Action, Advice, Scaler
from trimtab.engine.slowness import Load
from trimtab.schemas.decision import Assessment, ScaleChange, ScalingAdvice
from trimtab.schemas.evidence import VALUE_SCALE
from trimtab.schemas.release import Spec
from trimtab.schemas.scaling import Scaling, gauge_of

TOLD_MS: Final = 10_000
_ROLLS_BACK: Final = (Action.ROLL_BACK, Action.ROLL_BACK_AND_ESCALATE)

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""


def gauges_of(scaling: Scaling) -> dict[str, tuple[str, str]]:
    """Gives the outcomes by which services tell what there is: name -> (target, resource)."""
    keys: Amounts = {("", "instances"): 1, **least(scaling.escalation)}
    return {gauge_of(resource, target): (target, resource) for target, resource in sorted(keys)}


@dataclass(slots=True)
class Look:
    """What a look at all variants has brought."""

    advised: list[str] = field(default_factory=list)
    """of each variant that there is something new to do about: what, and why"""
    blamed: dict[str, str] = field(default_factory=dict)
    """candidate -> why it is to be taken out"""
    is_over: bool = False
    """whether a latency guardrail has waited long enough"""


_NOTHING_NEW: Final = Look()


class Sizing:
    """The scaling of all variants of one release; nothing where its file has none."""

    __slots__ = ("_evidence", "_excused", "_gauges", "_looked_s", "_newest", "_scalers", "_scaling", "_spec")

    def __init__(self, spec: Spec, evidence: Evidence, snapshot: Snapshot) -> None:
        """`snapshot`: of `snapshot`, under this spec or another; empty at first."""
        self._spec, self._evidence, self._scaling = spec, evidence, spec.scaling
        names = [variant.name for variant in spec.variants] if spec.scaling else []
        self._scalers = {name: Scaler(spec.scaling) for name in names if spec.scaling}
        self._gauges = gauges_of(spec.scaling) if spec.scaling else {}
        for name in self._scalers:
            if name in snapshot.get("scalers", {}):
                self._scalers[name].restore(snapshot["scalers"][name])
        self._excused: dict[str, int] = {
            name: until_ms for name, until_ms in snapshot.get("excused", {}).items() if name in self._scalers
        }
        self._newest = {
            name: ScalingAdvice(**{**one, "changes": [ScaleChange(**change) for change in one["changes"]]})
            for name, one in snapshot.get("newest", {}).items()
            if name in self._scalers
        }
        self._looked_s: int = snapshot.get("looked_s", 0)

    @property
    def shown(self) -> list[ScalingAdvice]:
        """The newest advice on each variant, in the order of the release file."""
        return [self._newest[name] for name in self._scalers if name in self._newest]

    def look(self, names: Iterable[str], now_ms: int) -> Look:
        """Looks at variants, once a second."""
        scaling = self._scaling
        if scaling is None or now_ms // 1000 <= self._looked_s:
            return _NOTHING_NEW
        look = Look()
        self._looked_s = now_ms // 1000
        for name in names:
            self._tell(name)
        for name in names:
            advice = self._assess(name, scaling.window, now_ms)
            self._note(name, advice)
            if advice.is_advice:
                look.advised.append(f"{name} {advice.action}, {advice.reason}")
            if advice.action is Action.ESCALATE and name != self._spec.baseline:
                self._excused[name] = advice.quiet_until_ms
            if advice.action in _ROLLS_BACK:
                look.blamed[name] = f"scaling: {advice.reason}"
        over = [name for name, until_ms in self._excused.items() if now_ms >= until_ms]
        for name in over:
            del self._excused[name]
        look.is_over = bool(over)
        return look

    def _assess(self, name: str, length_ms: int, now_ms: int) -> Advice:
        window, spec = self._evidence.window(name, length_ms), self._spec
        if name == spec.baseline:
            return self._scalers[name].assess(window, now_ms)
        beside, instances = self._evidence.window(spec.baseline, length_ms), self._scalers[spec.baseline].instances
        return self._scalers[name].assess(window, now_ms, beside, baseline_instances=instances)

    def _tell(self, name: str) -> None:
        """Takes what services say that there is."""
        values = self._evidence.window(name, TOLD_MS).values
        for gauge, (target, resource) in self._gauges.items():
            count, total, _ = values.get(gauge, (0, 0, 0))
            if count:
                self._scalers[name].tell(resource, max(1, _rounded(total, count)), target)

    def _note(self, name: str, advice: Advice) -> None:
        """Keeps what was advised last; that a cooldown goes on is no news of it."""
        if advice.action is Action.COOLDOWN and name in self._newest:
            return
        self._newest[name] = ScalingAdvice(
            variant=name, action=str(advice.action), reason=advice.reason, value_ms=advice.value_ms, n=advice.n,
            changes=[ScaleChange(one.resource, one.before, one.after, one.target) for one in advice.changes],
            baseline_ms=advice.baseline_ms, baseline_n=advice.baseline_n, quiet_until_ms=advice.quiet_until_ms,
        )  # fmt: skip

    def is_excused(self, failed: Assessment, now_ms: int) -> bool:
        """Whether a guardrail that failed waits for an advice that was given."""
        return _is_on_latency(failed) and now_ms < self._excused.get(failed.variant, 0)

    def excuse(self, failed: Assessment, now_ms: int) -> str:
        """Gives the advice that comes before a guardrail that failed does what it says; empty where none helps."""
        scaling, name = self._scaling, failed.variant
        if scaling is None or not _is_on_latency(failed) or self.is_excused(failed, now_ms):
            return ""
        advice = self._assess(name, failed.window_s * 1000, now_ms)
        if advice.action is Action.CANNOT_TELL and self._has_more_load(name, failed.window_s * 1000):
            advice = self._scalers[name].escalate(advice, now_ms)
        if advice.is_advice:
            self._note(name, advice)
        if advice.action is not Action.ESCALATE:
            return ""
        self._excused[name] = advice.quiet_until_ms
        return f"scaling: {name} {advice.action} before {failed.guardrail} does {failed.on_fail}, {advice.reason}"

    def _has_more_load(self, name: str, length_ms: int) -> bool:
        baseline = self._spec.baseline
        here, there = (
            Load(self._evidence.window(one, length_ms), self._scalers[one].instances) for one in (name, baseline)
        )
        ratio = self._scaling.like_load_ratio if self._scaling else 1.0
        return here.requests_each > ratio * there.requests_each > 0.0

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data; empty where there is no scaling."""
        if self._scaling is None:
            return {}
        return {
            "looked_s": self._looked_s, "excused": dict(self._excused),
            "scalers": {name: scaler.snapshot() for name, scaler in self._scalers.items()},
            "newest": {name: one.plain() for name, one in self._newest.items()},
        }  # fmt: skip


def _is_on_latency(failed: Assessment) -> bool:
    return failed.guardrail.startswith("latency_")


def _rounded(total: int, count: int) -> int:
    """Gives the nearest whole number to a mean of values that are summed in 1/VALUE_SCALE; halves go up."""
    return (2 * total + count * VALUE_SCALE) // (2 * count * VALUE_SCALE)
