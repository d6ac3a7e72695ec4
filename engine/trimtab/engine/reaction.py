"""What comes of guardrails that fail, and of candidates that scaling has found to blame.

Aborts come first, whatever else fails; then what holds weights; then the advice that makes a latency guardrail wait.
Weights are held, too, while traffic does not follow them: what is learnt then would not be of what was decided.
"""

from collections.abc import Mapping, Sequence

from trimtab.engine.guard import Guard
from trimtab.engine.movement import Movement
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.shown import acts, breach
from trimtab.engine.sizing import Sizing
from trimtab.schemas.decision import Assessment, Phase, Verdict
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.guardrail import AnyGuardrail, LatencyGuardrail


class Reaction:
    """What acts on the verdicts of one release under one spec."""

    __slots__ = ("_guard", "_movement", "_sizing", "_state")

    def __init__(self, state: ReleaseState, movement: Movement, guard: Guard, sizing: Sizing) -> None:
        self._state, self._movement, self._guard, self._sizing = state, movement, guard, sizing

    def act(
        self, assessments: Mapping[str, Sequence[Assessment]], blamed: Mapping[str, str], responses: list[int]
    ) -> str:
        """Does what guardrails that fail ask for, and gives the rule; empty where weights may go on.

        `assessments`: variant -> its guardrails' verdicts. `blamed`: candidates that are to be taken out whatever
        guardrails say, with why. `responses`: what each variant has had so far.
        """
        now_ms = self._state.now_ms
        fails = self._acting(assessments)
        if not fails and not blamed:
            return ""
        advised = [words for one in fails if (words := self._sizing.excuse(one, now_ms))]
        fails = [one for one in fails if not self._sizing.is_excused(one, now_ms)]
        aborts = {one.variant: breach(one) for one in reversed(fails) if one.on_fail == "abort"} | dict(blamed)
        if aborts:
            return self._exclude(aborts)
        if rule := next((words for one in fails if (words := self._hold_back(one, responses))), ""):
            return rule
        if advised:
            self.start_over_on_latency()
        return "; ".join(advised)

    def _acting(self, assessments: Mapping[str, Sequence[Assessment]]) -> list[Assessment]:
        """Gives the verdicts on candidates that something has to be done about."""
        fail = Verdict.FAIL  # so that a decision asks the others no more than that
        return [
            one for name in self._movement.candidates for one in assessments[name] if one.verdict is fail and acts(one)
        ]

    def _exclude(self, aborts: Mapping[str, str]) -> str:
        self._movement.exclude(aborts)
        excluded = [f"{name} excluded, {aborts[name]}" for name in self._movement.names if name in aborts]
        return "guardrail: " + "; ".join(excluded)

    def _hold_back(self, failed: Assessment, responses: list[int]) -> str:
        if failed.on_fail == "pause" and self._state.phase is Phase.PROGRESSING:
            self._state.phase = Phase.PAUSED
            return f"guardrail: paused, {failed.variant}: {breach(failed)}"
        if failed.on_fail == "stepBack" and self._movement.step_back(responses):
            self._guard.start_over(lambda guardrail: guardrail.on_fail == "stepBack")
            return f"guardrail: a step back, {failed.variant}: {breach(failed)}"
        return ""

    def hold(self, assessments: Mapping[str, Sequence[Assessment]]) -> str:
        """Gives why weights are held although nobody says so; empty where they are not."""
        is_leaving = self._state.chosen == self._movement.names[self._movement.baseline]  # which is what a fail is for
        if not is_leaving and (fails := self._acting(assessments)):
            return f"guardrail: weights are held, {fails[0].variant}: {breach(fails[0])}"
        if seen := self.divergences():
            return f"observed: weights are held, {'; '.join(one.words for one in seen)}"
        left_ms = self._movement.cooldown_left_ms
        return f"cooldown: weights are held for another {-(-left_ms // 1000)} s" if left_ms else ""

    def divergences(self) -> list[Divergence]:
        """Gives how the traffic does not follow the weights: what sidecars tell, and what telemetry shows."""
        state = self._state
        return [*state.divergences, *self._guard.divergences(state.now_ms // 1000)]

    def is_asked(self) -> bool:
        """Whether a guardrail fails for which something is to be done that is not done yet."""
        return any(map(self._asks, self._guard.failing(self._movement.candidates)))

    def _asks(self, failing: AnyGuardrail) -> bool:
        phase = self._state.phase
        if phase is Phase.FROZEN or failing.severity == "signal" or failing.on_fail == "hold":
            return False
        return failing.on_fail != "pause" or phase is Phase.PROGRESSING

    def start_over_on_latency(self) -> None:
        """Lets the evidence of latency guardrails start anew: somebody has changed what they are about."""
        self._guard.start_over(_is_on_latency)


def _is_on_latency(guardrail: AnyGuardrail) -> bool:
    return isinstance(guardrail, LatencyGuardrail)
