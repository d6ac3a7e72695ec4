"""How the weights of a release move: what is excluded, what is chosen, which step it stands on.

* A variant that is excluded loses its weight to the baseline at once, and for good.
* Without any candidate left the release is rolled back.
* A chosen variant takes all traffic by as many steps as the limit asks for; the release is over once it has it.
* The switch of a blue/green release is one move, whatever the step limit says.
"""

from collections.abc import Mapping

from trimtab.engine.allocation import Bounds, allocate, withdraw
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.strategy.situation import Move
from trimtab.engine.strategy.steps import has_reached, share_of, steps_of
from trimtab.schemas.decision import Phase
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import BlueGreen


class Movement:
    """The weights of one release under one spec."""

    __slots__ = ("_spec", "_state", "_steps", "baseline", "names")

    def __init__(self, spec: Spec, state: ReleaseState) -> None:
        self._spec = spec
        self._state = state
        self._steps = steps_of(spec.strategy)
        self.names = [variant.name for variant in spec.variants]
        """in the order of the release file"""
        self.baseline = self.names.index(spec.baseline)
        """its position"""

    @property
    def eligible(self) -> list[bool]:
        """Which variants may take traffic; the baseline always may."""
        return [name not in self._state.excluded for name in self.names]

    @property
    def candidates(self) -> list[str]:
        """The variants other than the baseline that may take traffic."""
        return [name for name in self.names if name != self._spec.baseline and name not in self._state.excluded]

    def exclude(self, reasons: Mapping[str, str]) -> None:
        """Takes candidates out of the release; `reasons` is variant -> why."""
        state = self._state
        state.excluded.update(reasons)
        state.weights = list(withdraw(state.weights, self.eligible, self.baseline))
        if state.chosen in state.excluded:
            state.chosen = ""
        if not self.candidates:
            self.roll_back()

    def roll_back(self) -> None:
        """Ends the release with all traffic on the baseline."""
        self._state.phase = Phase.ROLLED_BACK
        self._state.weights = [BASIS_POINTS * (arm == self.baseline) for arm in range(len(self.names))]

    def put(self, weights: Mapping[str, int]) -> None:
        """Sets the weights as a person says, who knows better than any limit."""
        self._state.weights = [weights.get(name, 0) for name in self.names]

    def settle(self, move: Move, responses: list[int]) -> None:
        """Moves the weights toward the target as far as limits allow, and takes note of what they have reached.

        `responses`: what each variant has had so far.
        """
        state = self._state
        stood_on = state.step if self.has_reached(state.step) else -1
        state.step = move.step
        if move.chosen is not None:
            state.chosen = self.names[move.chosen]
        state.weights = list(allocate(move.target, state.weights, self._bounds(move), self._max_step))
        if state.chosen and state.weights[self.names.index(state.chosen)] == BASIS_POINTS:
            state.phase = Phase.ROLLED_BACK if state.chosen == self._spec.baseline else Phase.PROMOTED
        elif move.is_complete:
            state.phase = Phase.COMPLETED
        if stood_on != state.step and self.has_reached(state.step):
            state.step_began_ms, state.step_responses = state.now_ms, responses

    def step_back(self, responses: list[int]) -> bool:
        """Goes back to the step before, by as much as limits allow; False where there is none."""
        state = self._state
        if not state.step or not self.candidates or state.chosen:
            return False
        share = share_of(self._steps, state.step - 1, self._spec.limits.max_weight, len(self.candidates))
        each = share / len(self.candidates)
        target = [each if name in self.candidates else 0.0 for name in self.names]
        target[self.baseline] = float(BASIS_POINTS - share)
        state.step_began_ms, state.step_responses = state.now_ms, responses
        self.settle(Move(tuple(target), "", state.step - 1), responses)
        return True

    def has_reached(self, step: int) -> bool:
        """Whether the candidates have what they take in a step; never without steps."""
        if not self._steps:
            return False
        share = share_of(self._steps, step, self._spec.limits.max_weight, len(self.candidates))
        return has_reached(self._state.weights, self.baseline, share)

    @property
    def _max_step(self) -> int:
        return BASIS_POINTS if isinstance(self._spec.strategy, BlueGreen) else self._spec.limits.max_step

    def _bounds(self, move: Move) -> list[Bounds]:
        limits = self._spec.limits
        bounds = []
        for arm, may in enumerate(self.eligible):
            is_free = arm == self.baseline or bool(self._state.chosen) or isinstance(self._spec.strategy, BlueGreen)
            floor = limits.min_weight if may and move.keeps_floor else 0
            bounds.append(Bounds(floor, 0 if not may else BASIS_POINTS if is_free else limits.max_weight))
        return bounds
