"""What became of releases, and who asked for it, as a person reads it."""

from collections.abc import Iterable
from typing import Final

from rich import box
from rich.table import Table
from rich.text import Text

from trimtab.control.notation import time_text
from trimtab.control.show import phase_text
from trimtab.control.turns import Turn
from trimtab.schemas.audit import AuditEntry

_STYLE: Final = {"done": "green", "waiting": "yellow", "refused": "red", "failed": "red"}
_NOTHING: Final = "-"


def history_table(turns: Iterable[Turn]) -> Table:
    """Gives one line a decision that changed something."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("TIME", "REVISION", "PHASE", "WEIGHTS (bp)", "RULE", "BY", "REASON"):
        table.add_column(heading, overflow="fold")
    for turn in turns:
        decision = turn.decision
        weights = " ".join(f"{variant}={weight}" for variant, weight in decision.weights.items())
        rule = decision.rule.split(" by ", 1)[0] if turn.actor else decision.rule
        table.add_row(
            time_text(decision.time_ms), str(decision.revision), phase_text(decision), weights, rule,
            turn.actor or _NOTHING, turn.reason or _NOTHING,
        )  # fmt: skip
    return table


def audit_table(entries: Iterable[AuditEntry], *, is_wide: bool = False) -> Table:
    """Gives one line an entry; a wide one also tells from where, by which role, and how the release stood."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    more = ("ROLE", "ADDRESS", "BEFORE", "AFTER") if is_wide else ()
    for heading in ("TIME", "RELEASE", "ACTOR", "BY", "ACTION", "OUTCOME", "REASON", "DETAIL", *more):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        sides = [f"{side.revision} {side.phase}" if side else _NOTHING for side in (entry.before, entry.after)]
        table.add_row(
            time_text(entry.time_ms), entry.release or entry.subject, entry.actor, entry.source, entry.action,
            Text(entry.outcome, style=_STYLE[entry.outcome]), entry.reason or _NOTHING, entry.detail or _NOTHING,
            *([entry.role or _NOTHING, entry.address or _NOTHING, *sides] if is_wide else []),
        )  # fmt: skip
    return table
