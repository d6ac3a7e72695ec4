"""What a strategy is told, and what it answers. Strategies are functions from the one to the other."""

from collections.abc import Mapping, Sequence

import msgspec

from trimtab.engine.experiment.sample import Sample
from trimtab.schemas.decision import Assessment
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Spec


class Situation(msgspec.Struct, frozen=True, gc=False):
    """A release at the moment its weights are to be chosen. Sequences follow the order of `spec.variants`."""

    spec: Spec
    now_ms: int
    weights: Sequence[int]
    eligible: Sequence[bool]
    """which variants may take traffic; the baseline always may"""
    probabilities: Sequence[float]
    """P(best) among the eligible ones, 0 for the others"""
    responses: Sequence[int]
    """since the release began"""
    assessments: Mapping[str, Sequence[Assessment]]
    """variant -> its guardrails' verdicts"""
    step: int
    step_began_ms: int
    """when the weights reached the step"""
    step_responses: Sequence[int]
    """what `responses` were then"""
    shares: Sequence[float]
    """what the policy of a bandit or an ensemble would give each variant; nothing for other strategies"""
    samples: Sequence[Sample]
    """what each variant has shown of the objective under the present spec; nothing for those which have `shares`"""
    room: int = BASIS_POINTS
    """what the candidates that may take traffic may take together"""
    is_heard: Sequence[bool] = ()
    """which variants have had responses of late; nothing for strategies without steps"""
    segment_shares: Mapping[str, Sequence[float]] = {}
    """segment -> what a policy that knows segments would give each variant there"""
    fault: str = ""
    """what a user's own policy did wrong; empty where nothing"""
    cleared_step: int = -1
    """the last step that a person has let end"""

    @property
    def baseline(self) -> int:
        """Position of the baseline."""
        return [variant.name for variant in self.spec.variants].index(self.spec.baseline)

    @property
    def candidates(self) -> list[int]:
        """Positions of the variants other than the baseline that may take traffic."""
        return [arm for arm, may in enumerate(self.eligible) if may and arm != self.baseline]

    @property
    def is_cleared(self) -> bool:
        """Whether a person lets the present step end now."""
        return self.cleared_step >= self.step

    def name(self, arm: int) -> str:
        """Name of the variant at a position."""
        return self.spec.variants[arm].name


class Move(msgspec.Struct, frozen=True, gc=False):
    """Where the weights should go, and why."""

    target: tuple[float, ...]
    """basis points a strategy wants; limits are applied afterwards"""
    rule: str
    step: int = 0
    chosen: int | None = None
    """the variant that takes all from now on, which ends the release once it has it"""
    keeps_floor: bool = False
    """whether every variant that may take traffic keeps at least the floor"""
    is_complete: bool = False
    """whether the release is over with this, without a variant that takes all"""
    segments: Mapping[str, tuple[float, ...]] = {}
    """segment -> where its weights should go; those of all others go to `target`"""


def all_to(arm: int, arms: int) -> tuple[float, ...]:
    """Gives the shares under which one of `arms` variants takes all traffic."""
    return tuple(float(BASIS_POINTS) if at == arm else 0.0 for at in range(arms))
