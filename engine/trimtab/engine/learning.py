"""What the policy of a bandit or an ensemble is told, and when.

* It is told what became known since it was asked last, whenever that was routed, with the weights in force meanwhile as
  propensities. Where the objective has an attribution it is told of requests that matured since, with the weights of
  the revisions that routed them.
* A policy that knows segments is told of each of them, and of what is of none, with the weights in force there.
* Contents of panes may be replaced by lesser ones. What an arm then has too much of is not taken back from the policy:
  nothing of it is told until there is more again, and no more successes than trials.
* A prior is the first that it is told: a batch of observations that nobody made.
* To minimise, rewards are turned around: more is always better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from trimtab.engine.objective import NO_SUMS, Objective, Sums, within
from trimtab.engine.policy.admission import policy_under
from trimtab.engine.policy.build import Factories
from trimtab.engine.policy.context import Contextual
from trimtab.engine.policy.guest import Guest
from trimtab.engine.policy.hedge import Hedge
from trimtab.engine.policy.mixture import Mixture
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.prior import Pseudo, batch_of
from trimtab.engine.release_state import ReleaseState
from trimtab.schemas.evidence import VALUE_SCALE
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import Bandit, Ensemble

_SEED_BITS: Final = (1 << 63) - 1
_ERA_FACTOR: Final = 1_000_003
_NO_SEGMENT: Final = ""


class Shares(msgspec.Struct, frozen=True, gc=False):
    """What a policy would give each variant, in the order of the release file."""

    overall: Sequence[float] = ()
    """of the whole, or of traffic of no segment that is kept apart"""
    segments: Mapping[str, Sequence[float]] = {}


class Learning:
    """The policy of one release under one spec, with what it was told."""

    __slots__ = ("_contextual", "_faulty", "_objective", "_policy", "_spec", "_told", "_told_in")

    def __init__(
        self,
        spec: Spec,
        strategy: Bandit | Ensemble,
        objective: Objective,
        priors: Sequence[Pseudo],
        factories: Factories,
    ) -> None:
        """Raises what `policy_under` does."""
        self._spec = spec
        self._objective = objective
        self._policy = policy = policy_under(spec, strategy, factories)
        # `isinstance` of a protocol looks at all of its methods, which takes as long as all else here.
        self._contextual = policy if isinstance(policy, Contextual) else None
        self._faulty = policy if isinstance(policy, Guest | Mixture) else None
        names = [variant.name for variant in spec.variants]
        self._told = _Told([*objective.all_sums()], objective.expected)
        self._told_in: dict[str, _Told] = {}
        """segment -> what the policy was told there; nothing where it knows none"""
        if self._contextual is not None:
            for segment in (_NO_SEGMENT, *(one.name for one in spec.segments)):
                sums = [objective.sums_in(name, segment) for name in names]
                self._told_in[segment] = _Told(sums, objective.expected_in(segment))
        if any(prior.trials for prior in priors):
            self._policy.update(batch_of(priors, spec))

    @property
    def fault(self) -> str:
        """What a user's own policy did wrong when it was last told or asked; empty where nothing."""
        return self._faulty.fault if self._faulty is not None else ""

    @property
    def account(self) -> str:
        """The arithmetic of an ensemble's weights; empty of a policy that has none to tell."""
        policy = self._policy
        return policy.account([variant.name for variant in self._spec.variants]) if isinstance(policy, Hedge) else ""

    def shares(self, eligible: Sequence[bool], state: ReleaseState) -> Shares:
        """Tells the policy what is new, and gives the share that each variant should get."""
        seed = (state.newest[0] * _ERA_FACTOR + state.offset) & _SEED_BITS
        if self._contextual is not None:
            return self._shares_in(self._contextual, eligible, state, seed)
        batch = self._batch(_Told(self._objective.all_sums(), self._objective.expected), self._told, state.weights)
        new = sum(batch.trials)
        if new:
            self._policy.update(batch)
        return Shares(self._policy.shares(eligible, new + float(self._objective.in_flight), seed))

    def _shares_in(self, policy: Contextual, eligible: Sequence[bool], state: ReleaseState, seed: int) -> Shares:
        """Tells it of all segments first, for one learns from others."""
        pending = {}
        for segment, told in self._told_in.items():
            sums = [self._objective.sums_in(variant.name, segment) for variant in self._spec.variants]
            now = _Told(sums, self._objective.expected_in(segment))
            batch = self._batch(now, told, state.weights_in(segment))
            new = sum(batch.trials)
            if new:
                policy.update_in(segment, batch)
            pending[segment] = new + self._objective.in_flight_in(segment)
        given = {name: policy.shares_in(name, eligible, trials, seed) for name, trials in pending.items()}
        return Shares(given.pop(_NO_SEGMENT), given)

    def _batch(self, now: "_Told", told: "_Told", weights: Sequence[int]) -> Batch:
        """Gives what is not `told` yet of each variant, and takes note of it."""
        new: list[Sums] = []
        is_share, before = self._spec.objective.values == "share", told.sums
        for arm, (trials, rewards, squares) in enumerate(now.sums):
            had, earned, squared = before[arm]
            if trials > had:
                more = within((trials - had, rewards - earned, squares - squared), is_share=is_share)
                before[arm] = (trials, earned + more[1], squared + more[2])
                new.append(more)
            else:
                new.append(NO_SUMS)
        return self._batch_of(new, self._propensities(now, told, weights))

    @staticmethod
    def _propensities(now: "_Told", told: "_Told", weights: Sequence[int]) -> list[float]:
        """Gives the shares of traffic that arms had when the new trials were routed."""
        new = [max(0, due - before) for due, before in zip(now.expected, told.expected, strict=True)]
        if not any(new):  # also where no trial waits
            return [weight / BASIS_POINTS for weight in weights]
        told.expected = now.expected
        return [due / sum(new) for due in new]

    def _batch_of(self, new: Sequence[Sums], shares: list[float]) -> Batch:
        trials = [float(sums[0]) for sums in new]
        rewards = [sums[1] / VALUE_SCALE for sums in new]
        squares = [sums[2] / VALUE_SCALE if sums[2] > 0 else 0.0 for sums in new]
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

    def snapshot(self) -> Snapshot:
        """Gives the policy's state, and what it was told."""
        told_in = {segment: told.plain() for segment, told in self._told_in.items()}
        return {"policy": self._policy.snapshot(), **self._told.plain(), "told_in": told_in}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a release under the same spec."""
        self._policy.restore(snapshot["policy"])
        self._told = self._told.restored(snapshot)
        for segment, told in snapshot.get("told_in", {}).items():
            self._told_in[segment] = self._told_in[segment].restored(told)


@dataclass(slots=True)
class _Told:
    """What a policy was told of the whole, or of a segment."""

    sums: list[Sums]
    """of each variant"""
    expected: list[int]
    """of these trials, how many weights let expect of each arm; nothing where none waits"""

    def plain(self) -> Snapshot:
        """Gives it as plain data, in decimal texts: sums may be longer than any integer of MessagePack."""
        return {"told": [list(map(str, sums)) for sums in self.sums], "expected": list(map(str, self.expected))}

    def restored(self, plain: Snapshot) -> "_Told":
        """Gives what `plain` was taken of."""
        sums = [(int(trials), int(total), int(squares)) for trials, total, squares in plain["told"]]
        return _Told(sums, list(map(int, plain.get("expected", self.expected))))
