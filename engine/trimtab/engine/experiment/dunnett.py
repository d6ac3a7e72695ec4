"""Dunnett's critical value: several arms against one baseline, that all share the baseline's scatter.

The statistics of the K-1 comparisons are correlated through the baseline: arm i's is sqrt(1 - b_i^2) e_i - b_i e_0
with independent standard normal e and b_i^2 = w_i / (w_i + w_0), w the shares of traffic. So the chance that all stay
within c is a single integral over e_0, and c a little less than what Bonferroni asks for. In large samples; for one
planned look.

Source: Dunnett (1955).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from scipy.special import ndtr, ndtri

_REACH: Final = 8.5
_POINTS: Final = 401
_HALVINGS: Final = 60


def dunnett_value(alpha: float, split: Sequence[float]) -> float:
    """Gives the two-sided critical value for comparisons of each arm of `split` with the first one.

    >>> round(dunnett_value(0.05, [1, 1, 1, 1]), 2)
    2.35
    """
    share = np.array(split[1:]) / (np.array(split[1:]) + split[0])
    low, high = float(ndtri(1.0 - alpha / 2.0)), float(-ndtri(alpha / 2.0 / len(share)))
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _all_within(middle, share) < 1.0 - alpha else (low, middle)
    return high


def _all_within(value: float, share: "np.typing.NDArray[np.float64]") -> float:
    """Gives the chance that no statistic is beyond `value`; the trapezoid rule is exact to the last digits here."""
    e_0 = np.linspace(-_REACH, _REACH, _POINTS)[:, np.newaxis]
    shift, scale = e_0 * np.sqrt(share), np.sqrt(1.0 - share)
    within = np.prod(ndtr((value + shift) / scale) - ndtr((shift - value) / scale), axis=1)
    density = np.exp(-0.5 * e_0[:, 0] ** 2)
    return float((within * density).sum() / density.sum())
