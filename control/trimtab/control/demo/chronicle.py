"""The decisions of a run as a story: the newest one, how the weights went, and what is worth telling."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from trimtab.schemas.decision import Decision
from trimtab.schemas.ids import NO_REVISION

_NOTES: Final = 50
"""How many are kept; no screen shows more."""


@dataclass(frozen=True, slots=True)
class Note:
    """A decision worth telling: what it came to, and the rule that chose it."""

    at_s: float
    text: str
    weights: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Chronicle:
    """What the demo knows of the release's decisions, with instants in seconds since the traffic started."""

    newest: Decision | None = None
    weights: list[tuple[float, Mapping[str, int]]] = field(default_factory=list)
    """each change, oldest first"""
    notes: list[Note] = field(default_factory=list)
    """newest last"""

    def add(self, decision: Decision, at_s: float) -> None:
        """Takes in a decision that was seen at `at_s`; one that is not newer changes nothing."""
        before = self.newest
        if decision.id <= (before.id if before else NO_REVISION):
            return
        self.newest = decision
        if before is None or before.weights != decision.weights:
            self.weights.append((at_s, decision.weights))
        if before is None or _turned(before, decision):
            self.note(Note(at_s, decision.rule, decision.weights))

    def note(self, note: Note) -> None:
        """Takes in something else that is worth telling."""
        self.notes.append(note)
        del self.notes[:-_NOTES]

    def weights_at(self, at_s: float) -> Mapping[str, int]:
        """Gives the weights in force at `at_s`; none before the first decision was seen."""
        in_force: Mapping[str, int] = {}
        for since_s, weights in self.weights:
            if since_s > at_s:
                break
            in_force = weights
        return in_force


def excluded(decision: Decision) -> dict[str, str]:
    """Gives the variants that may take no traffic, with the reason."""
    return {arm.variant: arm.excluded for arm in decision.arms if arm.excluded}


def _turned(before: Decision, after: Decision) -> bool:
    """Whether anything changed that a person would want to be told of."""
    return (
        before.phase != after.phase
        or before.step != after.step
        or excluded(before) != excluded(after)
        or before.weights != after.weights
    )
