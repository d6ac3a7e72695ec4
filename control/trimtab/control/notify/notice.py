"""Which decisions are told, and as what.

The rules, which are decided here and nowhere else:
  * A decision is told when the phase changes, when a variant is taken out, or when weights begin to be held. That they
    go on being held is not told again.
  * It has one kind, the first of these that it is.
  * Its id is that of the decision: who gets a notice twice knows it by that.
"""

from dataclasses import dataclass
from enum import StrEnum

from trimtab.control.turns import ordered_by
from trimtab.schemas.decision import Decision, Phase


class Kind(StrEnum):
    """What has happened to a release."""

    STARTED = "started"
    PAUSED = "paused"
    FROZEN = "frozen"
    RESUMED = "resumed"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    COMPLETED = "completed"
    EXCLUDED = "excluded"
    """a variant takes no traffic any more"""
    HELD = "held"
    """weights are held for as long as a guardrail fails, or traffic does not follow them"""


GROUPS = {
    "phase": {Kind.STARTED, Kind.PAUSED, Kind.FROZEN, Kind.RESUMED, Kind.PROMOTED, Kind.ROLLED_BACK, Kind.COMPLETED},
    "abort": {Kind.ROLLED_BACK, Kind.EXCLUDED},
    "hold": {Kind.PAUSED, Kind.FROZEN, Kind.HELD},
}
"""What a target may ask for."""

_INTO = {
    Phase.PROGRESSING: Kind.RESUMED,
    Phase.PAUSED: Kind.PAUSED,
    Phase.FROZEN: Kind.FROZEN,
    Phase.PROMOTED: Kind.PROMOTED,
    Phase.ROLLED_BACK: Kind.ROLLED_BACK,
    Phase.COMPLETED: Kind.COMPLETED,
}
_HELD = ("guardrail: weights are held", "observed: weights are held", "confirmation: weights are held")


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to tell."""

    kind: Kind
    decision: Decision
    before: Decision | None
    """the decision that it replaced, where that is known"""

    @property
    def id(self) -> str:
        """The same for a notice that is told again."""
        return f"{self.decision.release}/{self.decision.era}.{self.decision.revision}"

    @property
    def actor(self) -> str:
        """Who ordered it; empty where nobody did."""
        return ordered_by(self.decision.rule)[0]


def notice_of(before: Decision | None, made: Decision) -> Notice | None:
    """Gives what to tell of a decision; None where it is nothing new. `before` is the one that it replaces."""
    kind = _kind(before, made)
    return None if kind is None else Notice(kind, made, before)


def _kind(before: Decision | None, made: Decision) -> Kind | None:
    if before is None:
        return Kind.STARTED
    if before.phase is not made.phase:
        return _INTO[made.phase]
    if _excluded(made) - _excluded(before):
        return Kind.EXCLUDED
    return Kind.HELD if made.rule.startswith(_HELD) and not before.rule.startswith(_HELD) else None


def _excluded(decision: Decision) -> set[str]:
    return {arm.variant for arm in decision.arms if arm.excluded}
