"""The plain view: a line whenever something changed that matters, for logs and for terminals without a screen."""

from collections.abc import Callable
from typing import Final

from trimtab.control.demo.chronicle import Chronicle, excluded
from trimtab.control.demo.options import Strategy
from trimtab.control.demo.scenario import STEPS_BP
from trimtab.schemas.decision import Decision

_PERIOD_S: Final = 1.0
"""At most one line in this time."""

_MOVE_BP: Final = 500
"""A weight that moved less than this since the last line is not worth another."""


class Lines:
    """Writes what is new in `chronicle`, a line at a time."""

    def __init__(self, chronicle: Chronicle, write: Callable[[str], None]) -> None:
        self._chronicle = chronicle
        self._write = write
        self._told: Decision | None = None
        self._told_s = -_PERIOD_S

    def update(self, elapsed_s: float) -> None:
        """Writes a line, if there is something to say and the last one is a second old."""
        newest = self._chronicle.newest
        if newest is None or elapsed_s - self._told_s < _PERIOD_S or not _is_news(self._told, newest):
            return
        self._write(line(newest, elapsed_s))
        self._told, self._told_s = newest, elapsed_s


def line(decision: Decision, elapsed_s: float) -> str:
    """Gives a decision as one line."""
    step = f" step {decision.step + 1}/{len(STEPS_BP)}" if _has_steps(decision) else ""
    weights = "  ".join(f"{variant} {weight / 100:.2f} %" for variant, weight in decision.weights.items())
    return f"{elapsed_s:6.1f} s  {decision.phase.replace('_', ' ')}{step}  {weights}  {decision.rule}"


def _has_steps(decision: Decision) -> bool:
    return decision.strategy == Strategy.CANARY and not decision.phase.is_over


def _is_news(before: Decision | None, after: Decision) -> bool:
    if before is None or (before.phase, before.step) != (after.phase, after.step):
        return True
    moved = max(abs(weight - before.weights.get(variant, 0)) for variant, weight in after.weights.items())
    return moved >= _MOVE_BP or excluded(before) != excluded(after)
