"""From preference to weights.

What no strategy and no policy may break is decided here, and only here:

* weights are whole basis points and sum to exactly 10,000;
* no weight moves by more than the step limit in one decision, except that a variant that may not take traffic loses
  all of it at once, to the baseline;
* floors and caps hold as soon as the step limit lets them, and are never left again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.errors import EngineError
from trimtab.schemas.ids import BASIS_POINTS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_DIGITS: Final = 9
_ROUNDING: Final = 10.0**-_DIGITS
"""Below this, a difference between weights comes from the bisection and means nothing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one arm's weight keeps to, in basis points."""

    floor: int
    cap: int


def withdraw(current: Sequence[int], eligible: Sequence[bool], baseline: int) -> tuple[int, ...]:
    """Gives the weights after every arm that may not take traffic has lost it to the baseline.

    >>> withdraw([9000, 600, 400], [True, False, True], baseline=0)
    (9600, 0, 400)
    """
    kept = [weight if may else 0 for weight, may in zip(current, eligible, strict=True)]
    kept[baseline] += BASIS_POINTS - sum(kept)
    return tuple(kept)


def allocate(
    target: Sequence[float], current: Sequence[int], bounds: Sequence[Bounds], max_step: int
) -> tuple[int, ...]:
    """Gives the whole weights nearest to `target` (any positive scale) that limits allow, coming from `current`.

    Where floors or caps cannot all hold within one step, the step goes toward them alone: `current` sums to 10,000,
    so the step limit can always be kept. Raises `EngineError` when `current` does not sum to 10,000.

    >>> allocate([0.2, 0.8], [10_000, 0], [Bounds(100, 10_000)] * 2, max_step=500)
    (9500, 500)
    """
    now = np.array(current, dtype=np.int64)
    if now.sum() != BASIS_POINTS:
        raise EngineError(f"weights {list(current)} sum to {now.sum()} bp, expected {BASIS_POINTS}")
    wish = np.array(target, dtype=np.float64)
    low, high = _reachable(now, bounds, max_step)
    return tuple(_whole(_within(wish * (BASIS_POINTS / wish.sum()), now, low, high)).tolist())


def _reachable(now: Ints, bounds: Sequence[Bounds], max_step: int) -> tuple[Ints, Ints]:
    """Gives the floors and caps, as near as one step comes to them."""
    lowest, highest = np.maximum(now - max_step, 0), np.minimum(now + max_step, BASIS_POINTS)
    low: Ints = np.clip([bound.floor for bound in bounds], lowest, highest)
    high: Ints = np.clip([bound.cap for bound in bounds], lowest, highest)
    return low, high


def _within(wish: Floats, now: Ints, low: Ints, high: Ints) -> Floats:
    if low.sum() > BASIS_POINTS:
        return _nearest(low.astype(np.float64), np.minimum(low, now), low)
    if high.sum() < BASIS_POINTS:
        return _nearest(high.astype(np.float64), high, np.maximum(high, now))
    return _nearest(wish, low, high)


def _nearest(wish: Floats, low: Ints, high: Ints) -> Floats:
    """Shifts all weights alike until, kept within their bounds, they sum to the total (bisection)."""
    start, stop = -float(BASIS_POINTS) - float(wish.max()), float(BASIS_POINTS) + float(wish.max())
    for _ in range(64):
        middle = (start + stop) / 2.0
        if np.clip(wish + middle, low, high).sum() < BASIS_POINTS:
            start = middle
        else:
            stop = middle
    return np.clip(wish + stop, low, high)


def _whole(weights: Floats) -> Ints:
    """Rounds by largest remainder, which keeps within whole bounds; equal remainders go to the earlier arm."""
    whole = np.floor(weights + _ROUNDING).astype(np.int64)
    order = np.argsort(-(weights - whole).round(_DIGITS), kind="stable")
    whole[order[: BASIS_POINTS - int(whole.sum())]] += 1
    return whole
