"""The integral behind P(best), walked from the top down, compiled.

* A panel is about as wide as a standard deviation and a half of the narrowest arm that has mass in it, and wider far
  from its mean; it never passes over an arm. In it, densities are evaluated at Gauss-Legendre nodes.
* What lies above a node is the integral of the polynomial through the nodes of its panel, so no distribution function
  is evaluated.
* What is left to win below a point is prod F there: the walk ends where that is nothing, or one arm cannot be below.
* Of the arms' supports, about a tail of 1e-8 is left out on each side, widened for skewness as Cornish and Fisher do.

All in one file: compiled code is kept under the time stamp of the file that calls it.
"""

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled

Floats = npt.NDArray[np.float64]

_REACH: Final = 5.5
"""Half of an arm's support, in standard deviations of a normal distribution."""
_SKEWED: Final = (_REACH * _REACH - 1.0) / 6.0
"""What each unit of skewness adds to it (Cornish and Fisher 1937, first term)."""
_WIDTH: Final = 1.8
"""Of a panel, in standard deviations; far from the mean it is at least `_FAR` of the distance to it."""
_FAR: Final = 0.35
_PAST_EDGE: Final = 0.7
"""How far a panel that comes from above reaches into an arm's support: what lies there is next to nothing."""
_LEFT: Final = 1e-9
"""Probability that nobody needs to win any more."""
_MOST: Final = 1.0 - 2.0**-53
"""The greatest float below 1, where a density can still be evaluated."""
_POLE: Final = 3.0
"""Student's density has poles, the nearer the fewer its degrees of freedom; panels become narrower as they near."""

_POSITIVE: Final = (
    (0.1834346424956498, 0.3626837833783620),
    (0.5255324099163290, 0.3137066458778873),
    (0.7966664774136267, 0.2223810344533745),
    (0.9602898564975363, 0.1012285362903763),
)
"""Nodes and weights of the eight-point Gauss-Legendre rule on [-1, 1]: written down, for they must be the same bits
everywhere."""
_AXIS: Final = [-node for node, _ in reversed(_POSITIVE)] + [node for node, _ in _POSITIVE]
_SHARES: Final = [weight / 2.0 for _, weight in reversed(_POSITIVE)] + [weight / 2.0 for _, weight in _POSITIVE]
_N: Final = len(_AXIS)


def _legendre(at: float) -> list[float]:
    """Gives the Legendre polynomials of degree 0 to _N at a point, by their recurrence."""
    values = [1.0, at]
    for degree in range(1, _N):
        values.append(((2 * degree + 1) * at * values[-1] - degree * values[-2]) / (degree + 1))
    return values


def _integrals() -> list[list[float]]:
    """Gives, by node i and j, the integral up to node i of the polynomial that is 1 at node j and 0 at the others.

    As fractions of a panel's width: such a polynomial is share_j sum_n (2n + 1) P_n(x_j) P_n(x), and the integral of
    (2n + 1) P_n is P_{n+1} - P_{n-1}.
    """
    known = [_legendre(at) for at in _AXIS]
    return [
        [
            share * ((at + 1.0) / 2.0 + sum(of[n] * (here[n + 1] - here[n - 1]) / 2.0 for n in range(1, _N)))
            for share, of in zip(_SHARES, known, strict=True)
        ]
        for at, here in zip(_AXIS, known, strict=True)
    ]


_DEPTH: Final = np.array([(at + 1.0) / 2.0 for at in _AXIS])
"""How deep each node lies in its panel, 0 at the top."""
_SHARE: Final = np.array(_SHARES)
_ABOVE: Final = np.array(_integrals())


@compiled
def beta_arms_best(alpha: Floats, beta: Floats) -> Floats:
    """Gives P(best) of arms with posteriors Beta(`alpha[k]`, `beta[k]`), all at least 1."""
    arms = np.empty((7, len(alpha)))
    for k in range(len(alpha)):
        a, b = alpha[k], beta[k]
        total = a + b
        center, spread = a / total, math.sqrt((a / total) * (b / total) / (total + 1.0))
        skewness = 2.0 * ((b - a) / (total + 2.0)) * math.sqrt((total + 1.0) / a / b)
        arms[0, k], arms[1, k] = center, spread
        arms[2, k] = max(0.0, center - spread * (_REACH + _SKEWED * max(0.0, -skewness)))
        arms[3, k] = min(1.0, center + spread * (_REACH + _SKEWED * max(0.0, skewness)))
        arms[4, k], arms[5, k] = a - 1.0, b - 1.0
        arms[6, k] = math.lgamma(total) - math.lgamma(a) - math.lgamma(b)
    return _walk(arms, True)  # noqa: FBT003 - compiled functions take no keywords


@compiled
def student_arms_best(mean: Floats, scale: Floats, degrees: Floats) -> Floats:
    """Gives P(best) of arms whose means have Student's t distribution, normal where `degrees[k]` is infinite."""
    arms = np.empty((7, len(mean)))
    for k in range(len(mean)):
        n = degrees[k]
        reach, spread, constant = _REACH, scale[k], -0.5 * math.log(2.0 * math.pi)
        if n < np.inf:
            # t with the tail of a normal deviate, about: z^2 = n ln(1 + t^2 / n) (Wallace 1959).
            reach = math.sqrt(n * math.expm1(_REACH * _REACH / n))
            spread *= math.sqrt(n / (n + _POLE))
            constant = math.lgamma((n + 1.0) / 2.0) - math.lgamma(n / 2.0) - 0.5 * math.log(n * math.pi)
        arms[0, k], arms[1, k] = mean[k], spread
        arms[2, k], arms[3, k] = mean[k] - reach * scale[k], mean[k] + reach * scale[k]
        arms[4, k], arms[5, k], arms[6, k] = scale[k], n, constant - math.log(scale[k])
    return _walk(arms, False)  # noqa: FBT003


@compiled
def _walk(arms: Floats, is_beta: bool) -> Floats:  # noqa: FBT001
    """Gives P(best) of `arms`: by column centre, spread, lower and upper edge, and three numbers of the density."""
    count = arms.shape[1]
    density, below = np.empty((count, _N)), np.empty((count, _N))
    tail, wins = np.zeros(count), np.zeros(count)
    at, low, left = arms[3].max(), arms[2].max(), 1.0
    while at > low and left > _LEFT:
        bottom = _bottom(arms, at, low)
        _densities(arms, is_beta, at, bottom, density)
        left = _integrate(density, tail, below)
        _share_out(density, below, wins)
        at = bottom
    if not wins.sum() > 0.0:  # no float lies between the arms' edges: the greatest centres take all
        wins = (arms[0] == arms[0].max()).astype(np.float64)
    shares: Floats = wins / wins.sum()
    return shares


@compiled
def _bottom(arms: Floats, at: float, low: float) -> float:
    """Gives where a panel that begins at `at` ends."""
    bottom = low
    for k in range(arms.shape[1]):
        center, spread, lower, upper = arms[0, k], arms[1, k], arms[2, k], arms[3, k]
        if upper <= low or lower >= at:
            continue
        width = max(_WIDTH * spread, _FAR * abs(at - center))
        bottom = max(bottom, upper - _PAST_EDGE * spread if at > upper else at - width)
    return bottom if bottom < at else low


@compiled
def _densities(arms: Floats, is_beta: bool, at: float, bottom: float, density: Floats) -> None:  # noqa: FBT001
    """Writes each arm's density at the nodes of a panel, times the panel's width.

    In a panel at 1 nodes lie quadratically closer to it where a density may rise from there as a root does.
    """
    width = at - bottom
    is_end = is_beta and at >= 1.0 and _has_root(arms[5])
    for i in range(_N):
        depth, stretch = _DEPTH[i], width
        if is_end:
            depth, stretch = depth * depth, 2.0 * depth * width
        x = at - width * depth
        log_x, log_rest = 0.0, 0.0
        if is_beta:
            x = min(x, _MOST)
            log_x, log_rest = math.log(x), math.log1p(-x)
        for k in range(arms.shape[1]):
            if arms[3, k] <= bottom:
                density[k, i] = 0.0
                continue
            if is_beta:
                exponent = arms[4, k] * log_x + arms[5, k] * log_rest
            else:
                z, n = (x - arms[0, k]) / arms[4, k], arms[5, k]
                exponent = -0.5 * z * z if n == np.inf else -0.5 * (n + 1.0) * math.log(1.0 + z * z / n)
            density[k, i] = stretch * math.exp(exponent + arms[6, k])


@compiled
def _has_root(exponents: Floats) -> bool:
    return bool((exponents != np.floor(exponents)).any())


@compiled
def _integrate(density: Floats, tail: Floats, below: Floats) -> float:
    """Adds a panel to what each arm has above it, writes what it has below each node, and gives prod F at the bottom.

    `tail` and `below`: the former by arm, the latter by arm and node.
    """
    left = 1.0
    for k in range(len(tail)):
        for i in range(_N):
            over = tail[k]
            for j in range(_N):
                over += _ABOVE[i, j] * density[k, j]
            below[k, i] = max(0.0, 1.0 - over)
        for j in range(_N):
            tail[k] += _SHARE[j] * density[k, j]
        left *= max(0.0, 1.0 - tail[k])
    return left


@compiled
def _share_out(density: Floats, below: Floats, wins: Floats) -> None:
    """Adds to each arm what it wins in a panel: at each node its density, times what the others have below it."""
    count = len(wins)
    before = np.empty(count)
    for i in range(_N):
        product = 1.0
        for k in range(count):
            before[k] = product
            product *= below[k, i]
        product = _SHARE[i]
        for k in range(count - 1, -1, -1):
            wins[k] += density[k, i] * before[k] * product
            product *= below[k, i]
