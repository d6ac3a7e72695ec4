"""The sample ratio of a release: whether requests reach its variants as the weights of their revisions say.

* One test for the whole release, shown with every candidate beside its own ratio of requests to expected ones: whoever
  misses requests, no variant's figures can be trusted.
* Looks are seconds of event time, taken once they are over. Requests of an unknown revision are left out: what a proxy
  did before it had weights, or one that does not tell them, says nothing of routing by weights.
* A ratio that was kept passes no more once no request has come for the guardrail's window: missing is not zero.
"""

from collections.abc import Callable
from typing import Any

from trimtab.engine.evidence import Evidence
from trimtab.engine.sequential.conclusion import Conclusion, Rule, conclude
from trimtab.engine.sequential.look import Routed
from trimtab.engine.sequential.sample_ratio import SampleRatioTest
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.guardrail import AnyGuardrail, SampleRatioGuardrail
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import Shadow

Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""


class RatioGuard:
    """The sample ratio of one release under one spec; nothing where no guardrail asks for it."""

    __slots__ = ("_began_s", "_evidence", "_is_fresh", "_names", "_rail", "_spec", "_test", "is_on")

    def __init__(self, spec: Spec, evidence: Evidence) -> None:
        self._spec, self._evidence = spec, evidence
        rails = [one for one in spec.guardrails if isinstance(one, SampleRatioGuardrail) and one.severity != "muted"]
        self.is_on = bool(rails) and not isinstance(spec.strategy, Shadow)  # copies come whatever weights say
        self._names = [variant.name for variant in spec.variants]
        self._rail = rails[0] if rails else SampleRatioGuardrail(metric="sample_ratio")
        self._test = SampleRatioTest(len(spec.variants))
        self._began_s = 0
        """the second of the first look; 0 before"""
        self._is_fresh = False

    def take(self, look: Routed, now_s: int) -> None:
        """Takes requests of a second that is over."""
        if not self.is_on or not look.weights:
            return
        self._began_s = self._began_s or now_s
        if (now_s - self._began_s) * 1000 >= self._rail.warm_up:
            self._test.update(look)
            self._is_fresh = True

    def fails(self) -> bool:
        """Whether requests that nobody has asked about yet make it fail."""
        if not self._is_fresh:
            return False
        self._is_fresh = False
        return self._conclude().verdict is Verdict.FAIL

    def failing(self) -> list[AnyGuardrail]:
        """Gives the guardrail where it fails."""
        return [self._rail] if self.is_on and self._conclude().verdict is Verdict.FAIL else []

    @property
    def is_settled(self) -> bool:
        """Whether everything that was taken has been asked about."""
        return not self._is_fresh

    def assess(self, variant: str) -> list[Assessment]:
        """Gives the verdict, as it is shown with a candidate."""
        if not self.is_on or variant == self._spec.baseline:
            return []
        said, rail = self._conclude(), self._rail
        verdict, reason = said.verdict, said.reason
        if verdict is Verdict.PASS and not self._is_heard():
            verdict, reason = Verdict.INCONCLUSIVE, f"no request has come for {rail.window // 1000} s"
        return [
            Assessment(
                guardrail=rail.title, bound="ratio", variant=variant, verdict=verdict, reason=reason,
                value=self._test.ratio(self._names.index(variant)), limit=said.limit, n=said.n, breaches=0,
                allowed_ratio=0.0, window_s=rail.window // 1000, ln_evidence=said.ln_evidence,
                threshold=said.threshold, samples=said.n, severity=rail.severity, on_fail=rail.on_fail,
            )
        ]  # fmt: skip

    def _conclude(self) -> Conclusion:
        return conclude(self._test, Rule(1.0 - self._rail.confidence, self._rail.min_samples))

    def _is_heard(self) -> bool:
        return any(self._evidence.window(name, self._rail.window).requests for name in self._names)

    def start_over(self, does: Callable[[AnyGuardrail], bool]) -> None:
        """Lets the evidence start anew where `does` holds for the guardrail: somebody has acted on it."""
        if self.is_on and does(self._rail):
            self._test = SampleRatioTest(len(self._spec.variants))
            self._is_fresh = False

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data; nothing where no guardrail asks for it."""
        if not self.is_on:
            return {}
        return {"began_s": self._began_s, "is_fresh": self._is_fresh, "test": self._test.snapshot()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a guard under the same spec."""
        if self.is_on and snapshot:
            self._began_s, self._is_fresh = snapshot["began_s"], snapshot["is_fresh"]
            self._test.restore(snapshot["test"])
