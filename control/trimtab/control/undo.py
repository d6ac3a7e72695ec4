"""Going back to an earlier revision: which release file to apply again, and which weights to set.

The rules, which are decided here:
  * Without a revision it goes to the one before the newest change of weights, phase or file that was no going on of the
    release itself: the one that the newest command or release file replaced.
  * The release file that was in force then is applied again where it is not the one in force now.
  * Then its weights are set, which pauses the release: somebody is to look before it goes on.
  * A release that is over is begun anew first, for one that is over takes no weights.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from trimtab.control.turns import ordered_by
from trimtab.schemas.decision import Decision
from trimtab.schemas.evidence import Command

_UNDO: Final = "undo to revision"


@dataclass(frozen=True, slots=True)
class Undoing:
    """What is to be done, in this order."""

    to: Decision
    document: bytes | None
    """the release file to apply; None where it is in force"""
    retries: bool
    """whether the release has to begin anew"""
    weights: dict[str, int] = field(default_factory=dict)

    def commands(self, actor: str, reason: str) -> list[Command]:
        """Gives the orders that follow the release file."""
        why = f"{_UNDO} {self.to.revision}: {reason}"
        orders: dict[str, Any] = {"release": self.to.release, "reason": why, "actor": actor}
        again = [Command(action="retry", **orders)] if self.retries else []
        return [*again, Command(action="set-weights", weights=self.weights, **orders)]


def target(decisions: Iterable[Decision]) -> Decision | None:
    """Gives the decision that the newest command or release file replaced; None where none is known."""
    before: Decision | None = None
    found: Decision | None = None
    for decision in decisions:
        actor, reason = ordered_by(decision.rule)
        # An undo is a file, or a new beginning, and then weights: one change.
        goes_on = reason.startswith(_UNDO) and before is not None and before.rule.startswith(("applied", "retry by"))
        if before is not None and not goes_on and (actor or decision.rule.startswith("applied")):
            found = before
        before = decision
    return found


def plan(to: Decision, then: bytes, now: tuple[Decision, bytes]) -> Undoing:
    """Gives what leads back to `to`, which was made under `then`; `now` is how the release stands, and its file."""
    standing, document = now
    is_same = then == document
    return Undoing(to, None if is_same else then, is_same and standing.phase.is_over, dict(to.weights))
