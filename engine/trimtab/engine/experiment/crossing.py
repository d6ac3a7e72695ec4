"""What it costs to look at all times: how far an experiment under confidence sequences has to go for its power.

In large samples the estimate over its standard error is a Brownian motion with a drift, and the bounds of
`confidence_sequence.critical_value` a curve that it leaves or not. The chance to leave it, and when, is found by
carrying the density of the paths that are still inside from look to look (Armitage, McPherson, Rowe 1969). Everything
depends on alpha, power and tuning alone, so one figure serves every metric.

The horizon is 1 here; intervals are tuned to `TUNED_RATIO` of it. Looks between the `_LOOKS` can only find more.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from trimtab.engine.experiment.confidence_sequence import critical_value

Floats = npt.NDArray[np.float64]

TUNED_RATIO: Final = 0.5
"""Where in an experiment its intervals are narrowest. Half way costs 0.7 % more trials at the most than the best choice
for the horizon, and ends experiments with a difference soonest on average."""

_LOOKS: Final = 64
_NODES: Final = 96
_REACH: Final = 6.5
"""standard deviations beyond which there are no paths: fewer than one in 10^10"""
_MOST_DRIFT: Final = 64.0
_HALVINGS: Final = 24


@dataclass(frozen=True, slots=True)
class Crossing:
    """What comes of an experiment with a certain drift."""

    power: float
    """chance that an interval leaves 0 out before the horizon"""
    mean_ratio: float
    """mean length of the experiment, as a part of its horizon, if it ends as soon as one does"""


def crossing(drift: float, alpha: float) -> Crossing:
    """Gives the power at a drift: the true difference in standard errors of the whole horizon.

    >>> round(crossing(0.0, alpha=0.05).power, 3), round(crossing(4.0, alpha=0.05).power, 2)
    (0.019, 0.88)
    """
    times = np.arange(1, _LOOKS + 1) / _LOOKS
    bounds = np.array([critical_value(time / TUNED_RATIO, alpha) for time in times]) * np.sqrt(times)
    alive = _inside(drift, times, bounds)
    return Crossing(1.0 - float(alive[-1]), float(1.0 + alive[:-1].sum()) / _LOOKS)


def _inside(drift: float, times: Floats, bounds: Floats) -> Floats:
    """Gives the chance to have been within the bounds at each time up to then; times are evenly spaced."""
    nodes, node_weights = np.polynomial.legendre.leggauss(_NODES)
    step = times[0]
    reach = _REACH * np.sqrt(times)
    lower = np.minimum(np.maximum(-bounds, drift * times - reach), bounds)
    upper = np.maximum(np.minimum(bounds, drift * times + reach), lower)
    at, density, alive = np.zeros(1), np.ones(1), np.empty(len(times))
    for look in range(len(times)):
        half = (upper[look] - lower[look]) / 2.0
        points = (upper[look] + lower[look]) / 2.0 + half * nodes
        distance = points[:, np.newaxis] - at - drift * step
        density = np.exp(distance * distance / (-2.0 * step)) @ density * (node_weights * half / sqrt(2.0 * pi * step))
        at, alive[look] = points, density.sum()
    return alive


@lru_cache(maxsize=64)
def drift_for(power: float, alpha: float) -> float:
    """Gives the least drift that has the power; the horizon has to be as long as brings the difference to that."""
    low, high = 0.0, _MOST_DRIFT
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if crossing(middle, alpha).power >= power else (middle, high)
    return high


def inflation_ratio(power: float, alpha: float) -> float:
    """Gives how many times the trials of a test with one look at its end are needed to look at all times.

    >>> round(inflation_ratio(power=0.8, alpha=0.05), 2)
    1.7
    """
    return float((drift_for(power, alpha) / (ndtri(1.0 - alpha / 2.0) + ndtri(power))) ** 2)
