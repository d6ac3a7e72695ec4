"""The default policy: as good as Thompson sampling when nothing changes, and far better when something does.

Shares are the probability that an arm is best, averaged over a bank of hypotheses about how arms move and scatter
(trimtab.engine.policy.bank). What is decided here:

* Beliefs are compared with their variance divided by `_SHARPENING`: plain Thompson explores more than it earns back.
  So shares are preferences, not the probability to declare a winner by.
* Before the first batch all arms get the same. After it every arm keeps at least `_FLOOR` / arms of the traffic, or a
  recovery would never be seen; in large batches less, by the square root, because a smaller share shows as much.
"""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.policy.bank import BATCH_SIZE, Bank, Counts, capped, learn, new_bank, pace
from trimtab.engine.policy.hypothesis import GRID, Hypotheses
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.walk import best_shares

Floats = npt.NDArray[np.float64]
Arms = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_SHARPENING: Final = 1.5
_FLOOR: Final = 0.004
_LEAST_TRIALS: Final = 1e-9
"""Fewer than so small a part of a trial are none: their shares would be divisions of rounding errors."""
_UNLIKELY: Final = 5e-3
"""Weight of a hypothesis below which its opinion is not asked."""
_MINOR: Final = 0.02
"""Weight below which an opinion may be rougher: it counts for so little."""
_ROUGH_STEP: Final = 0.8
_STEP: Final = 0.4
"""Of P(best), in standard deviations; half of it where a belief is skewed."""
_SKEWED: Final = 3.0


class Adaptive:
    """The policy `adaptive`, for arms whose rewards lie in [0, 1].

    >>> policy = Adaptive(2)
    >>> policy.shares([True, True], 100.0, 0)
    [0.5, 0.5]
    >>> policy.update(Batch([500.0, 500.0], [50.0, 80.0], [50.0, 80.0], [0.5, 0.5]))
    >>> policy.shares([True, True], 1000.0, 0)[1] > 0.95
    True
    """

    def __init__(self, arms: int) -> None:
        if arms < 1:
            raise ValueError(f"adaptive policy: expected at least one arm, got {arms}")
        self._arms = arms
        self._bank = new_bank(GRID, arms)
        self._eligible: tuple[list[bool], Flags] = ([], np.zeros(0, dtype=np.bool_))
        """which arms might take traffic when somebody last asked, as compiled code has it: it hardly ever changes"""

    def update(self, batch: Batch) -> None:
        """Takes what came of traffic; the propensities in it are not needed."""
        counts = np.array([*batch.trials, *batch.rewards, *batch.squares], dtype=np.float64)
        _learn(*self._bank, counts.reshape(3, -1))

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        """Gives the share that each arm should get; draws nothing, so `seed` does not matter."""
        del seed
        if self._eligible[0] != eligible:
            self._eligible = (list(eligible), np.array(eligible))
        shares: list[float] = _shares(*self._bank, self._eligible[1], float(pending)).tolist()
        return shares

    def snapshot(self) -> Snapshot:
        """Gives the bank's arrays as lists: about 25 numbers for each arm, and 110."""
        return {name: array.tolist() for name, array in self._bank._asdict().items()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot. Raises `ValueError` if it is of another number of arms or hypotheses."""
        bank = Bank(**{name: np.array(snapshot[name], dtype=np.float64) for name in Bank._fields})
        for name, array in bank._asdict().items():
            expected = getattr(self._bank, name).shape
            if array.shape != expected:
                raise ValueError(f"adaptive policy: expected {name} of shape {expected}, got {array.shape}")
        self._bank = bank


# The bank's arrays one by one: Numba takes 5 us to look through named tuples that come from outside.
@compiled
def _learn(  # noqa: PLR0913, PLR0917 - as above
    logit: Floats, variance: Floats, weight: Floats, level: Floats, seen: Floats, batch: Floats
) -> None:
    """Takes a batch: trials, rewards and squares by arm."""
    for arm in range(batch.shape[1]):
        if batch[0, arm] < _LEAST_TRIALS:
            batch[:, arm] = 0.0
    learn(GRID, Bank(logit, variance, weight, level, seen), Counts(batch[0], batch[1], batch[2]))


@compiled
def _shares(  # noqa: PLR0913, PLR0917 - as above
    logit: Floats, variance: Floats, weight: Floats, level: Floats, seen: Floats, eligible: Flags, pending: float
) -> Floats:
    shares, chosen = np.zeros(eligible.size), np.flatnonzero(eligible)
    shares[chosen] = preferences(GRID, Bank(logit, variance, weight, level, seen), chosen, pending)
    return shares


@compiled
def preferences(grid: Hypotheses, bank: Bank, chosen: Arms, pending: float) -> Floats:
    """Gives the shares of the arms `chosen`, in their order, while `pending` trials are under way."""
    shares = np.zeros(chosen.size)
    if bank.seen[BATCH_SIZE] == 0.0:
        return shares + 1.0 / chosen.size
    time = pending * pace(bank)
    asked = 0.0
    for mode in range(grid.own.size):
        weight = bank.weight[mode].sum()
        if weight >= _UNLIKELY:
            best = _best(bank, mode, chosen, grid.own[mode] * time, weight < _MINOR)
            for place in range(chosen.size):
                shares[place] += weight * best[place]
            asked += weight
    floor = _FLOOR * math.sqrt(pace(bank))
    for place in range(chosen.size):
        shares[place] = (1.0 - floor) * shares[place] / asked + floor / chosen.size
    return shares


@compiled
def _best(bank: Bank, mode: int, chosen: Arms, drift: float, is_minor: bool) -> Floats:  # noqa: FBT001 - by place
    """Gives P(best) by one hypothesis, with beliefs as wide as they will be."""
    alpha, beta = np.empty(chosen.size), np.empty(chosen.size)
    for place in range(chosen.size):
        logit = bank.logit[mode, chosen[place]]
        variance = capped(logit, bank.variance[mode, chosen[place]] + drift) / _SHARPENING
        alpha[place] = max(1.0, (1.0 + math.exp(logit)) / variance)
        beta[place] = max(1.0, (1.0 + math.exp(-logit)) / variance)
    skewed = min(alpha.min(), beta.min()) < _SKEWED
    if is_minor:
        return best_shares(alpha, beta, _ROUGH_STEP)
    return best_shares(alpha, beta, 0.5 * _STEP if skewed else _STEP)
