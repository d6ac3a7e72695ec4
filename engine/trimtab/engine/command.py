"""What a person may order of a release, and why an order is refused.

A release that is over takes no order but `retry`, and `exclude` of a variant that still has traffic. One that waits
for another of its service takes none but `abort`, and none may make two of them live at once. An order that cannot be
followed is refused as a whole.
"""

from collections.abc import Sequence

from trimtab.engine.release_state import ReleaseState
from trimtab.schemas.evidence import Command
from trimtab.schemas.ids import BASIS_POINTS


def refusal_of(command: Command, state: ReleaseState, names: Sequence[str], baseline: str, in_the_way: str = "") -> str:
    """Gives why a command cannot be followed; empty where it can. `names` are those of the variants.

    `in_the_way`: the live release of the same service whose route overlaps.
    """
    if command.action == "exclude" and not state.behind:
        return _stays(command.variant, state, names, baseline)
    if state.phase.is_over and command.action == "retry" and in_the_way:
        return f"{in_the_way} has the traffic of the same service"
    if state.behind and not state.phase.is_over and command.action != "abort":
        return f"it waits for {state.behind}, which has the traffic of the same service"
    if state.phase.is_over and command.action != "retry":
        return f"the release is over ({state.phase})"
    return _unfit_to_its_words(command, state, names)


def _unfit_to_its_words(command: Command, state: ReleaseState, names: Sequence[str]) -> str:
    if command.action == "confirm":
        return _unasked(command.variant, state)
    if command.action == "promote" and command.variant:
        return _unable(command.variant, state, names)
    return _unfit(command.weights, state, names) if command.action == "set-weights" else ""


def _unasked(variant: str, state: ReleaseState) -> str:
    """Gives why a promotion cannot be confirmed."""
    if not state.awaits:
        return "no promotion waits for confirmation"
    return f"the promotion of {state.awaits} waits for confirmation" if variant not in ("", state.awaits) else ""


def rule_of(command: Command) -> str:
    """Gives the words for a command that was followed, with who gave it and why."""
    by = f"{command.action} by {command.actor or 'an operator'}"
    return f"{by}: {command.reason}" if command.reason else by


def _unfit(weights: dict[str, int], state: ReleaseState, names: Sequence[str]) -> str:
    total = sum(weights.values())
    if total != BASIS_POINTS or min(weights.values()) < 0:
        return f"weights {weights!r} sum to {total} bp, expected {BASIS_POINTS} of none below 0"
    return next((why for name, weight in weights.items() if weight and (why := _unable(name, state, names))), "")


def _stays(variant: str, state: ReleaseState, names: Sequence[str], baseline: str) -> str:
    """Gives why a variant cannot be excluded."""
    if variant == baseline:
        return f"{variant} is the baseline, which takes what others lose: set-weights moves its traffic"
    has_traffic = variant in names and any(
        weights[names.index(variant)] for weights in (state.weights, *state.segment_weights.values())
    )
    if state.phase.is_over and not has_traffic:
        return f"the release is over ({state.phase}), and {variant} has no traffic"
    return _unable(variant, state, names)


def _unable(variant: str, state: ReleaseState, names: Sequence[str]) -> str:
    if variant not in names:
        return f"no variant {variant!r}, expected one of {', '.join(names)}"
    why = state.excluded.get(variant, "")
    return f"{variant} takes no traffic: {why}" if why else ""
