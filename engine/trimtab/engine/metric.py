"""The value of a user's metric in a window.

Missing is not zero: a quotient by zero, a mean or a quantile of nothing, a present value that nobody gave, and whatever
is greater than `MOST` are missing, and so is all that is computed of something missing. Counters are never missing,
and neither is the count or the sum of outcomes: no outcome came to nothing.
"""

import math
from enum import Enum
from typing import Final, assert_never

from trimtab.engine.window import ArmWindow
from trimtab.schemas.evidence import COUNTS, FAILURES, VALUE_SCALE
from trimtab.schemas.expression import QUANTILES, Binary, Extreme, Name, Negative, Node, Number, Outcome
from trimtab.schemas.metric import AnyMetric, CompositePart, Metric

MOST: Final = 1e15
"""Beyond this size a value is taken for a mistake: sums of it would lose what others add."""
_NO_SUMS: Final = (0, 0, 0)
_PLACES: Final = {name: place for place, name in enumerate(COUNTS)}
_DURATION_US: Final = COUNTS.index("duration_us")
_QUANTILES: Final = {f"latency.{name}": quantile for name, quantile in QUANTILES.items()}


class Missing(Enum):
    """What stands for a value that is not known."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
Value = float | Missing


def evaluate(node: Node, window: ArmWindow, in_flight: int | None = None) -> Value:
    """Gives the value of an expression in a window; `in_flight` is that of now, missing where it is not given.

    >>> from trimtab.schemas.expression import parse
    >>> window = ArmWindow()
    >>> evaluate(parse("errors / responses"), window)
    <Missing.MISSING: 'missing'>
    >>> window.counts[COUNTS.index("responses")] = 8
    >>> evaluate(parse("max(1 - errors / responses, 0.5)"), window)
    1.0
    """
    match node:
        case Number(value):
            return value
        case Name(name):
            return _named(name, window, in_flight)
        case Outcome(metric, field):
            return _outcome(field, *window.values.get(metric, _NO_SUMS)[:2])
        case Negative(of):
            negated = evaluate(of, window, in_flight)
            return MISSING if isinstance(negated, Missing) else -negated
        case Binary(sign, one, other):
            left, right = evaluate(one, window, in_flight), evaluate(other, window, in_flight)
            return MISSING if isinstance(left, Missing) or isinstance(right, Missing) else _combined(sign, left, right)
        case Extreme(which, of):
            values = [evaluate(part, window, in_flight) for part in of]
            known = [value for value in values if not isinstance(value, Missing)]
            return MISSING if len(known) < len(values) else min(known) if which == "min" else max(known)
        case _:
            assert_never(node)


def value_of(metric: AnyMetric, window: ArmWindow, in_flight: int | None = None) -> Value:
    """Gives the value of a metric in a window; of a composite from 0 (bad) to 1 (good)."""
    if isinstance(metric, Metric):
        known = evaluate(metric.tree, window, in_flight)
        return MISSING if isinstance(known, Missing) or abs(known) > MOST else known
    total = 0.0
    for part in metric.parts:
        value = evaluate(part.tree, window, in_flight)
        if isinstance(value, Missing):
            return MISSING
        total += part.weight * _scaled(part, value)
    return total / sum(part.weight for part in metric.parts)


def sample_count(node: Node, window: ArmWindow) -> int:
    """Gives how many requests, responses or outcomes a value rests on: those of whatever it has fewest of.

    0 where it rests on nothing but numbers.
    """
    return min(_counts_under(node, window), default=0)


def _counts_under(node: Node, window: ArmWindow) -> list[int]:
    match node:
        case Number():
            return []
        case Name(name):
            return [window.requests if name in ("requests", "in_flight") else window.responses]
        case Outcome(metric, _):
            return [window.values.get(metric, _NO_SUMS)[0]]
        case Negative(of):
            return _counts_under(of, window)
        case Binary(_, left, right):
            return _counts_under(left, window) + _counts_under(right, window)
        case Extreme(_, of):
            return [count for part in of for count in _counts_under(part, window)]
        case _:
            assert_never(node)


def _named(name: str, window: ArmWindow, in_flight: int | None) -> Value:
    if name in _PLACES:
        return float(window.counts[_PLACES[name]])
    if name == "server_errors":
        return float(window.errors - sum(window.counts[_PLACES[failure]] for failure in FAILURES))
    if name == "in_flight":
        return MISSING if in_flight is None else float(in_flight)
    if window.responses == 0:
        return MISSING
    if name == "duration_ms.mean":
        return window.counts[_DURATION_US] / 1000 / window.responses
    quantile_ms = window.quantile_ms(_QUANTILES[name])
    return MISSING if quantile_ms is None else quantile_ms


def _outcome(field: str, count: int, total: int) -> Value:
    if field == "count":
        return float(count)
    if field == "sum":
        return total / VALUE_SCALE
    return total / VALUE_SCALE / count if count else MISSING


def _combined(sign: str, left: float, right: float) -> Value:
    match sign:
        case "+":
            value = left + right
        case "-":
            value = left - right
        case "*":
            value = left * right
        case _:
            if right == 0:
                return MISSING
            value = left / right
    return value if math.isfinite(value) else MISSING


def _scaled(part: CompositePart, value: float) -> float:
    """Gives a figure on the scale from 0 (bad) to 1 (good)."""
    share = min(1.0, max(0.0, (value - part.from_) / (part.to - part.from_)))
    return share if part.better == "high" else 1.0 - share
