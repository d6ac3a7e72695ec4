"""The decisions that changed what a release does, among all of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from trimtab.schemas.decision import Decision

_COMMANDS: Final = ("pause", "resume", "promote", "abort", "retry", "freeze", "set-weights", "exclude", "confirm")


@dataclass(frozen=True, slots=True)
class Turn:
    """A decision that changed what a release does, and who wanted it."""

    decision: Decision
    actor: str = ""
    """of the command that made it; empty where none did"""
    reason: str = ""
    """in the actor's words"""


def turns(decisions: Iterable[Decision]) -> Iterator[Turn]:
    """Gives the decisions with another phase or other weights than the one before them, and those of commands."""
    before: Decision | None = None
    for decision in decisions:
        actor, reason = ordered_by(decision.rule)
        if actor or before is None or _stands(before) != _stands(decision):
            yield Turn(decision, actor, reason)
        before = decision


def _stands(decision: Decision) -> tuple[object, ...]:
    return decision.phase, decision.weights, decision.segments, decision.queued_behind


def ordered_by(rule: str) -> tuple[str, str]:
    """Gives who gave the command that a rule tells of, and why; nothing where it tells of none."""
    action, by, rest = rule.partition(" by ")
    if not by or action not in _COMMANDS:
        return "", ""
    actor, _, reason = rest.partition(": ")
    return actor, reason
