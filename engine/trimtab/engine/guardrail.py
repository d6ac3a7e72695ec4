"""Guardrails: bounds that must not be crossed, assessed as shares of responses.

An error rate above p is a share of errors above p; a latency quantile q above L is a share of responses slower than L
above 1 - q. Either way the share's posterior decides, from the prior Beta(1, (1 - p) / p), whose mean is the allowed
share p itself: one response can neither condemn nor acquit. With n responses, of which x breach:

* fewer than `minSamples`: INCONCLUSIVE. Missing is not zero;
* P(share > p) at or above `confidence`: FAIL;
* P(share > p) at or below one half: PASS. The bound is more likely kept than crossed;
* else INCONCLUSIVE.
"""

from collections.abc import Callable
from typing import Final

from trimtab.engine.posterior import Beta
from trimtab.engine.sketch import bucket_of_limit
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.release import ErrorRateGuardrail, LatencyGuardrail, duration_text

_EVEN: Final = 0.5
_MORE_THAN_CHANCE: Final = 0.64

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


def may_fail(guardrail: Guardrail, window: Callable[[int], ArmWindow], *, failed: bool, slowest: int) -> bool:
    """Whether new responses may make a guardrail fail; the slowest of them is in latency bucket `slowest`.

    A share that is not above the allowed one cannot: a posterior's mean is then at most the limit, and the chance to
    be above its mean is at most 1 - 1/e for a Beta with parameters of at least 1, whose density is log-concave.
    `window` gives one by its length.
    """
    if guardrail.confidence < _MORE_THAN_CHANCE:
        return True
    is_breach = slowest > bucket_of_limit(guardrail.max) if isinstance(guardrail, LatencyGuardrail) else failed
    if not is_breach:
        return False
    seen = window(guardrail.window)
    if seen.responses < guardrail.min_samples:
        return False
    allowed, breaches = _breaches(guardrail, seen)
    is_bell = (1.0 - allowed) * (1.0 / allowed + seen.responses) >= 1.0
    return breaches > allowed * seen.responses or not is_bell


def _breaches(guardrail: Guardrail, window: ArmWindow) -> tuple[float, int]:
    if isinstance(guardrail, ErrorRateGuardrail):
        return guardrail.max, window.errors
    return round(1.0 - guardrail.quantile, 6), window.latency.count_above(guardrail.max)


def _shares(guardrail: Guardrail, window: ArmWindow) -> tuple[float, int, float | None]:
    """Gives the allowed share of breaches, how many were seen, and the metric's value."""
    allowed, breaches = _breaches(guardrail, window)
    if isinstance(guardrail, ErrorRateGuardrail):
        return allowed, breaches, window.error_ratio
    return allowed, breaches, window.latency.quantile_ms(guardrail.quantile)


def _verdict(guardrail: Guardrail, n: int, probability: float) -> Verdict:
    if n < guardrail.min_samples:
        return Verdict.INCONCLUSIVE
    if probability >= guardrail.confidence:
        return Verdict.FAIL
    return Verdict.PASS if probability <= _EVEN else Verdict.INCONCLUSIVE
