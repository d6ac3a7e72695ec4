"""From preference to weights.

What no strategy and no policy may break is decided here, and only here:

* weights are whole basis points and sum to exactly 10,000;
* no weight moves by more than the step limit in one decision, except that a variant that may not take traffic loses
  all of it at once, to the baseline;
* floors and caps hold as soon as the step limit lets them, and are never left again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trimtab.engine.errors import EngineError
from trimtab.schemas.ids import BASIS_POINTS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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
    kept = [
        weight if may or arm == baseline else 0 for arm, (weight, may) in enumerate(zip(current, eligible, strict=True))
    ]
    kept[baseline] += BASIS_POINTS - sum(kept)
    return tuple(kept)


def allocate(
    target: Sequence[float], current: Sequence[int], bounds: Sequence[Bounds], max_step: int
) -> tuple[int, ...]:
    """Gives the whole weights nearest to `target` (any positive scale) that limits allow, coming from `current`.

    Where floors or caps cannot hold within one step, they yield to it: `current` sums to 10,000, so the step limit
    alone can always be kept. Raises `EngineError` when `current` does not sum to 10,000.

    >>> allocate([0.2, 0.8], [10_000, 0], [Bounds(100, 10_000)] * 2, max_step=500)
    (9500, 500)
    """
    now = np.array(current, dtype=np.int64)
    if now.sum() != BASIS_POINTS:
        raise EngineError(f"weights {list(current)} sum to {now.sum()} bp, expected {BASIS_POINTS}")
    low, high = _reachable(now, bounds, max_step)
    wish = np.array(target, dtype=np.float64)
    weights = _nearest(wish * (BASIS_POINTS / wish.sum()), low, high)
    return tuple(_whole(weights, low, high).tolist())


def _reachable(now: Ints, bounds: Sequence[Bounds], max_step: int) -> tuple[Ints, Ints]:
    lowest, highest = np.maximum(now - max_step, 0), np.minimum(now + max_step, BASIS_POINTS)
    low = np.clip([bound.floor for bound in bounds], lowest, highest)
    high = np.clip([bound.cap for bound in bounds], lowest, highest)
    if low.sum() > BASIS_POINTS:
        low = np.minimum(low, np.maximum(now, lowest))
    if high.sum() < BASIS_POINTS:
        high = np.maximum(high, np.minimum(now, highest))
    return low.astype(np.int64), high.astype(np.int64)


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


def _whole(weights: Floats, low: Ints, high: Ints) -> Ints:
    """Rounds by largest remainder, within the bounds; equal remainders go to the earlier arm."""
    whole = np.clip(np.floor(weights + 1e-9), low, high).astype(np.int64)
    order = np.argsort(-(weights - whole), kind="stable")
    while (missing := BASIS_POINTS - int(whole.sum())) != 0:
        step = 1 if missing > 0 else -1
        room = [arm for arm in order if low[arm] <= whole[arm] + step <= high[arm]]
        if not room:
            raise EngineError(f"no weights between {low.tolist()} and {high.tolist()} sum to {BASIS_POINTS}")
        for arm in room[: abs(missing)]:
            whole[arm] += step
    return whole
