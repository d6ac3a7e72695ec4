"""Guardrails: bounds that must not be crossed, assessed as shares of responses.

An error rate above p is a share of errors above p; a latency quantile q above L is a share of responses slower than L
above 1 - q. Either way the share's posterior decides, from the prior Beta(1, (1 - p) / p), whose mean is the allowed
share p itself: one response can neither condemn nor acquit. With n responses, of which x breach:

* fewer than `minSamples`: INCONCLUSIVE. Missing is not zero;
* P(share > p) at or above `confidence`: FAIL;
* P(share > p) at or below one half: PASS. The bound is more likely kept than crossed;
* else INCONCLUSIVE.
"""

from collections.abc import Iterable
from functools import lru_cache
from math import floor
from typing import Final

from trimtab.engine.evidence import News
from trimtab.engine.posterior import share_above
from trimtab.engine.sketch import bucket_of_limit
from trimtab.engine.window import ArmWindow
from trimtab.schemas.decision import Assessment, Verdict
from trimtab.schemas.release import ErrorRateGuardrail, LatencyGuardrail, duration_text

_EVEN: Final = 0.5
_MORE_THAN_CHANCE: Final = 0.64
_FULL: Final = -1

Guardrail = ErrorRateGuardrail | LatencyGuardrail


def assess(guardrail: Guardrail, variant: str, window: ArmWindow) -> Assessment:
    """Gives the verdict of a guardrail on what a variant did in the guardrail's window."""
    allowed, breaches = _allowed(guardrail), _breaches(guardrail, window)
    n = window.responses
    probability = share_above(1.0 + breaches, (1.0 - allowed) / allowed + n - breaches, allowed)
    return Assessment(
        guardrail=_name(guardrail.metric, guardrail.window),
        variant=variant,
        verdict=_verdict(guardrail, n, probability),
        value=_value(guardrail, window),
        limit=guardrail.max,
        n=n,
        breaches=breaches,
        allowed_ratio=allowed,
        probability=probability,
        confidence=guardrail.confidence,
        window_s=guardrail.window // 1000,
    )


def breaches_at_most(guardrail: Guardrail, news: News) -> int:
    """Gives how many breaches of a guardrail are among `news`, at most.

    With a confidence so low that a share below the limit may fail it, each response counts for one.
    """
    if guardrail.confidence < _MORE_THAN_CHANCE:
        return news.responses
    if isinstance(guardrail, LatencyGuardrail):
        return news.responses if news.slowest > bucket_of_limit(guardrail.max) else 0
    return news.errors


class Room:
    """How many more breaches cannot make a guardrail fail, within each of the coming hops of its window.

    What comes but breaches only adds to it, so that it holds although the window moves on, without a look at it.
    """

    __slots__ = ("_hop", "_left", "_used")

    def __init__(self, guardrail: Guardrail, window: ArmWindow, leaving: Iterable[ArmWindow], hop: int) -> None:
        """`leaving`: what the window lets go of with the first, second, ... hop after `hop`."""
        self._hop, self._used = hop, 0
        responses, breaches = window.responses, _breaches(guardrail, window)
        left = room(guardrail, responses, breaches)
        self._left = [left]
        for tile in leaving:
            if gone := tile.responses:
                responses -= gone
                breaches -= _breaches(guardrail, tile) if breaches else 0
                left = room(guardrail, responses, breaches)
            self._left.append(left)

    @property
    def is_there(self) -> bool:
        """Whether the guardrail cannot fail as it is."""
        return self._left[0] >= 0

    def takes(self, breaches: int, hop: int) -> bool:
        """Takes up room for `breaches` more that are told in `hop`; False where the window has to be looked at."""
        self._used += breaches
        ahead = hop - self._hop
        return ahead < len(self._left) and self._used <= self._left[ahead]


def room(guardrail: Guardrail, responses: int, breaches: int) -> int:
    """Gives how many more breaches a guardrail takes before it may fail; -1 where it may fail as it is.

    A share that is not above the allowed one cannot fail: a posterior's mean is then at most the limit, and the chance
    to be above its mean is at most 1 - 1/e for a Beta with parameters of at least 1, whose density is log-concave. It
    stays so when more responses come that are none.
    """
    if guardrail.confidence < _MORE_THAN_CHANCE:
        return _FULL
    if responses < guardrail.min_samples:
        return 0
    allowed = _allowed(guardrail)
    is_bell = (1.0 - allowed) * (1.0 / allowed + responses) >= 1.0
    return max(_FULL, floor(allowed * responses - breaches)) if is_bell else _FULL


@lru_cache(maxsize=256)
def _name(metric: str, window_ms: int) -> str:
    return f"{metric} over {duration_text(window_ms)}"


def _allowed(guardrail: Guardrail) -> float:
    if isinstance(guardrail, ErrorRateGuardrail):
        return guardrail.max
    return round(1.0 - guardrail.quantile, 6)


def _breaches(guardrail: Guardrail, window: ArmWindow) -> int:
    if isinstance(guardrail, ErrorRateGuardrail):
        return window.errors
    return window.latency.count_above(guardrail.max)


def _value(guardrail: Guardrail, window: ArmWindow) -> float | None:
    if isinstance(guardrail, ErrorRateGuardrail):
        return window.error_ratio
    return window.latency.quantile_ms(guardrail.quantile)


def _verdict(guardrail: Guardrail, n: int, probability: float) -> Verdict:
    if n < guardrail.min_samples:
        return Verdict.INCONCLUSIVE
    if probability >= guardrail.confidence:
        return Verdict.FAIL
    return Verdict.PASS if probability <= _EVEN else Verdict.INCONCLUSIVE
