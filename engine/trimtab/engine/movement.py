"""How the weights of a release move: what is excluded, what is chosen, which step it stands on.

* A variant that is excluded loses its weight to the baseline at once, and for good.
* Without any candidate left the release is rolled back.
* A chosen variant takes all traffic but the holdout, by as many steps as the limit asks for; the release is over once
  it has it.
* After a move weights stay for the cooldown. What guardrails and people order does not wait for it, and begins one.
* Weights of segments keep to the same rules (`segment_weights.py`). What a person orders holds for all of them.
* The switch of a blue/green release is one move, whatever the step limit says.
"""

from collections.abc import Mapping, Sequence
from functools import partial

from trimtab.engine.allocation import Bounds, allocate, withdraw
from trimtab.engine.ranges import laid_out
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.segment_weights import Weights, settled, withdrawn
from trimtab.engine.strategy.situation import Move
from trimtab.engine.strategy.steps import has_reached, share_of, steps_of, target_of
from trimtab.schemas.decision import Phase
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.limits import cap_under, room_of
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import BlueGreen


class Movement:
    """The weights of one release under one spec."""

    __slots__ = ("_bounds_of", "_candidates", "_eligible", "_excluded", "_room", "_spec", "_state", "_steps",
                 "baseline", "names", "wanted")  # fmt: skip

    def __init__(self, spec: Spec, state: ReleaseState) -> None:
        self._spec = spec
        self._state = state
        self._steps = steps_of(spec)
        self.names = [variant.name for variant in spec.variants]
        """in the order of the release file"""
        self.baseline = self.names.index(spec.baseline)
        """its position"""
        self.wanted: Move | None = None
        """the last move that was settled, for the account of the decision to take"""
        self._excluded = -1
        """how many were when somebody last asked who may take traffic, which candidates, and what they have room for"""
        self._eligible, self._candidates, self._room = list[bool](), list[str](), 0
        self._bounds_of: tuple[object, list[Bounds]] = (None, [])
        """what bounds rest on, and those when they were last asked for"""

    @property
    def eligible(self) -> list[bool]:
        """Which variants may take traffic; the baseline always may. Not to be changed."""
        if len(self._state.excluded) != self._excluded:  # they only become more, and a decision asks several times
            self._look()
        return self._eligible

    @property
    def candidates(self) -> list[str]:
        """The variants other than the baseline that may take traffic; not to be changed."""
        if len(self._state.excluded) != self._excluded:
            self._look()
        return self._candidates

    def _look(self) -> None:
        """Works out who may take traffic."""
        spec, names, excluded = self._spec, self.names, self._state.excluded
        self._excluded = len(excluded)
        self._eligible = [name not in excluded for name in names]
        self._candidates = [name for name in names if name != spec.baseline and name not in excluded]
        those = [variant for variant in spec.variants if variant.name in self._candidates]
        self._room = room_of(spec.limits, those, spec.strategy)

    def exclude(self, reasons: Mapping[str, str]) -> None:
        """Takes candidates out of the release; `reasons` is variant -> why."""
        state = self._state
        state.excluded.update(reasons)
        self._put(
            withdraw(state.weights, self.eligible, self.baseline),
            withdrawn(state.segment_weights, self.eligible, self.baseline),
        )
        if state.chosen in state.excluded:
            state.chosen = ""
        if state.ready in state.excluded:
            state.ready = state.confirmed = ""
        if not self.candidates:
            self.roll_back()

    def roll_back(self) -> None:
        """Ends the release with all traffic on the baseline."""
        self._state.phase = Phase.ROLLED_BACK
        self._put([BASIS_POINTS * (arm == self.baseline) for arm in range(len(self.names))])

    def put(self, weights: Mapping[str, int]) -> None:
        """Sets the weights as a person says, who knows better than any limit."""
        self._put([weights.get(name, 0) for name in self.names])

    def _put(self, weights: Sequence[int], of_segments: Weights | None = None) -> None:
        """Sets the weights; those of segments are those of the whole where nothing is said of them."""
        state, of_segments = self._state, of_segments or {}
        if (list(weights), of_segments) != (state.weights, state.segment_weights):
            state.weights, state.segment_weights, state.moved_ms = list(weights), of_segments, state.now_ms

    @property
    def cooldown_left_ms(self) -> int:
        """How long weights stay where they are because of the last move."""
        limits, state = self._spec.limits, self._state
        return max(0, state.moved_ms + limits.cooldown - state.now_ms) if limits.cooldown and state.moved_ms else 0

    def settle(self, move: Move, responses: list[int]) -> None:
        """Moves the weights toward the target as far as limits allow, and takes note of what they have reached.

        `responses`: what each variant has had so far.
        """
        state, self.wanted = self._state, move
        stood_on = state.step if self.has_reached(state.step) else -1
        state.step = move.step
        if move.chosen is not None:
            state.chosen = self.names[move.chosen]
        allocated = partial(self._allocated, move)
        weights = allocated(move.target, state.weights)
        self._put(weights, settled(state.segment_weights, move, state.weights, weights, allocated))
        if state.chosen and self._has_all(state.chosen):
            state.phase = Phase.ROLLED_BACK if state.chosen == self._spec.baseline else Phase.PROMOTED
        elif move.is_complete:
            state.phase = Phase.COMPLETED
        if stood_on != state.step and self.has_reached(state.step):
            state.step_began_ms, state.step_responses = state.now_ms, responses

    def _allocated(self, move: Move, target: Sequence[float], current: Sequence[int]) -> tuple[int, ...]:
        limits = self._spec.limits
        return allocate(
            target, current, self._bounds(move), self._max_step,
            baseline=self.baseline, holdout=limits.holdout, hysteresis=limits.hysteresis if move.keeps_floor else 0,
        )  # fmt: skip

    def lay_out(self) -> None:
        """Lets the ranges of buckets follow the weights, where requests are sticky."""
        if self._spec.stickiness is None:
            return
        state, names = self._state, self.names
        segments = {name: dict(zip(names, of, strict=True)) for name, of in state.segment_weights.items()}
        state.ranges = laid_out(state.ranges, dict(zip(names, state.weights, strict=True)), segments)

    def _has_all(self, variant: str) -> bool:
        """Whether a variant has all that it can get, in every segment."""
        state = self._state
        all_of_it = BASIS_POINTS - (0 if variant == self._spec.baseline else self._spec.limits.holdout)
        return state.weights[self.names.index(variant)] == all_of_it and not state.segment_weights

    def step_back(self, responses: list[int]) -> bool:
        """Goes back to the step before, by as much as limits allow; False where there is none.

        Candidates that have more than the present step takes, as on the way to all traffic or of an earlier step back,
        go to that one first; none is gone to that would give them more. Who has cleared a step, or confirmed what comes
        after it, did so before it was gone back to.
        """
        state = self._state
        if not self._steps or not self.candidates or state.chosen == self._spec.baseline:
            return False
        had = BASIS_POINTS - state.weights[self.baseline]
        step = state.step if had > share_of(self._steps, state.step, self.room) else state.step - 1
        share = share_of(self._steps, max(step, 0), self.room)
        if step < 0 or had < share:
            return False
        state.step_began_ms, state.step_responses = state.now_ms, responses
        state.cleared_step, state.ready, state.confirmed, state.chosen = -1, "", "", ""
        self.settle(Move(target_of(self._spec, self.eligible, share), "", step), responses)
        return True

    def has_reached(self, step: int) -> bool:
        """Whether the candidates have what they take in a step; never without steps."""
        if not self._steps:
            return False
        return has_reached(self._state.weights, self.baseline, share_of(self._steps, step, self.room))

    @property
    def room(self) -> int:
        """What the candidates that may take traffic may take together."""
        if len(self._state.excluded) != self._excluded:
            self._look()
        return self._room

    @property
    def _max_step(self) -> int:
        return BASIS_POINTS if isinstance(self._spec.strategy, BlueGreen) else self._spec.limits.max_step

    def _bounds(self, move: Move) -> list[Bounds]:
        rests_on = (self.eligible, bool(self._state.chosen), move.keeps_floor)
        if rests_on != self._bounds_of[0]:  # from decision to decision they are the same
            self._bounds_of = (rests_on, self._bounds_under(*rests_on))
        return self._bounds_of[1]

    def _bounds_under(self, eligible: Sequence[bool], is_chosen: bool, keeps_floor: bool) -> list[Bounds]:  # noqa: FBT001 - as `_bounds` has them
        spec, bounds = self._spec, []
        for arm, (variant, may) in enumerate(zip(spec.variants, eligible, strict=True)):
            is_free = arm == self.baseline or is_chosen
            floor = spec.limits.floor_of(variant) if may and keeps_floor else 0
            cap = BASIS_POINTS if is_free else cap_under(spec.limits, variant, spec.strategy)
            bounds.append(Bounds(floor, cap if may else 0))
        return bounds
