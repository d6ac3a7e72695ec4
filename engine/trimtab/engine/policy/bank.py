"""A bank of hypotheses about how arms move, each with a belief about every arm, all learning from the same batches.

Every hypothesis filters all arms in logit space and predicts the next batch; what it gave to the counts that came is
its evidence. The rules, decided here:

* Stable data give exact Beta counting: mean and variance of a logit stand for alpha = (1 + e^m) / v and
  beta = (1 + e^-m) / v, both kept at 1 or more, so a belief is never vaguer than a uniform one around its mean.
* Evidence is forgotten: with every event a little weight goes back to the prior, and a hypothesis that gains weight so
  takes on the beliefs of those that lose it (interacting multiple models, Blom and Bar-Shalom 1988).
* Batches of more than `_BATCH` events count as that many. Beyond it the sampling error is small against what a service
  does in a batch's time anyway, so drift is a matter of batches; otherwise every large batch would be forgotten.
* Scatter between batches beyond the binomial shrinks counts: n events tell as much as n / (1 + (n - 1) r) would.
* Rewards that vary less than coin tosses of the same mean tell more: counts grow by the ratio of the variances.
"""

import math
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.policy.hypothesis import Hypotheses
from trimtab.engine.policy.walk import log_rising

Floats = npt.NDArray[np.float64]

_BATCH: Final = 1000.0
"""Events of a batch beyond which time goes by batches."""
_FORGOTTEN: Final = 1e-5
"""Share of the evidence that goes back to the prior with an event."""
_SCATTER_KEPT: Final = 0.9
"""Share of what is known of scatter that a hypothesis takes on with new weight: noise outlives changes."""
_SPREAD: Final = 1.0
"""Variance of arms' logits around their common level before anything is known of them."""
_SMALLEST_SPREAD: Final = 1e-3
"""Of the variance of rewards against that of coin tosses: rewards that never vary still tell no more than this."""
_FAR: Final = 30.0
"""A logit beyond it is one of a share of 0 or 1, and would overflow."""
_NOTICEABLE: Final = 0.05
"""Excess variance of a count below which scatter does not show."""
_NEVER: Final = 1e-300
"""Weight whose logarithm still is a number."""
_NEWTON_STEPS: Final = 8
_CLOSE: Final = 1e-4

BATCH_SIZE: Final = 0
_VARIATION: Final = 1
_COIN_VARIATION: Final = 2


class Counts(NamedTuple):
    """One batch by arm."""

    trials: Floats
    rewards: Floats
    """their sums, from 0 to `trials`"""
    squares: Floats
    """the sums of their squares, from 0 to `rewards`"""


class Bank(NamedTuple):
    """The state, in the form that compiled code takes and changes: J hypotheses, K arms, D scatters."""

    logit: Floats
    """mean of an arm's logit, (J, K)"""
    variance: Floats
    """its variance, (J, K)"""
    weight: Floats
    """of a hypothesis and a scatter together; they sum to 1, (J, D)"""
    level: Floats
    """variance of what is known of the level of all arms, (J,)"""
    seen: Floats
    """events per batch (0 before the first), the variation of rewards, and what coin tosses would have had, (3,)"""


def new_bank(grid: Hypotheses, arms: int) -> Bank:
    """Gives the bank that knows nothing: every arm uniform on [0, 1]."""
    shape = (grid.prior.size, arms)
    weight = np.outer(grid.prior, grid.scatter_prior)
    return Bank(np.zeros(shape), np.full(shape, 2.0), weight, np.zeros(grid.prior.size), np.zeros(3))


@compiled
def logistic(logit: float) -> float:
    """Gives the share that has this logit."""
    return 1.0 / (1.0 + math.exp(-logit))


@compiled
def capped(logit: float, variance: float) -> float:
    """Gives the variance, or the greatest that leaves alpha and beta at 1 or more."""
    share = logistic(logit)
    return min(variance, 1.0 / max(share, 1.0 - share))


@compiled
def pace(bank: Bank) -> float:
    """Gives what an event counts as time: less than 1 where batches are large."""
    return min(1.0, _BATCH / max(float(bank.seen[BATCH_SIZE]), 1.0))


@compiled
def learn(grid: Hypotheses, bank: Bank, batch: Counts) -> None:
    """Takes one batch into `bank`; without trials nothing changes."""
    events = batch.trials.sum()
    if events <= 0.0:
        return
    if bank.seen[BATCH_SIZE] == 0.0:
        _start(bank, batch)
    size = bank.seen[BATCH_SIZE]
    # Weighed by its events, so that a few late ones do not pass for a small batch.
    bank.seen[BATCH_SIZE] += events / (events + 9.0 * size) * (events - size)
    time = events * pace(bank)
    counts = _informative(bank, batch)
    kept = _kept(grid, counts)
    _mix(grid, bank, -math.expm1(-_FORGOTTEN * time))
    gain = np.zeros_like(bank.weight)
    most = np.empty(grid.own.size)
    told = Counts(np.zeros(batch.trials.size), np.zeros(batch.trials.size), counts.squares)
    for mode in range(grid.own.size):
        for arm in range(batch.trials.size):
            wider = bank.variance[mode, arm] + grid.own[mode] * time
            bank.variance[mode, arm] = capped(bank.logit[mode, arm], wider)
        if grid.common[mode] > 0.0:
            _tell(bank.weight[mode], kept, counts, told)
            gain[mode] += _shift(bank, mode, bank.level[mode] + grid.common[mode] * time, told)
        _weigh(grid, bank, counts, mode, gain[mode])
        most[mode] = gain[mode].max()
        for at in range(grid.scatter.size):
            bank.weight[mode, at] *= math.exp(gain[mode, at] - most[mode])
        _tell(bank.weight[mode], kept, counts, told)
        _add(bank, mode, told)
    greatest = most.max()
    for mode in range(grid.own.size):
        bank.weight[mode] *= math.exp(most[mode] - greatest)
    bank.weight[:] /= bank.weight.sum()


@compiled
def _start(bank: Bank, batch: Counts) -> None:
    """Centres the beliefs on what all arms of the first batch have in common."""
    alpha, beta = batch.rewards.sum() + 1.0, (batch.trials - batch.rewards).sum() + 1.0
    logit = math.log(alpha / beta)
    bank.logit[:] = logit
    bank.variance[:] = capped(logit, _SPREAD)
    bank.seen[BATCH_SIZE] = batch.trials.sum()


@compiled
def _informative(bank: Bank, batch: Counts) -> Counts:
    """Gives the counts of coin tosses that would tell as much as these rewards."""
    for arm in range(batch.trials.size):
        if batch.trials[arm] > 0.0:
            square_of_sum = batch.rewards[arm] * batch.rewards[arm] / batch.trials[arm]
            bank.seen[_VARIATION] += max(0.0, batch.squares[arm] - square_of_sum)
            bank.seen[_COIN_VARIATION] += max(0.0, batch.rewards[arm] - square_of_sum)
    spread = (1.0 + bank.seen[_VARIATION]) / (1.0 + bank.seen[_COIN_VARIATION])
    worth = 1.0 / min(1.0, max(_SMALLEST_SPREAD, spread))
    return Counts(batch.trials * worth, batch.rewards * worth, batch.squares)


@compiled
def _mix(grid: Hypotheses, bank: Bank, forgotten: float) -> None:
    """Gives `forgotten` of all weight back to the prior, and beliefs with it."""
    weight, share = np.empty(grid.own.size), np.empty(grid.own.size)
    _mix_weights(grid, bank, forgotten, weight, share)
    _mix_beliefs(bank, weight, share)


# Number by number: arrays for what lies between take longer than all that is worked out here.
@compiled
def _mix_weights(grid: Hypotheses, bank: Bank, forgotten: float, weight: Floats, share: Floats) -> None:
    """Writes what hypotheses weighed to `weight`, and the part of each that is new to `share`."""
    modes, scatter = grid.own.size, np.zeros(grid.scatter.size)
    levels = moving = 0.0
    for mode in range(modes):
        weight[mode] = max(bank.weight[mode].sum(), _NEVER)
        back = forgotten * grid.prior[mode]
        share[mode] = back / ((1.0 - forgotten) * weight[mode] + back)
        levels += weight[mode] * bank.level[mode]
        moving += weight[mode] * (grid.common[mode] > 0.0)
        for at in range(scatter.size):
            scatter[at] += bank.weight[mode, at]
    level = levels / moving
    for at in range(scatter.size):
        scatter[at] = _SCATTER_KEPT * scatter[at] + (1.0 - _SCATTER_KEPT) * grid.scatter_prior[at]
    for mode in range(modes):
        back = forgotten * grid.prior[mode]
        for at in range(scatter.size):
            bank.weight[mode, at] = (1.0 - forgotten) * bank.weight[mode, at] + back * scatter[at]
        if grid.common[mode] > 0.0:
            bank.level[mode] += share[mode] * (level - bank.level[mode])


@compiled
def _mix_beliefs(bank: Bank, weight: Floats, share: Floats) -> None:
    """Lets each hypothesis take on, with its new `share`, what all of them believe together."""
    modes, arms = bank.logit.shape
    for arm in range(arms):
        mean = spread = 0.0
        for mode in range(modes):
            mean += weight[mode] * bank.logit[mode, arm]
        for mode in range(modes):
            away = bank.logit[mode, arm] - mean
            spread += weight[mode] * (bank.variance[mode, arm] + away * away)
        for mode in range(modes):
            part, away = share[mode], bank.logit[mode, arm] - mean
            bank.logit[mode, arm] -= part * away
            bank.variance[mode, arm] += part * (spread - bank.variance[mode, arm] + (1.0 - part) * away * away)


@compiled
def _kept(grid: Hypotheses, counts: Counts) -> Floats:
    """Gives, by arm and scatter, the share of what independent trials would tell that these do."""
    kept = np.zeros((counts.trials.size, grid.scatter.size))
    for arm in range(counts.trials.size):
        for at in range(grid.scatter.size):
            kept[arm, at] = 1.0 / (1.0 + max(0.0, counts.trials[arm] - 1.0) * grid.scatter[at])
    return kept


@compiled
def _tell(weight: Floats, kept: Floats, counts: Counts, told: Counts) -> None:
    """Sets `told` to the counts of independent trials that would tell as much as these, by a hypothesis's scatter."""
    total = weight.sum()
    for arm in range(counts.trials.size):
        share = 0.0
        for at in range(weight.size):
            share += weight[at] * kept[arm, at]
        told.trials[arm], told.rewards[arm] = share / total * counts.trials[arm], share / total * counts.rewards[arm]


@compiled
def _shift(bank: Bank, mode: int, variance: float, told: Counts) -> float:
    """Moves all arms by the likeliest movement of their level, of this prior variance; gives its evidence (Laplace)."""
    moved, curvature = 0.0, 1.0 / variance
    for _ in range(_NEWTON_STEPS):
        slope, curvature = -moved / variance, 1.0 / variance
        for arm in range(told.trials.size):
            if told.trials[arm] > 0.0:
                share = logistic(bank.logit[mode, arm] + moved)
                information = told.trials[arm] * share * (1.0 - share)
                own = 1.0 + bank.variance[mode, arm] * information
                slope += (told.rewards[arm] - told.trials[arm] * share) / own
                curvature += information / own
        step = min(1.0, max(-1.0, slope / curvature))
        moved += step
        if abs(step) < _CLOSE:
            break
    for arm in range(told.trials.size):
        logit = min(_FAR, max(-_FAR, bank.logit[mode, arm] + moved))
        bank.logit[mode, arm] = logit
        bank.variance[mode, arm] = capped(logit, bank.variance[mode, arm])
    bank.level[mode] = 1.0 / curvature
    return -0.5 * (moved * moved / variance + math.log(variance * curvature))


@compiled
def _weigh(grid: Hypotheses, bank: Bank, counts: Counts, mode: int, evidence: Floats) -> None:
    """Adds to `evidence` what a hypothesis gave to the counts, for each scatter: beta-binomial."""
    for arm in range(counts.trials.size):
        trials, rewards = counts.trials[arm], counts.rewards[arm]
        if trials <= 0.0:
            continue
        share = logistic(bank.logit[mode, arm])
        certainty = share * (1.0 - share) * bank.variance[mode, arm]
        known = certainty / (1.0 + certainty)
        independent = 0.0
        for at in range(grid.scatter.size):
            scatter = grid.scatter[at]
            if at == 0 or (trials - 1.0) * scatter >= _NOTICEABLE:
                size = 1.0 / (known + scatter - known * scatter) - 1.0
                alpha, beta = share * size, (1.0 - share) * size
                gain = log_rising(alpha, rewards) + log_rising(beta, trials - rewards) - log_rising(size, trials)
            else:
                gain = independent
            if at == 0:
                independent = gain
            evidence[at] += gain


@compiled
def _add(bank: Bank, mode: int, told: Counts) -> None:
    """Adds what was told to the beliefs."""
    for arm in range(told.trials.size):
        if told.trials[arm] > 0.0:
            logit, variance = bank.logit[mode, arm], bank.variance[mode, arm]
            alpha = (1.0 + math.exp(logit)) / variance + told.rewards[arm]
            beta = (1.0 + math.exp(-logit)) / variance + told.trials[arm] - told.rewards[arm]
            bank.logit[mode, arm] = math.log(alpha / beta)
            bank.variance[mode, arm] = 1.0 / alpha + 1.0 / beta
