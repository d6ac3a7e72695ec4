"""From preference to weights.

What no strategy and no policy may break is decided here, and only here:

* weights are whole basis points and sum to exactly 10,000;
* no weight moves by more than the step limit in one decision, except that a variant that may not take traffic loses
  all of it at once, to the baseline;
* floors and caps hold as soon as the step limit lets them, and are never left again. A holdout is a floor of the
  baseline;
* weights whose limits hold stay where they are while the move that is due is smaller than the hysteresis.

Where floors or caps cannot all hold within one step, the step goes toward them alone: the present weights sum to
10,000, so the step limit can always be kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.errors import EngineError
from trimtab.schemas.ids import BASIS_POINTS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_UNITS: Final = 1e9
"""A difference between weights below 1/_UNITS comes from rounding and means nothing."""


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


def allocate(  # noqa: PLR0913 - what a release file may say about its weights
    target: Sequence[float],
    current: Sequence[int],
    bounds: Sequence[Bounds],
    max_step: int,
    *,
    baseline: int = 0,
    holdout: int = 0,
    hysteresis: int = 0,
) -> tuple[int, ...]:
    """Gives the whole weights nearest to `target` (any positive scale) that limits allow, coming from `current`.

    `holdout`: basis points that `baseline` (a position) keeps at least. `hysteresis`: basis points that some weight has
    to move by, or all stay; a move as great as the step limit always counts. Raises `EngineError` when `current` does
    not sum to 10,000.

    >>> allocate([0.2, 0.8], [10_000, 0], [Bounds(100, 10_000)] * 2, max_step=500)
    (9500, 500)
    >>> allocate([0.2, 0.8], [2_050, 7_950], [Bounds(100, 10_000)] * 2, max_step=500, hysteresis=100)
    (2050, 7950)
    """
    total = sum(current)
    if total != BASIS_POINTS:
        raise EngineError(f"weights {list(current)} sum to {total} bp, expected {BASIS_POINTS}")
    floors = [bound.floor for bound in bounds]
    floors[baseline] = max(floors[baseline], holdout)
    # One array, for each that is made and handed over takes as long as what is worked out with it.
    cells = np.array([*target, *current, *floors, *[bound.cap for bound in bounds]], dtype=np.float64)
    weights: list[int] = _allocate(cells, max_step, hysteresis).tolist()
    return tuple(weights)


@compiled
def _allocate(cells: Floats, max_step: int, hysteresis: int) -> Ints:
    """Gives the weights; `cells`: targets, present weights, floors and caps, end to end."""
    arms = len(cells) // 4
    target, now, limits = cells[:arms], cells[arms : 2 * arms].astype(np.int64), cells[2 * arms :].astype(np.int64)
    low, high = np.empty_like(now), np.empty_like(now)
    holds = True
    for arm in range(len(now)):
        lowest, highest = max(now[arm] - max_step, 0), min(now[arm] + max_step, BASIS_POINTS)
        low[arm] = min(max(limits[arm], lowest), highest)
        high[arm] = min(max(limits[arms + arm], lowest), highest)
        holds &= low[arm] <= now[arm] <= high[arm]
    whole = _whole(_within(target * (BASIS_POINTS / target.sum()), now, low, high))
    if holds and np.abs(whole - now).max() < min(hysteresis, max_step):
        return now
    return whole


@compiled
def _within(wish: Floats, now: Ints, low: Ints, high: Ints) -> Floats:
    if low.sum() > BASIS_POINTS:
        return _nearest(low.astype(np.float64), np.minimum(low, now), low)
    if high.sum() < BASIS_POINTS:
        return _nearest(high.astype(np.float64), high, np.maximum(high, now))
    return _nearest(wish, low, high)


@compiled
def _nearest(wish: Floats, low: Ints, high: Ints) -> Floats:
    """Shifts all weights alike until, kept within their bounds, they sum to the total.

    Their sum rises with the shift, in straight pieces between those at which an arm leaves its floor or meets its cap:
    of these the last that does not make it too much is looked for, and the rest of the way shared by who is free there.
    """
    shift, total = -np.inf, low.sum()
    for edge in np.concatenate((low - wish, high - wish)):
        at_edge = _sum_at(edge, wish, low, high)
        if edge > shift and at_edge <= BASIS_POINTS:
            shift, total = edge, at_edge
    free = 0
    for arm in range(len(wish)):
        free += low[arm] - wish[arm] <= shift < high[arm] - wish[arm]
    if free:
        shift += (BASIS_POINTS - total) / free
    return np.minimum(np.maximum(wish + shift, low.astype(np.float64)), high.astype(np.float64))


@compiled
def _sum_at(shift: float, wish: Floats, low: Ints, high: Ints) -> float:
    total = 0.0
    for arm in range(len(wish)):
        total += min(max(wish[arm] + shift, float(low[arm])), float(high[arm]))
    return total


@compiled
def _whole(weights: Floats) -> Ints:
    """Rounds by largest remainder, which keeps within whole bounds; equal remainders go to the earlier arm."""
    whole = np.floor(weights + 1.0 / _UNITS).astype(np.int64)
    remainder = np.rint((weights - whole) * _UNITS)
    for _ in range(BASIS_POINTS - whole.sum()):
        arm = np.argmax(remainder)
        whole[arm] += 1
        remainder[arm] = -2.0
    return whole
