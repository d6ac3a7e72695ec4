"""Guardrails: bounds that must not be crossed, assessed as shares of responses.

An error rate above p is a share of errors above p; a latency quantile q above L is a share of responses slower than L
above 1 - q. Either way the share's posterior decides, from the prior Beta(1, (1 - p) / p), whose mean is the allowed
share p itself: one response can neither condemn nor acquit. With n responses, of which x breach:

* fewer than `minSamples`: INCONCLUSIVE. Missing is not zero;
* P(share > p) at or above `confidence`: FAIL;
* P(share > p) at or below one half: PASS. The bound is more likely kept than crossed;
* else INCONCLUSIVE.
"""

from typing import Final

from trimtab.engine.posterior import Beta
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.release import ErrorRateGuardrail, LatencyGuardrail, duration_text

_EVEN: Final = 0.5

Guardrail = ErrorRateGuardrail | LatencyGuardrail


def assess(guardrail: Guardrail, variant: str, window: ArmWindow) -> Assessment:
    """Gives the verdict of a guardrail on what a variant did in the guardrail's window."""
    allowed, breaches, value = _shares(guardrail, window)
    n = window.responses
    probability = Beta(1.0 + breaches, (1.0 - allowed) / allowed + n - breaches).probability_above(allowed)
    return Assessment(
        guardrail=f"{guardrail.metric} over {duration_text(guardrail.window)}",
        variant=variant,
        verdict=_verdict(guardrail, n, probability),
        value=value,
        limit=guardrail.max,
        n=n,
        breaches=breaches,
        allowed_ratio=allowed,
        probability=probability,
        confidence=guardrail.confidence,
        window_s=guardrail.window // 1000,
    )


def _shares(guardrail: Guardrail, window: ArmWindow) -> tuple[float, int, float | None]:
    """Gives the allowed share of breaches, how many were seen, and the metric's value."""
    if isinstance(guardrail, ErrorRateGuardrail):
        return guardrail.max, window.errors, window.error_ratio
    above = window.latency.count_above(guardrail.max)
    return round(1.0 - guardrail.quantile, 6), above, window.latency.quantile_ms(guardrail.quantile)


def _verdict(guardrail: Guardrail, n: int, probability: float) -> Verdict:
    if n < guardrail.min_samples:
        return Verdict.INCONCLUSIVE
    if probability >= guardrail.confidence:
        return Verdict.FAIL
    return Verdict.PASS if probability <= _EVEN else Verdict.INCONCLUSIVE
