"""Off-policy estimates: what an objective would have been worth, had other shares of traffic been in force.

Traffic comes as counts: for each interval and arm the trials, their reward sum and sum of squares, the propensity (the
share in force at routing) and the target share. All trials of such a cell weigh the same, w = target / propensity, so
that sums over trials are sums over cells, and every figure equals that of the formula over single trials:

* IPS: mean of w r. Unbiased, wide where weights are.
* SNIPS: sum of w r over sum of w. A little biased, narrower; never outside the rewards seen.
* DR: mean of m + w (r - q), where q is the mean reward of the arm in the other folds and m the target's mean of q.

What cannot be estimated is refused, never guessed: a target share above 0 where the propensity was 0 (`Unsupported`),
and fewer than two trials, or none on the arms that the target serves (`TooFew`). A trial whose propensity was 0 cannot
have been routed by the shares in force: it is left out, and counted as stray.

Intervals are normal ones, for trials that are independent of each other given the shares. Sticky visitors and retries
are not, and make them too narrow.

Sources: Horvitz, Thompson (1952); Swaminathan, Joachims: The self-normalized estimator for counterfactual learning
(NIPS 2015); Dudik, Langford, Li: Doubly robust policy evaluation and learning (ICML 2011).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from trimtab.engine.policy.policy import Batch

Floats = npt.NDArray[np.float64]

_FOLDS: Final = 5
_LEAST_TRIALS: Final = 2


@dataclass(frozen=True, slots=True)
class Logged:
    """Traffic as it was, and the shares of another policy: one row an interval, one column an arm in each array."""

    trials: Floats
    rewards: Floats
    squares: Floats
    shares: Floats
    """the propensities"""
    targets: Floats
    stray: float = 0.0
    """trials that are left out, for their propensity was 0"""

    @classmethod
    def of(cls, batches: Sequence[Batch], targets: Sequence[Sequence[float]]) -> "Logged":
        """Gives the traffic of `batches`, and in each of them the shares of the other policy.

        >>> batch = Batch(trials=[8, 2], rewards=[4, 2], squares=[4, 2], shares=[0.8, 0.2])
        >>> ips(Logged.of([batch], [[0.5, 0.5]])).value
        0.75
        """
        arms = len(batches[0].trials) if batches else 0
        trials, rewards, squares, shares = (
            np.array([getattr(batch, name) for batch in batches], dtype=np.float64).reshape(len(batches), arms)
            for name in ("trials", "rewards", "squares", "shares")
        )
        known = shares > 0
        return cls(
            trials * known, rewards * known, squares * known, shares,
            np.array(targets, dtype=np.float64).reshape(shares.shape), float(trials[~known].sum()),
        )  # fmt: skip

    def before(self, interval: int) -> "Logged":
        """Gives the part before an interval; stray trials stay counted as a whole."""
        return Logged(
            self.trials[:interval], self.rewards[:interval], self.squares[:interval], self.shares[:interval],
            self.targets[:interval], self.stray,
        )  # fmt: skip

    @property
    def weights(self) -> Floats:
        """Target over propensity; 0 where both are."""
        return np.divide(self.targets, self.shares, out=np.zeros_like(self.shares), where=self.shares > 0)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean reward with what is needed to judge it."""

    value: float
    standard_error: float
    trials: float
    effective_trials: float
    """(sum of w)^2 / sum of w^2: as many equally weighted trials would tell as much"""
    greatest_weight: float

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Gives the normal interval around the value."""
        reach = float(ndtri(0.5 + confidence / 2)) * self.standard_error
        return self.value - reach, self.value + reach


@dataclass(frozen=True, slots=True)
class Values:
    """One policy's worth by three estimators, beside that of the shares in force."""

    actual: Estimate
    ips: Estimate
    snips: Estimate
    dr: Estimate


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The target serves an arm that had no traffic: nothing is known of what would have come of it."""

    arm: int
    first: int
    """the interval where that is so first"""
    intervals: int
    """in which it is so for this arm"""


@dataclass(frozen=True, slots=True)
class TooFew:
    """There are too few trials to tell anything."""

    trials: float
    effective_trials: float


def estimate(logged: Logged) -> Values | Unsupported | TooFew:
    """Gives the worth of the target, or why it cannot be told."""
    lacking = unsupported(logged)
    if lacking is not None:
        return lacking
    trials, weights = float(logged.trials.sum()), logged.weights
    if trials < _LEAST_TRIALS or not (logged.trials * weights).any():
        return TooFew(trials, _effective(logged.trials, weights))
    actual = Logged(logged.trials, logged.rewards, logged.squares, logged.shares, logged.shares)
    return Values(ips(actual), ips(logged), snips(logged), dr(logged))


def unsupported(logged: Logged) -> Unsupported | None:
    """Gives the arm that first lacks the support that the target needs; None where no arm does.

    An interval without trials needs none.
    """
    lacks = (logged.targets > 0) & (logged.shares <= 0) & (logged.trials.sum(axis=1, keepdims=True) > 0)
    if not lacks.any():
        return None
    first, arm = (int(place) for place in np.argwhere(lacks)[0])
    return Unsupported(arm, first, int(lacks[:, arm].sum()))


def ips(logged: Logged) -> Estimate:
    """Gives the inverse propensity score estimate, of two trials at least; its error is sd(w r) / sqrt(n)."""
    weights = logged.weights
    return _mean(logged, (weights * logged.rewards).sum(), (weights**2 * logged.squares).sum())


def snips(logged: Logged) -> Estimate:
    """Gives the self-normalised estimate, of trials with any weight; its error is by the delta method."""
    weights = logged.weights
    total = float((weights * logged.trials).sum())
    value = float((weights * logged.rewards).sum()) / total
    apart = logged.squares - 2 * value * logged.rewards + value**2 * logged.trials
    error = np.sqrt(max(0.0, float((weights**2 * apart).sum()))) / total
    return _estimate(logged, value, float(error))


def dr(logged: Logged, *, folds: int = _FOLDS) -> Estimate:
    """Gives the doubly robust estimate, of two trials at least; interval t belongs to fold t modulo `folds`."""
    weights, model = logged.weights, _model(logged, folds)
    base = (logged.targets * model).sum(axis=1, keepdims=True) - weights * model
    total = logged.trials * base + weights * logged.rewards
    squares = logged.trials * base**2 + 2 * base * weights * logged.rewards + weights**2 * logged.squares
    return _mean(logged, total.sum(), squares.sum())


def _model(logged: Logged, folds: int) -> Floats:
    """Gives each arm's mean reward outside an interval's own fold: where it has none there, that of all arms, or 0."""
    fold = np.arange(len(logged.trials)) % folds
    model = np.zeros_like(logged.trials)
    for own in range(folds):
        trials, rewards = logged.trials[fold != own].sum(axis=0), logged.rewards[fold != own].sum(axis=0)
        pooled = rewards.sum() / max(trials.sum(), 1.0)
        model[fold == own] = np.divide(rewards, trials, out=np.full_like(rewards, pooled), where=trials > 0)
    return model


def _mean(logged: Logged, total: float, squares: float) -> Estimate:
    """Gives the mean of what sums to `total`, its squares to `squares`, over all trials."""
    n = float(logged.trials.sum())
    value = float(total) / n
    variance = max(0.0, float(squares) - n * value**2) / (n - 1)
    return _estimate(logged, value, float(np.sqrt(variance / n)))


def _estimate(logged: Logged, value: float, error: float) -> Estimate:
    weights = logged.weights
    served = weights[logged.trials > 0]
    return Estimate(
        value, error, float(logged.trials.sum()), _effective(logged.trials, weights), float(served.max(initial=0.0))
    )


def _effective(trials: Floats, weights: Floats) -> float:
    squares = float((trials * weights**2).sum())
    return float((trials * weights).sum()) ** 2 / squares if squares else 0.0
