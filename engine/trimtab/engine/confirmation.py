"""Promotions that wait until somebody outside confirms them.

* A variant that is to take all traffic for good waits, where the release file names a hook for it; of a blue/green
  release the switch does. Steps before it, and whatever takes traffic away, wait for nobody.
* The answer is a command of the evidence log: whoever asks does so outside, and a replay sees the answer where it came.
* A confirmation is of what is ready when it comes. It lapses where the strategy wants anything else before it moves.
* A person who promotes to the end needs none.
"""

from trimtab.engine.release_state import ReleaseState
from trimtab.engine.strategy.situation import Move
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import BlueGreen


def unconfirmed(spec: Spec, state: ReleaseState, move: Move) -> str:
    """Gives the rule by which weights are held instead of `move`; empty where it may be made. Takes note of both."""
    hook = spec.hooks.confirm_promotion
    variant = _promoted(spec, state, move) if hook else ""
    state.ready = variant
    if not variant or state.confirmed == variant:
        state.confirmed = variant
        return ""
    state.confirmed = ""
    return f"confirmation: weights are held, the promotion of {variant} is waiting for confirmation by {hook}"


def _promoted(spec: Spec, state: ReleaseState, move: Move) -> str:
    """Gives the variant that a move promotes; empty where it promotes none."""
    if isinstance(spec.strategy, BlueGreen):
        candidate = next(variant.name for variant in spec.variants if variant.name != spec.baseline)
        return candidate if move.step > state.step else ""
    chosen = spec.variants[move.chosen].name if move.chosen is not None else spec.baseline
    return chosen if chosen != spec.baseline else ""
