"""The references of the benchmark `regret`: what is well known, for many replications at once."""

from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import betaln

from trimtab.engine.compiled import compiled
from trimtab.engine.policy.walk import best_shares

Floats = npt.NDArray[np.float64]

_STEP: Final = 0.5
"""Of P(best), in standard deviations."""


class Rival(Protocol):
    """A policy over replications: rows of every array."""

    def update(self, trials: Floats, rewards: Floats) -> None:
        """Takes what came of a batch."""

    def shares(self, pending: float) -> Floats:
        """Gives the shares of the batch to come."""


@compiled
def _best_rows(rewards: Floats, trials: Floats, step: float) -> Floats:
    shares = np.empty(trials.shape)
    for row in range(len(trials)):
        shares[row] = best_shares(rewards[row] + 1.0, trials[row] - rewards[row] + 1.0, step)
    return shares


class Thompson:
    """Shares by P(best), of counts that are discounted each batch and multiplied before they are compared."""

    def __init__(self, rows: int, arms: int, *, discount: float = 1.0, sharpening: float = 1.0) -> None:
        self._trials, self._rewards = np.zeros((rows, arms)), np.zeros((rows, arms))
        self._discount, self._sharpening = discount, sharpening

    def update(self, trials: Floats, rewards: Floats) -> None:
        """Takes what came of a batch."""
        self._trials = self._discount * self._trials + trials
        self._rewards = self._discount * self._rewards + rewards

    def shares(self, pending: float) -> Floats:
        """Gives the shares of the batch to come."""
        del pending
        if not self._trials.any():
            return np.full(self._trials.shape, 1.0 / self._trials.shape[1])
        return _best_rows(self._sharpening * self._rewards, self._sharpening * self._trials, _STEP)


class DiscountBank:
    """Thompson on counts averaged over a bank of discounts, weighed by their recent evidence (AdaTS)."""

    _DISCOUNTS: Final = np.array([1.0, 0.995, 0.98, 0.95, 0.9, 0.8, 0.6])[:, None, None]
    _PRIOR: Final = np.log([0.5, *[1.0 / 12.0] * 6])[:, None]

    def __init__(self, rows: int, arms: int) -> None:
        self._trials, self._rewards = np.zeros((7, rows, arms)), np.zeros((7, rows, arms))
        self._evidence = np.zeros((7, rows))

    def update(self, trials: Floats, rewards: Floats) -> None:
        """Takes what came of a batch."""
        alpha, beta = self._rewards + 1.0, self._trials - self._rewards + 1.0
        gained = betaln(alpha + rewards, beta + trials - rewards) - betaln(alpha, beta)
        self._evidence = 0.9 * self._evidence + gained.sum(axis=2)
        self._trials = self._DISCOUNTS * self._trials + trials
        self._rewards = self._DISCOUNTS * self._rewards + rewards

    def shares(self, pending: float) -> Floats:
        """Gives the shares of the batch to come."""
        del pending
        log_weight = self._PRIOR + self._evidence
        weight = np.exp(log_weight - log_weight.max(axis=0))[:, :, None]
        weight = weight / weight.sum(axis=0)
        best = _best_rows(2.0 * (weight * self._rewards).sum(axis=0), 2.0 * (weight * self._trials).sum(axis=0), _STEP)
        mixed: Floats = 0.99 * best + 0.01 / best.shape[1]
        return mixed


class Filling:
    """KL-UCB by water filling: the batch goes where it makes the indices of the served arms equal."""

    def __init__(self, rows: int, arms: int) -> None:
        self._trials, self._rewards = np.zeros((rows, arms)), np.zeros((rows, arms))

    def update(self, trials: Floats, rewards: Floats) -> None:
        """Takes what came of a batch."""
        self._trials += trials
        self._rewards += rewards

    def shares(self, pending: float) -> Floats:
        """Gives the shares of the batch to come."""
        arms = self._trials.shape[1]
        if not self._trials.any():
            return np.full(self._trials.shape, 1.0 / arms)
        mean = (self._rewards + 0.25) / (self._trials + 0.5)
        reach = np.log(self._trials.sum(axis=1, keepdims=True) + pending)
        low, high = mean.max(axis=1, keepdims=True), np.ones((len(mean), 1))
        for _ in range(50):
            middle = (low + high) / 2.0
            over = self._wanted(mean, middle, reach).sum(axis=1, keepdims=True) > pending
            low, high = np.where(over, middle, low), np.where(over, high, middle)
        wanted = self._wanted(mean, (low + high) / 2.0, reach)
        total = wanted.sum(axis=1, keepdims=True)
        return np.where(total > 0.0, wanted / np.maximum(total, 1e-300), 1.0 / arms)

    def _wanted(self, mean: Floats, level: Floats, reach: Floats) -> Floats:
        rate, level = np.clip(mean, 1e-12, 1.0 - 1e-12), np.clip(level, 1e-12, 1.0 - 1e-12)
        divergence = rate * np.log(rate / level) + (1.0 - rate) * np.log((1.0 - rate) / (1.0 - level))
        return np.maximum(0.0, reach / np.maximum(divergence, 1e-300) - self._trials)
