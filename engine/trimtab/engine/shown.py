"""What people see of a guardrail: its value in the window, beside the evidence that its verdict rests on."""

from msgspec.structs import replace

from trimtab.engine.metric import MISSING, Missing, Value
from trimtab.engine.rail import allowed_of, breaches_of, sums_of
from trimtab.engine.sequential.conclusion import Conclusion
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.guardrail import (
    Guardrail,
    LatencyGuardrail,
    MetricGuardrail,
    OutcomeGuardrail,
    ShareRail,
    ValueRail,
)


class Face:
    """What is shown of one bound of a guardrail; all that does not change from look to look is worked out once.

    The value of a relative bound is what its test has seen since it began; of an absolute one it is that of the window.
    A bound that was kept passes no more once nothing has come for a window: missing is not zero.
    """

    __slots__ = ("_guardrail", "_is_relative", "_silence", "_usual")

    def __init__(self, guardrail: Guardrail, bound: str) -> None:
        """`bound`: the field of the guardrail."""
        self._guardrail, window_s = guardrail, guardrail.window // 1000
        self._is_relative = bound.endswith("Ratio")
        self._silence = f"nothing has come for {window_s} s"
        self._usual = Assessment(
            guardrail=guardrail.title, bound=bound, variant="", verdict=Verdict.INCONCLUSIVE, value=None,
            limit=_limit(guardrail, bound), n=0, breaches=0, allowed_ratio=0.0, severity=guardrail.severity,
            on_fail=guardrail.on_fail, window_s=window_s,
        )  # fmt: skip
        """of which most stays as it is: to replace the rest takes a third of what a new one does"""

    def assessment(self, variant: str, said: Conclusion, window: ArmWindow, *, measured: Value = MISSING) -> Assessment:
        """Gives the assessment of any other bound.

        `measured`: the value in the window of the release's metric that is bounded, where it is one.
        """
        verdict, reason = said.verdict, said.reason
        if verdict is Verdict.PASS and not _is_seen(self._guardrail, window, measured):
            verdict, reason = Verdict.INCONCLUSIVE, self._silence
        if self._is_relative:
            value, limit = said.value, said.limit
        else:
            value, limit = _value(self._guardrail, window, measured), self._usual.limit
        return replace(
            self._usual, variant=variant, verdict=verdict, reason=reason, value=value, limit=limit, n=said.n,
            ln_evidence=said.ln_evidence, threshold=said.threshold, samples=said.n,
        )  # fmt: skip


class ShareFace(Face):
    """What is shown of an absolute bound on a share of responses."""

    __slots__ = ("_breaches", "_quantile")

    def __init__(self, guardrail: ShareRail, bound: str) -> None:
        super().__init__(guardrail, bound)
        self._usual = replace(self._usual, allowed_ratio=allowed_of(guardrail) or 0.0)
        self._breaches = breaches_of(guardrail)
        self._quantile = guardrail.quantile if isinstance(guardrail, LatencyGuardrail) else 0.0

    def of_share(self, variant: str, said: tuple[Verdict, str, float, float, int], window: ArmWindow) -> Assessment:
        """Gives the assessment.

        `said`: verdict, reason, ln E, threshold and samples of the test; `window`: what the variant did in that of the
        guardrail.
        """
        (verdict, reason, evidence, threshold, samples), n = said, window.responses
        breaches = self._breaches(window)
        if verdict is Verdict.PASS and not n:
            verdict, reason = Verdict.INCONCLUSIVE, self._silence
        return replace(
            self._usual, variant=variant, verdict=verdict, reason=reason,
            value=window.quantile_ms(self._quantile) if self._quantile else breaches / n if n else None,
            n=n, breaches=breaches, ln_evidence=evidence, threshold=threshold, samples=samples,
        )  # fmt: skip


def _is_seen(guardrail: Guardrail, window: ArmWindow, measured: Value) -> bool:
    """Whether a window has anything that the bound is on."""
    if isinstance(guardrail, MetricGuardrail):
        return window.responses > 0 and not isinstance(measured, Missing)
    if isinstance(guardrail, OutcomeGuardrail):
        return sums_of(window, guardrail.name).n > 0
    return window.responses > 0


def _limit(guardrail: Guardrail, bound: str) -> float:
    limit = guardrail.max if bound == "max" or not isinstance(guardrail, ValueRail) else guardrail.min
    return 0.0 if limit is None else limit


def _value(guardrail: Guardrail, window: ArmWindow, measured: Value) -> float | None:
    """Gives what is shown of an absolute bound on a mean."""
    if isinstance(guardrail, OutcomeGuardrail):
        sums = sums_of(window, guardrail.name)
        return sums.mean if sums.n else None
    return None if isinstance(measured, Missing) else measured


def acts(assessment: Assessment) -> bool:
    """Whether something has to be done about it."""
    return assessment.verdict is Verdict.FAIL and assessment.severity != "signal"


def breach(failed: Assessment) -> str:
    """Gives what was failed, in words and numbers."""
    value = "nothing" if failed.value is None else f"{failed.value:.4g}"
    if not failed.threshold:  # no test, but a share of what came within a window
        return (
            f"{failed.guardrail} has {failed.breaches} of {failed.n} above {failed.limit:g}, the slowest {value},"
            f" {failed.allowed_ratio:g} of them allowed"
        )
    counted = f"{failed.breaches} of {failed.n} responses breach, {failed.allowed_ratio:g} allowed, "
    return (
        f"{failed.guardrail} is {value} against {failed.bound} {failed.limit:g}"
        f" ({counted if failed.allowed_ratio else ''}ln E {failed.ln_evidence:.2f} >= {failed.threshold:.2f}"
        f" after {failed.samples})"
    )
