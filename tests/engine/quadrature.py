"""P(best) by brute force: Gauss-Legendre on cells between many quantiles of every posterior. The oracle."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import betainc, betaln, xlog1py, xlogy

from trimtab.engine.posterior import Beta

_QUANTILES = np.concatenate([np.logspace(-16, -1, 31), np.linspace(0.12, 0.88, 33), 1 - np.logspace(-1, -15, 29)])
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def probability_best(posteriors: Sequence[Beta]) -> npt.NDArray[np.float64]:
    cuts = [stats.beta(posterior.alpha, posterior.beta).ppf(_QUANTILES) for posterior in posteriors]
    cells = np.unique(np.concatenate([[0.0, 1.0], *cuts]))
    half = np.diff(cells)[:, None] / 2
    at = (cells[:-1, None] + half + half * _NODES).ravel()
    weight = (half * _WEIGHTS).ravel()
    alpha = np.array([posterior.alpha for posterior in posteriors])[:, None]
    beta = np.array([posterior.beta for posterior in posteriors])[:, None]
    density = np.exp(xlogy(alpha - 1, at) + xlog1py(beta - 1, -at) - betaln(alpha, beta))
    below = betainc(alpha, beta, at)
    best = [np.sum(weight * density[k] * np.delete(below, k, 0).prod(0)) for k in range(len(posteriors))]
    assert abs(sum(best) - 1) < 1e-8, "the oracle itself is off"
    return np.array(best)
