"""Plays problems: many replications at once, the counts of each batch drawn from the shares that a policy gave."""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.regret_problems import Problem
from benchmarks.regret_rivals import Rival
from trimtab.engine.compiled import compiled
from trimtab.engine.policy.adaptive import preferences
from trimtab.engine.policy.bank import Bank, Counts, learn, new_bank
from trimtab.engine.policy.hypothesis import GRID, Hypotheses

Floats = npt.NDArray[np.float64]

_SEED: Final = 5


@compiled
def _row(banks: Bank, row: int) -> Bank:
    return Bank(banks.logit[row], banks.variance[row], banks.weight[row], banks.level[row], banks.seen[row])


@compiled
def _learn_rows(grid: Hypotheses, banks: Bank, trials: Floats, rewards: Floats) -> None:
    for row in range(len(trials)):
        learn(grid, _row(banks, row), Counts(trials[row], rewards[row], rewards[row]))


@compiled
def _prefer_rows(grid: Hypotheses, banks: Bank, pending: float) -> Floats:
    rows, _, arms = banks.logit.shape
    shares = np.empty((rows, arms))
    for row in range(rows):
        shares[row] = preferences(grid, _row(banks, row), np.arange(arms), pending)
    return shares


class Adaptives:
    """The policy `adaptive`, its own compiled code, for many replications."""

    def __init__(self, rows: int, arms: int) -> None:
        one = new_bank(GRID, arms)
        self._banks = Bank(*(np.repeat(array[None], rows, axis=0) for array in one))

    def update(self, trials: Floats, rewards: Floats) -> None:
        """Takes what came of a batch."""
        _learn_rows(GRID, self._banks, trials, rewards)

    def shares(self, pending: float) -> Floats:
        """Gives the shares of the batch to come."""
        return _prefer_rows(GRID, self._banks, pending)


def mean_regret(make: Callable[[int, int], Rival], problem: Problem, runs: int) -> float:
    """Gives the mean pseudo-regret: what the shares lost in expectation against always taking the best arm."""
    rng = np.random.default_rng(_SEED)
    policy = make(runs, problem.rates.shape[1])
    under_way: list[tuple[Floats, Floats]] = []
    lost = 0.0
    for rates in problem.rates:
        shares = np.clip(policy.shares(float(problem.batch * (len(under_way) + 1))), 0.0, None)
        shares /= shares.sum(axis=1, keepdims=True)
        lost += problem.batch * float((shares * (rates.max() - rates)).sum())
        trials = rng.multinomial(problem.batch, shares)
        rewards = rng.binomial(trials, _scattered(rng, np.broadcast_to(rates, shares.shape), problem.dispersion))
        under_way.append((trials.astype(float), rewards.astype(float)))
        if len(under_way) > problem.delay:
            policy.update(*under_way.pop(0))
    return lost / runs


def _scattered(rng: np.random.Generator, rates: Floats, dispersion: float) -> Floats:
    if dispersion <= 0.0:
        return rates
    size = 1.0 / dispersion - 1.0
    return rng.beta(rates * size, (1.0 - rates) * size)
