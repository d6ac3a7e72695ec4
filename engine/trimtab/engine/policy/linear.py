"""Shares per segment from features of segments: a linear regression of rewards for each arm, by River.

What an arm earned in one segment tells what it earns in others with like features; a constant is always a feature, so
segments without features share one mean. The regression is River's BayesianLinearRegression, which is also what its
LinUCBDisjoint keeps for each arm. River learns row by row; a batch of n trials with features x whose rewards sum to r
is the same to it as the single row (x sqrt(n), r / sqrt(n)), since it keeps sums of x x' and x y alone: exact, and one
call. So `river.bandit.LinUCBDisjoint` itself is not used: the rule is the same (tests/engine/policy/test_linear.py).

* `bayesian`: P(best) of the arms' mean rewards, which are normal: mean x'm, variance s^2 x'Sx, with m and S of the
  regression and s^2 the variance of rewards within batches.
* `linUcb`: all of a segment's traffic to the greatest x'm + exploration sqrt(1 + x'Sx). Ties share evenly.

River's prior is kept at 1: with another its covariance is not the inverse of its precision. Features should be of the
order of 1. Source: Li, Chu, Langford and Schapire, A contextual-bandit approach to personalized news article
recommendation (2010); Bishop, Pattern recognition and machine learning (2006), section 3.3.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from river.linear_model import BayesianLinearRegression

from trimtab.engine.policy.belief import probability_best_student
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.spread import evenly, in_proportion

_CONSTANT: Final = ""
"""name of the feature that is always 1"""
_NORMAL_DEGREES: Final = 1e6
_LEAST_VARIANCE: Final = 1e-12


class Linear:
    """Shares per segment by linear regressions on its features.

    >>> policy = Linear(2, "bayesian", {"mobile": {"mobile": 1.0}}, exploration=1.0)
    >>> policy.update_in("mobile", Batch([500, 500], [50, 100], [50, 100], [0.5, 0.5]))
    >>> policy.update_in("desktop", Batch([500, 500], [100, 50], [100, 50], [0.5, 0.5]))
    >>> [round(share, 2) for share in policy.shares_in("mobile", [True, True], 0, 1)]
    [0.0, 1.0]
    """

    __slots__ = ("_degrees", "_exploration", "_features", "_inside", "_is_ucb", "_names", "_regressions")

    def __init__(
        self, arms: int, model: str, features: Mapping[str, Mapping[str, float]], *, exploration: float
    ) -> None:
        """`features`: segment -> feature -> value. `model`: `bayesian` or `linUcb`, which `exploration` is for."""
        self._features = {segment: {_CONSTANT: 1.0, **values} for segment, values in features.items()}
        self._names = sorted({_CONSTANT}.union(*features.values()))
        self._is_ucb = model == "linUcb"
        self._exploration = exploration
        self._regressions = [self._regression() for _ in range(arms)]
        self._inside = 0.0
        """sum of squares around the mean of each batch"""
        self._degrees = 0.0

    def _regression(self) -> Any:
        regression = BayesianLinearRegression()
        regression._ensure_features(self._names)
        regression._m_dirty = True  # else it answers from coefficients that it has not made yet
        return regression

    def _of(self, segment: str) -> dict[str, float]:
        return self._features.get(segment, {_CONSTANT: 1.0})

    def update(self, batch: Batch) -> None:
        """Learns from traffic of no segment."""
        self.update_in("", batch)

    def update_in(self, segment: str, batch: Batch) -> None:
        """Learns from a segment's traffic."""
        features = self._of(segment)
        for regression, trials, rewards, squares in zip(
            self._regressions, batch.trials, batch.rewards, batch.squares, strict=True
        ):
            if trials > 0.0:
                root = math.sqrt(trials)
                regression.learn_one({name: value * root for name, value in features.items()}, rewards / root)
                self._inside += max(squares - rewards * rewards / trials, 0.0)
                self._degrees += max(trials - 1.0, 0.0)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the shares for traffic of no segment."""
        return self.shares_in("", eligible, pending, seed)

    def shares_in(self, segment: str, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Contextual
        """Gives the shares for a segment's traffic."""
        features = self._of(segment)
        arms = [arm for arm, may in enumerate(eligible) if may]
        if len(arms) == 1 or self._degrees <= 0.0:
            return evenly(eligible)
        predicted = [self._regressions[arm].predict_one(features, with_dist=True) for arm in arms]
        mean = np.array([each.mu for each in predicted])
        variance = np.array([each.sigma**2 for each in predicted])
        placed = np.zeros(len(eligible))
        if self._is_ucb:
            bounds = mean + self._exploration * np.sqrt(variance)
            placed[arms] = bounds == bounds.max()
        else:
            noise = max(self._inside / self._degrees, _LEAST_VARIANCE)
            scale = np.sqrt(noise * np.maximum(variance - 1.0, _LEAST_VARIANCE))
            placed[arms] = probability_best_student(mean, scale, np.full(len(arms), _NORMAL_DEGREES))
        return in_proportion(placed.tolist(), eligible)

    def snapshot(self) -> Snapshot:
        """Gives the regressions' sums and covariances."""
        return {
            "inside": self._inside,
            "degrees": self._degrees,
            "regressions": [
                {
                    "precision": regression._ss_arr.tolist(),
                    "covariance": regression._ss_inv_arr.tolist(),
                    "natural_mean": regression._eta_arr.tolist(),
                }
                for regression in self._regressions
            ],
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._inside, self._degrees = float(snapshot["inside"]), float(snapshot["degrees"])
        for arm, kept in enumerate(snapshot["regressions"]):
            regression = self._regressions[arm] = self._regression()
            # In place: River updates the covariance where it lies, in its own order of rows and columns.
            regression._ss_arr[...] = kept["precision"]
            regression._ss_inv_arr[...] = kept["covariance"]
            regression._eta_arr[...] = kept["natural_mean"]
