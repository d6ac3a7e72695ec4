"""What people see of a guardrail: its value in the window, beside the evidence that its verdict rests on."""

from typing import assert_never

from trimtab.engine.metric import MISSING, Missing, Value
from trimtab.engine.rail import allowed_of, breaches_of, sums_of
from trimtab.engine.sequential.conclusion import Conclusion
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.guardrail import (
    ErrorRateGuardrail,
    Guardrail,
    LatencyGuardrail,
    MetricGuardrail,
    OutcomeGuardrail,
    ShareRail,
    ValueRail,
)


def assessment_of(  # noqa: PLR0913 - what is shown of a bound
    guardrail: Guardrail,
    field: str,
    variant: str,
    conclusion: Conclusion,
    window: ArmWindow,
    *,
    measured: Value = MISSING,
) -> Assessment:
    """Gives the assessment of a bound; `window` is what the variant did in the guardrail's window.

    `measured`: the value there of the release's metric that is bounded, where it is one.
    The value of a relative bound is what its test has seen since it began; of an absolute one it is that of the window.
    A bound that was kept passes no more once nothing has come for a window: missing is not zero.
    """
    if field.endswith("Ratio"):
        value, limit, is_share = conclusion.value, conclusion.limit, False
    else:
        value, limit = _value(guardrail, window, measured), _limit(guardrail, field)
        is_share = isinstance(guardrail, ShareRail)
    verdict, reason = conclusion.verdict, conclusion.reason
    if verdict is Verdict.PASS and not _is_seen(guardrail, window, measured):
        verdict, reason = Verdict.INCONCLUSIVE, f"nothing has come for {guardrail.window // 1000} s"
    return Assessment(
        guardrail=guardrail.title, bound=field, variant=variant, verdict=verdict, reason=reason,
        value=value, limit=limit,
        n=window.responses if is_share else conclusion.n,
        breaches=breaches_of(guardrail)(window) if is_share and isinstance(guardrail, ShareRail) else 0,
        allowed_ratio=allowed_of(guardrail) or 0.0 if is_share else 0.0,
        ln_evidence=conclusion.ln_evidence, threshold=conclusion.threshold, samples=conclusion.n,
        severity=guardrail.severity, on_fail=guardrail.on_fail, window_s=guardrail.window // 1000,
    )  # fmt: skip


def _is_seen(guardrail: Guardrail, window: ArmWindow, measured: Value) -> bool:
    """Whether a window has anything that the bound is on."""
    if isinstance(guardrail, MetricGuardrail):
        return window.responses > 0 and not isinstance(measured, Missing)
    if isinstance(guardrail, OutcomeGuardrail):
        return sums_of(window, guardrail.name).n > 0
    return window.responses > 0


def _limit(guardrail: Guardrail, field: str) -> float:
    limit = guardrail.max if field == "max" or not isinstance(guardrail, ValueRail) else guardrail.min
    return 0.0 if limit is None else limit


def _value(guardrail: Guardrail, window: ArmWindow, measured: Value) -> float | None:
    match guardrail:
        case ErrorRateGuardrail():
            breaches = breaches_of(guardrail)(window)
            return breaches / window.responses if window.responses else None
        case LatencyGuardrail():
            return window.latency.quantile_ms(guardrail.quantile)
        case OutcomeGuardrail():
            sums = sums_of(window, guardrail.name)
            return sums.mean if sums.n else None
        case MetricGuardrail():
            return None if isinstance(measured, Missing) else measured
        case _:
            assert_never(guardrail)


def acts(assessment: Assessment) -> bool:
    """Whether something has to be done about it."""
    return assessment.verdict is Verdict.FAIL and assessment.severity != "signal"


def breach(failed: Assessment) -> str:
    """Gives what was failed, in words and numbers."""
    value = "nothing" if failed.value is None else f"{failed.value:.4g}"
    counted = f"{failed.breaches} of {failed.n} responses breach, {failed.allowed_ratio:g} allowed, "
    return (
        f"{failed.guardrail} is {value} against {failed.bound} {failed.limit:g}"
        f" ({counted if failed.allowed_ratio else ''}ln E {failed.ln_evidence:.2f} >= {failed.threshold:.2f}"
        f" after {failed.samples})"
    )
