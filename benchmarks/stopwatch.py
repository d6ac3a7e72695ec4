"""How long a step takes on a machine that others use too: the least of several medians."""

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

_ROUNDS: Final = 7

T = TypeVar("T")


def us_per_call(step: Callable[[], object], calls: int) -> float:
    """Gives what one call of `step` takes, in microseconds: the least, over rounds, of the medians of tens of calls."""
    step()
    tens = max(1, calls // (10 * _ROUNDS))
    return min(statistics.median(_ten(step) for _ in range(tens)) for _ in range(_ROUNDS))


def _ten(step: Callable[[], object]) -> float:
    began_ns = time.perf_counter_ns()
    for _ in range(10):
        step()
    return (time.perf_counter_ns() - began_ns) / 10_000


def us_per_item(step: Callable[[T], object], items: Iterable[T], *, parts: int = _ROUNDS) -> float:
    """Gives what `step` takes with an item, in microseconds, where it cannot take the same twice.

    It is the least of the medians of as many `parts` of the items.
    """
    took_us = []
    gc.collect()
    for item in items:
        began_ns = time.perf_counter_ns()
        step(item)
        took_us.append((time.perf_counter_ns() - began_ns) / 1000)
    size = max(1, len(took_us) // parts)
    return min(statistics.median(took_us[start : start + size]) for start in range(0, len(took_us) - size + 1, size))
