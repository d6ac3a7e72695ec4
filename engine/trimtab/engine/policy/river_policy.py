"""Any `river.bandit.Policy` without context, by the name of its class: how often it pulls each arm becomes the shares.

* River learns from one reward at a time and a batch has sums: an arm's rewards are told as so many ones, spread evenly
  among zeros, arms in turn; fractions of a reward wait for the next batch. For real values each reward is the batch's
  mean, one standard deviation up and down in turn, which keeps sum and squares.
* A batch of 1,000 is 1,000 calls, some 0.7 to 3 ms. `max_updates` bounds them: of a larger batch it is told a
  proportional part, so it knows less than it could, and explores more.
* Shares are counted over `pulls` seeded pulls of a copy (2 to 8 us each), whose standard error is at most
  0.5 / sqrt(pulls). UCB and BayesUCB pull the same arm each time, and so does any policy in its burn-in: the whole
  batch goes to one arm.
* Nothing that is drawn lasts: pulls happen on a copy, seeded by the decision.
* River's Exp3 multiplies weights that overflow and divides by probabilities of its newest pull. Here weights are
  scaled by the greatest after every few updates, which changes no probability, and it is given the propensities of the
  batch, at least those that its gamma guarantees.
"""

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from river import bandit, proba

from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.river_state import dump, load
from trimtab.engine.policy.spread import in_proportion
from trimtab.schemas.nearest import known

_UPDATES_PER_SCALING: Final = 256
"""of Exp3, whose weights grow by at most e with each"""
_LEAST_WEIGHT: Final = 1e-300
"""From 0 no weight would come back."""


def river_policies() -> list[str]:
    """Gives the names of the policies without context that the installed River has."""
    return sorted(
        name
        for name, kind in vars(bandit).items()
        if isinstance(kind, type)
        and issubclass(kind, bandit.base.Policy)
        and not issubclass(kind, bandit.base.ContextualPolicy)
    )


class RiverPolicy:
    """Shares of traffic by the pulls of a policy of River.

    >>> policy = RiverPolicy(2, "UCB", {"delta": 1.0}, pulls=10, max_updates=1000, real_valued=False)
    >>> policy.update(Batch([100, 100], [10, 90], [10, 90], [0.5, 0.5]))
    >>> policy.shares([True, True], 0, 1)
    [0.0, 1.0]
    """

    __slots__ = ("_arms", "_gained", "_max_updates", "_missed", "_name", "_parameters", "_policy", "_pulls",
                 "_real_valued")  # fmt: skip

    def __init__(  # noqa: PLR0913 - a policy's settings
        self, arms: int, name: str, parameters: Mapping[str, float], *, pulls: int, max_updates: int, real_valued: bool
    ) -> None:
        """Raises `ValueError` with what exists, and the nearest, where River has no policy `name`."""
        self._name = known(name, river_policies(), what="a policy of river.bandit")
        self._parameters = dict(parameters)
        self._arms = [str(arm) for arm in range(arms)]
        self._pulls = pulls
        self._max_updates = max_updates
        self._real_valued = real_valued
        self._start()

    def _start(self) -> None:
        reward = {"reward_obj": proba.Beta()} if self._name == "ThompsonSampling" else {}
        parameters = dict(self._parameters)
        burn_in = parameters.pop("burn_in", 0)
        self._policy: Any = getattr(bandit, self._name)(**parameters, **reward, seed=0)
        self._policy.burn_in = burn_in  # River's BayesUCB takes it for a scaler of rewards, and ends at the first one
        self._gained = [0.0] * len(self._arms)
        self._missed = [0.0] * len(self._arms)

    def update(self, batch: Batch) -> None:
        """Tells it the rewards of the batch, at most `max_updates` of them."""
        part = min(1.0, self._max_updates / max(sum(batch.trials), 1.0))
        self._prepare(batch.shares)
        told = [self._rewards(batch, arm, part) for arm in range(len(self._arms))]
        # Alternately: told of one arm after the other, a policy would first lose all faith in the second.
        turns = sorted(
            ((place + 0.5) / len(rewards), arm, reward)
            for arm, rewards in enumerate(told)
            for place, reward in enumerate(rewards)
        )
        for _, arm, reward in turns:
            self._policy.update(self._arms[arm], reward)
            self._scale()
        if isinstance(self._policy, bandit.Exp3):
            self._scale(every=1)

    def _rewards(self, batch: Batch, arm: int, part: float) -> list[float]:
        trials, rewards = batch.trials[arm], batch.rewards[arm]
        gained = trials if self._real_valued else min(max(rewards, 0.0), trials)
        self._gained[arm] += gained * part
        self._missed[arm] += (trials - gained) * part
        ones, zeros = int(self._gained[arm]), int(self._missed[arm])
        self._gained[arm] -= ones
        self._missed[arm] -= zeros
        if not self._real_valued:
            return _spread(ones, ones + zeros)
        return _up_and_down(ones, trials, rewards, batch.squares[arm])

    def _prepare(self, shares: Sequence[float]) -> None:
        if isinstance(self._policy, bandit.Exp3):
            least = self._policy.gamma / len(self._arms)
            self._policy._probabilities = {
                arm: max(share, least) for arm, share in zip(self._arms, shares, strict=True)
            }
            for arm in self._arms:
                self._policy._weights[arm]  # makes it, for an update counts them

    def _scale(self, every: int = _UPDATES_PER_SCALING) -> None:
        if isinstance(self._policy, bandit.Exp3) and self._policy._n % every == 0:
            weights = self._policy._weights
            greatest = max(weights.values())
            for arm in self._arms:
                weights[arm] = max(weights[arm] / greatest, _LEAST_WEIGHT)

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:  # noqa: ARG002 - of a Policy
        """Gives how often a copy of the policy pulls each arm that may take traffic."""
        policy = self._seeded_copy(seed)
        arms = [arm for arm, may in zip(self._arms, eligible, strict=True) if may]
        pulled = dict.fromkeys(self._arms, 0)
        for _ in range(self._pulls):
            pulled[policy.pull(arms)] += 1
        return in_proportion([float(pulled[arm]) for arm in self._arms], eligible)

    def _seeded_copy(self, seed: int) -> Any:
        policy = copy.deepcopy(self._policy)
        policy._rng.seed(seed)
        for arm in self._arms:
            # A distribution draws by a generator of its own; arms in their order, so that each gets the same seed.
            generator = getattr(policy._rewards[arm], "_rng", None) if self._name == "ThompsonSampling" else None
            if generator is not None:
                generator.seed(policy._rng.getrandbits(64))
        return policy

    def snapshot(self) -> Snapshot:
        """Gives the state of River's policy, and the fractions of rewards that wait."""
        return {"river": dump(self._policy), "gained": [*self._gained], "missed": [*self._missed]}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot."""
        self._start()
        load(self._policy, snapshot["river"])
        self._gained = [float(value) for value in snapshot["gained"]]
        self._missed = [float(value) for value in snapshot["missed"]]


def _spread(ones: int, count: int) -> list[float]:
    """Gives `count` rewards with the ones spread evenly."""
    return [float((place + 1) * ones // count - place * ones // count) for place in range(count)]


def _up_and_down(count: int, trials: float, rewards: float, squares: float) -> list[float]:
    """Gives `count` rewards with the mean and, for an even count, the variance of these sums."""
    mean = rewards / trials if trials > 0.0 else 0.0
    deviation = math.sqrt(max(squares / trials - mean * mean, 0.0)) if trials > 0.0 else 0.0
    return [mean + (deviation if place % 2 else -deviation) for place in range(count)]
