"""What a bandit's policy is told, and when.

* It is told what became known since it was asked last, whenever that was routed, with the weights in force meanwhile as
  propensities. Where the objective has an attribution it is told of requests that matured since, with the weights of
  the revisions that routed them.
* Contents of panes may be replaced by lesser ones. What an arm then has too much of is not taken back from the policy:
  nothing of it is told until there is more again.
* A prior is the first that it is told: a batch of observations that nobody made.
* To minimise, rewards are turned around: more is always better.
"""

from collections.abc import Sequence
from typing import Final

from trimtab.engine.objective import NO_SUMS, Objective, Sums, within
from trimtab.engine.policy.build import policy_of
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.prior import Pseudo, batch_of
from trimtab.engine.release_state import ReleaseState
from trimtab.schemas.evidence import VALUE_SCALE
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import Bandit

_SEED_BITS: Final = (1 << 63) - 1
_ERA_FACTOR: Final = 1_000_003


class Learning:
    """The policy of one release under one spec, with what it was told."""

    __slots__ = ("_expected", "_objective", "_policy", "_spec", "_told")

    def __init__(self, spec: Spec, strategy: Bandit, objective: Objective, priors: Sequence[Pseudo]) -> None:
        self._spec = spec
        self._objective = objective
        names = [variant.name for variant in spec.variants]
        self._policy = policy_of(strategy.policy, names, real_valued=spec.objective.values == "real")
        self._told = [self._objective.sums(name) for name in names]
        self._expected = objective.expected
        """of the trials that were told, how many weights let expect of each arm; nothing where none waits"""
        if any(prior.trials for prior in priors):
            self._policy.update(batch_of(priors, spec))

    def shares(self, eligible: Sequence[bool], state: ReleaseState) -> list[float]:
        """Tells the policy what is new, and gives the share that each variant should get."""
        batch = self._batch(state.weights)
        if sum(batch.trials):
            self._policy.update(batch)
        seed = (state.newest[0] * _ERA_FACTOR + state.offset) & _SEED_BITS
        return self._policy.shares(eligible, self._pending(batch), seed)

    def _batch(self, weights: Sequence[int]) -> Batch:
        new: list[Sums] = []
        for arm, variant in enumerate(self._spec.variants):
            sums, told = self._objective.sums(variant.name), self._told[arm]
            if sums[0] > told[0]:
                trials, rewards, squares = (now - before for now, before in zip(sums, told, strict=True))
                rewards = self._within(trials, rewards)
                self._told[arm] = (sums[0], told[1] + rewards, sums[2])
                new.append((trials, rewards, squares))
            else:
                new.append(NO_SUMS)
        return self._batch_of(new, self._propensities(weights))

    def _within(self, trials: int, rewards: int) -> int:
        is_share = self._spec.objective.values == "share"
        return within(trials, rewards, is_share=self._objective.waits and is_share)

    def _propensities(self, weights: Sequence[int]) -> list[float]:
        """Gives the shares of traffic that arms had when the new trials were routed."""
        expected = self._objective.expected
        new = [max(0, now - before) for now, before in zip(expected, self._expected, strict=True)]
        if not sum(new):
            return [weight / BASIS_POINTS for weight in weights]
        self._expected = expected
        return [due / sum(new) for due in new]

    def _batch_of(self, new: Sequence[Sums], shares: list[float]) -> Batch:
        trials = [float(sums[0]) for sums in new]
        rewards = [sums[1] / VALUE_SCALE for sums in new]
        squares = [max(0, sums[2]) / VALUE_SCALE for sums in new]
        if self._spec.objective.goal == "minimize":
            rewards, squares = self._turned(trials, rewards, squares)
        return Batch(trials, rewards, squares, shares)

    def _turned(
        self, trials: list[float], rewards: list[float], squares: list[float]
    ) -> tuple[list[float], list[float]]:
        """Gives rewards of which more is better, where less was."""
        if self._spec.objective.values == "real":
            return [-reward for reward in rewards], squares
        return (
            [n - reward for n, reward in zip(trials, rewards, strict=True)],
            [max(0.0, n - 2 * reward + square) for n, reward, square in zip(trials, rewards, squares, strict=True)],
        )

    def _pending(self, batch: Batch) -> float:
        """Gives the trials that are under way or about to be: as many as have just ended, and what is in flight."""
        return sum(batch.trials) + float(self._objective.in_flight)

    def snapshot(self) -> Snapshot:
        """Gives the policy's state, and what it was told."""
        return {
            "policy": self._policy.snapshot(),
            "told": [list(map(str, sums)) for sums in self._told],
            "expected": list(map(str, self._expected)),
        }

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a release under the same spec."""
        self._policy.restore(snapshot["policy"])
        self._told = [(int(trials), int(total), int(squares)) for trials, total, squares in snapshot["told"]]
        self._expected = list(map(int, snapshot.get("expected", self._expected)))
