"""A release under one spec: what is kept and believed of its variants, who guards them, and what is to be chosen from.

Another spec, or the same one begun anew, is another course; evidence goes on, and what else does is in the state.
"""

from msgspec.structs import replace

from trimtab.engine.account import Basis, decision_of, weights_of
from trimtab.engine.belief import Belief
from trimtab.engine.evidence import Evidence
from trimtab.engine.guard import Guard
from trimtab.engine.learning import Learning, Shares
from trimtab.engine.movement import Movement
from trimtab.engine.objective import Objective
from trimtab.engine.policy.build import Factories
from trimtab.engine.reaction import Reaction
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.sizing import Sizing
from trimtab.engine.strategy.situation import Situation
from trimtab.engine.strategy.steps import HEARD_MS, steps_of
from trimtab.schemas.decision import Assessment, Decision, WeightsRecord
from trimtab.schemas.ids import Revision
from trimtab.schemas.release import Release
from trimtab.schemas.strategy import Bandit, Ensemble


class Course:
    """All that a release decides by, under one spec."""

    __slots__ = ("_had", "_targets", "belief", "evidence", "guard", "learning", "movement", "objective", "reaction",
                 "release", "sizing", "spec", "state")  # fmt: skip

    def __init__(self, release: Release, evidence: Evidence, state: ReleaseState, factories: Factories) -> None:
        """`factories`: policies that users bring. Raises what `policy_under` does."""
        self.release, self.evidence, self.state = release, evidence, state
        self.spec = spec = release.spec
        evidence.require_shares(spec.share_metric)
        self.objective = Objective(spec, evidence)
        self.belief = Belief(spec, self.objective, state)
        self.guard = Guard(spec, evidence)
        self.learning = (
            Learning(spec, spec.strategy, self.objective, self.belief.priors, factories)
            if isinstance(spec.strategy, Bandit | Ensemble)
            else None
        )
        self.movement = Movement(spec, state)
        self.sizing = Sizing(spec, evidence, state.scaling)
        self.reaction = Reaction(state, self.movement, self.guard, self.sizing)
        self._had: tuple[int, list[int]] = (-1, [])
        """edition of the evidence when somebody last asked for responses, and those"""
        self._targets = {variant.name: variant.at_proxy for variant in spec.variants}

    @property
    def may_take(self) -> list[str]:
        """The variants that may take traffic."""
        return [name for name in self.movement.names if name not in self.state.excluded]

    def assess(self) -> dict[str, list[Assessment]]:
        """Gives the verdicts of all guardrails on the variants that may take traffic."""
        return self.guard.assess(self.may_take, self.state.now_ms // 1000)

    def responses(self) -> list[int]:
        """Gives what each variant has had so far; not to be changed, for a decision asks several times."""
        edition, totals = self.evidence.edition, self.evidence.totals
        if self._had[0] != edition:
            self._had = (edition, [totals[name].responses for name in self.movement.names])
        return self._had[1]

    def situation(self, assessments: dict[str, list[Assessment]]) -> Situation:
        """Gives what a strategy chooses from; a policy is told what is new."""
        state, eligible, learning = self.state, self.movement.eligible, self.learning
        shares = learning.shares(eligible, state) if learning else Shares()
        return Situation(  # the first ones by place: see `account.py` for what more than 14 keywords cost
            self.spec, state.now_ms, state.weights, eligible, self.belief.probabilities(eligible), self.responses(),
            assessments=assessments, step=state.step, step_began_ms=state.step_began_ms,
            step_responses=state.step_responses or [0] * len(eligible), cleared_step=state.cleared_step,
            samples=() if learning else self.belief.samples(), shares=shares.overall,
            segment_shares=shares.segments, fault=learning.fault if learning else "",
            room=self.movement.room, is_heard=self._is_heard(),
        )  # fmt: skip

    def _is_heard(self) -> list[bool]:
        if not steps_of(self.spec):
            return []
        return [self.evidence.window(name, HEARD_MS).responses > 0 for name in self.movement.names]

    def decision(self, rule: str, replaces: Revision, assessments: dict[str, list[Assessment]]) -> Decision:
        """Gives the decision that `rule` made, with all that it rests on."""
        wanted, self.movement.wanted = self.movement.wanted, None
        basis = Basis(
            self.movement.names, self.state, self.evidence, self.objective, self.belief, assessments, wanted
        )  # fmt: skip
        made = decision_of(self.release, basis, rule, replaces)
        if self.learning and (account := self.learning.account):
            made = replace(made, reasons=[*made.reasons, account])
        self.evidence.let_go()
        made = replace(made, divergences=seen) if (seen := self.reaction.divergences()) else made
        return replace(made, scaling=shown) if (shown := self.sizing.shown) else made

    def weights_record(self, decision: Decision) -> WeightsRecord:
        """Gives what a sidecar needs of a decision."""
        return weights_of(decision, self.spec, self.state, self.movement.candidates, self._targets)
