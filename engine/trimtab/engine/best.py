"""P(arm is best): the expected Thompson split, computed instead of sampled.

P_k = integral of f_k prod_{j != k} F_j for independent arms with densities f and distribution functions F. The walk
over that integral is in `trimtab.engine.best_walk`; here is what may be asked of it. Against quadrature on a dense grid
the error stays below 1e-6 where successes and failures are whole, and below 1e-4 where they are not
(tests/engine/test_best.py). Five arms take some 6 us.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trimtab.engine.best_walk import beta_arms_best, student_arms_best
from trimtab.engine.posterior import Beta

Floats = npt.NDArray[np.float64]


def probability_best(posteriors: Sequence[Beta]) -> Floats:
    """Gives, for each posterior, the probability that its share is the greatest; the values sum to 1.

    `alpha` and `beta` are at least 1: below that a density is unbounded at its end. Raises `ValueError` without arms.

    >>> probability_best([Beta(1.0, 1.0), Beta(1.0, 1.0)]).round(6).tolist()
    [0.5, 0.5]
    """
    sums = np.array([*[one.alpha for one in posteriors], *[one.beta for one in posteriors]], dtype=np.float64)
    return probability_best_of(sums[: len(posteriors)], sums[len(posteriors) :])


def probability_best_of(alpha: Floats, beta: Floats) -> Floats:
    """Gives the same for posteriors Beta(`alpha[k]`, `beta[k]`): one-dimensional arrays of 64-bit floats.

    >>> probability_best_of(np.array([2.0, 1.0]), np.array([1.0, 1.0])).round(6).tolist()
    [0.666667, 0.333333]
    """
    if len(alpha) == 0:
        raise ValueError("expected at least one posterior, got none")
    return beta_arms_best(alpha, beta)


def probability_best_normal(mean: Floats, scale: Floats, degrees: Floats) -> Floats:
    """Gives, for arms whose mean reward has Student's t distribution, the probability that it is the greatest.

    Of each arm: centre, scale (above 0) and degrees of freedom (at least 1; infinity makes it normal). Raises
    `ValueError` without arms.

    >>> one = np.array([1.0, 1.0])
    >>> probability_best_normal(np.array([0.5, 0.5]), one, one * np.inf).round(6).tolist()
    [0.5, 0.5]
    """
    if len(mean) == 0:
        raise ValueError("expected at least one posterior, got none")
    return student_arms_best(mean, scale, degrees)
