"""What the adaptive policy holds possible: how fast arms move, alone and together, and how much batches scatter.

The grids are decided here, and nothing in them comes from one problem: each spans what telemetry can tell apart, in
steps so coarse that moving a value by a factor of three changes little.

* `own`: an arm's logit is a random walk with this variance per event. A walk of variance q remembers about
  1 / sqrt(q p (1 - p)) events: for ever; about 1,000 at p = 0.1, a drift; about 200, a jump.
* `common`: the same for a movement that all arms share, such as a time of day: it says nothing of who is best.
* `scatter`: the correlation between the outcomes of one arm within one batch. Sticky users, retries and noisy hours
  make counts scatter by 1 + (n - 1) r times what independent outcomes would, without any arm having changed.

A hypothesis is one pair of own and common; each weighs every scatter on its own, so that "it changes" and "it is noisy"
compete for the same surprise.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Hypotheses(NamedTuple):
    """The grid, in the form that compiled code takes: one entry per hypothesis in `own`, `common` and `prior`."""

    own: Floats
    """variance of an arm's logit per event"""
    common: Floats
    """variance of the level of all arms' logits per event"""
    prior: Floats
    """sums to 1"""
    scatter: Floats
    """correlation within a batch, ascending from 0"""
    scatter_prior: Floats
    """sums to 1"""


def _grid() -> Hypotheses:
    own, own_prior = np.array([0.0, 1e-5, 3e-4]), np.array([0.85, 0.10, 0.05])
    common, common_prior = np.array([0.0, 2e-6, 2e-5, 2e-4]), np.array([0.4, 0.2, 0.2, 0.2])
    scatter = np.array([0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2])
    return Hypotheses(
        own=np.repeat(own, common.size),
        common=np.tile(common, own.size),
        prior=np.outer(own_prior, common_prior).ravel(),
        scatter=scatter,
        scatter_prior=np.array([0.65] + [0.05] * (scatter.size - 1)),
    )


GRID: Final = _grid()
