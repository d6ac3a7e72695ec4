"""What a person may order of a release, and why an order is refused.

A release that is over takes no order but `retry`, one that waits for another of its service none but `abort`, and none
may make two of them live at once. An order that cannot be followed is refused as a whole.
"""

from collections.abc import Sequence

from trimtab.engine.release_state import ReleaseState
from trimtab.schemas.evidence import Command
from trimtab.schemas.ids import BASIS_POINTS


def refusal_of(command: Command, state: ReleaseState, names: Sequence[str], in_the_way: str = "") -> str:
    """Gives why a command cannot be followed; empty where it can. `names` are those of the variants.

    `in_the_way`: the live release of the same service whose route overlaps.
    """
    if state.phase.is_over and command.action == "retry" and in_the_way:
        return f"{in_the_way} has the traffic of the same service"
    if state.behind and not state.phase.is_over and command.action != "abort":
        return f"it waits for {state.behind}, which has the traffic of the same service"
    if state.phase.is_over and command.action != "retry":
        return f"the release is over ({state.phase})"
    if command.action == "promote" and command.variant:
        return _unable(command.variant, state, names)
    if command.action == "set-weights":
        return _unfit(command.weights, state, names)
    return ""


def rule_of(command: Command) -> str:
    """Gives the words for a command that was followed, with who gave it and why."""
    by = f"{command.action} by {command.actor or 'an operator'}"
    return f"{by}: {command.reason}" if command.reason else by


def _unfit(weights: dict[str, int], state: ReleaseState, names: Sequence[str]) -> str:
    total = sum(weights.values())
    if total != BASIS_POINTS or min(weights.values()) < 0:
        return f"weights {weights!r} sum to {total} bp, expected {BASIS_POINTS} of none below 0"
    return next((why for name, weight in weights.items() if weight and (why := _unable(name, state, names))), "")


def _unable(variant: str, state: ReleaseState, names: Sequence[str]) -> str:
    if variant not in names:
        return f"no variant {variant!r}, expected one of {', '.join(names)}"
    why = state.excluded.get(variant, "")
    return f"{variant} takes no traffic: {why}" if why else ""
