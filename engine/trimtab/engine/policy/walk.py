"""P(best) by one walk down an adaptive grid, compiled: for policies, which ask it of many posteriors at once.

A step is a fraction of the narrowest standard deviation that matters where it is; stretches without mass are jumped.
Error at most 8e-3 with a step of 0.4; posteriors with few successes or failures have exponential tails and need 0.2.
Where alpha or beta lies between 1 and 2, a density that rises steeply at its end costs up to some hundredths.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled

Floats = npt.NDArray[np.float64]

_REACH: Final = 5.0
"""Standard deviations around its mean within which a posterior has mass."""
_TINY: Final = 1e-12
_FROM: Final = 8.0
"""Stirling's series holds from here on."""
_FEW: Final = 4.0
"""Up to so many steps multiplying them is faster than the series."""
_HALF_LN_2_PI: Final = 0.9189385332046728


@compiled
def _stirling(at: float) -> float:
    """Gives ln Gamma, less half of ln 2 pi, to nine digits from 8 on: three terms leave 3e-10."""
    inverse = 1.0 / at
    square = inverse * inverse
    series = inverse * (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0)))
    return (at - 0.5) * math.log(at) - at + series


@compiled
def log_beta(alpha: float, beta: float) -> float:
    """Gives the logarithm of the beta function of positive arguments, to nine digits."""
    total, stepped = alpha + beta, 1.0
    while alpha < _FROM:
        stepped *= alpha
        alpha += 1.0
    while beta < _FROM:
        stepped *= beta
        beta += 1.0
    while total < _FROM:
        stepped /= total
        total += 1.0
    known = _HALF_LN_2_PI + _stirling(alpha) + _stirling(beta) - _stirling(total)
    return known if stepped == 1.0 else known - math.log(stepped)


@compiled
def log_rising(base: float, count: float) -> float:
    """Gives ln of Gamma(base + count) / Gamma(base), for a positive base and a count that is not negative."""
    if count == 0.0:
        return 0.0
    if count <= _FEW and count == math.floor(count):
        product = base
        for step in range(1, int(count)):
            product *= base + step
        return math.log(product)
    top, stepped = base + count, 1.0
    while base < _FROM:
        stepped *= base
        base += 1.0
    while top < _FROM:
        stepped /= top
        top += 1.0
    known = _stirling(top) - _stirling(base)
    return known if stepped == 1.0 else known + math.log(stepped)


class _Walk(NamedTuple):
    """What a walk knows of every arm at the point where it is."""

    alpha: Floats
    beta: Floats
    norm: Floats
    """ln B(alpha, beta)"""
    density: Floats
    before: Floats
    """chance that all arms of lower number are below the point"""
    above: Floats
    """mass above the point"""
    win: Floats
    """density of being the best, at the point"""
    wins: Floats
    """its mass above the point"""


@compiled
def best_shares(alpha: Floats, beta: Floats, step: float) -> Floats:
    """Gives, for each Beta posterior, the probability that its share is the greatest; the values sum to 1.

    `alpha` and `beta` are at least 1; `step` is in standard deviations.
    """
    arms = alpha.size
    # Arm by arm: arrays for what lies between take longer than all that is worked out here.
    room = np.zeros((10, arms))
    walk = _Walk(room[0], room[1], room[2], room[3], room[4], room[5], room[6], room[7])
    top, stride, wins = room[8], room[9], np.zeros(arms)
    low = -np.inf
    for arm in range(arms):
        mean, spread = _moments(alpha[arm], beta[arm])
        top[arm], stride[arm] = mean + _REACH * spread, step * spread
        low = max(low, mean - _REACH * spread)
    low = min(1.0 - _TINY, max(_TINY, low))
    highest, alive = np.argmax(top), 0
    for arm in range(arms):
        if top[arm] > low:
            walk.alpha[alive], walk.beta[alive] = alpha[arm], beta[arm]
            walk.norm[alive] = log_beta(alpha[arm], beta[arm])
            top[alive], stride[alive] = top[arm], stride[arm]
            wins[arm] = 1.0
            alive += 1
    if alive > 1:
        _walk_down(walk, top[:alive], stride[:alive], low)
        _spread_wins(walk.wins[:alive], wins)
    else:
        wins[:] = 0.0
        wins[highest] = 1.0
    return wins


@compiled
def _moments(alpha: float, beta: float) -> tuple[float, float]:
    """Gives mean and standard deviation."""
    total = alpha + beta
    return alpha / total, math.sqrt(alpha * beta / (total * total * (total + 1.0)))


@compiled
def _walk_down(walk: _Walk, top: Floats, stride: Floats, low: float) -> None:
    """Walks from the highest top down to `low`; of `walk` as many arms take part as `top` has."""
    arms = top.size
    at, gone = min(1.0 - _TINY, top.max()), 0.0
    while at > low:
        _fall(walk, arms, at, gone)
        _win(walk, arms, gone)
        gone = at - low
        for arm in range(arms):
            gone = min(gone, max(at - top[arm], stride[arm]))
        at -= gone
        if at - low < _TINY:
            at = low
    _fall(walk, arms, low, gone)
    _win(walk, arms, gone)


@compiled
def _spread_wins(won: Floats, wins: Floats) -> None:
    """Writes what was won as shares where `wins` is not 0."""
    total, place = won.sum(), 0
    for arm in range(wins.size):
        if wins[arm] > 0.0:
            # Otherwise all arms are at 0 or at 1, closer than numbers tell apart.
            wins[arm] = won[place] / total if total > 0.0 else 1.0 / won.size
            place += 1


@compiled
def _fall(walk: _Walk, arms: int, at: float, gone: float) -> None:
    """Takes densities and masses to the point `at`, which is `gone` below the one before (trapezoids)."""
    log_at, log_rest = math.log(at), math.log1p(-at)
    for arm in range(arms):
        density = math.exp((walk.alpha[arm] - 1.0) * log_at + (walk.beta[arm] - 1.0) * log_rest - walk.norm[arm])
        walk.above[arm] += 0.5 * gone * (walk.density[arm] + density)
        walk.density[arm] = density


@compiled
def _win(walk: _Walk, arms: int, gone: float) -> None:
    """Takes the masses of being the best there: the density of an arm times all others' masses below."""
    product = 1.0
    for arm in range(arms):
        walk.before[arm] = product
        product *= max(0.0, 1.0 - walk.above[arm])
    product = 1.0
    for arm in range(arms - 1, -1, -1):
        win = walk.density[arm] * walk.before[arm] * product
        product *= max(0.0, 1.0 - walk.above[arm])
        walk.wins[arm] += 0.5 * gone * (walk.win[arm] + win)
        walk.win[arm] = win
