"""How far back to look: `--since 5m`, or an instant."""

import re
import time
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from trimtab.control.command import USAGE, fail

_BACK: Final = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNIT_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

Since = Annotated[
    str,
    typer.Option("--since", metavar="WHEN", help="From then on: 5m, 7d, 2026-01-31T12:00:00Z, or all."),
]  # fmt: skip


def since_ms(text: str) -> int:
    """Gives milliseconds since the epoch; ends the command for what is neither a stretch of time nor an instant."""
    if text == "all":
        return 0
    if match := _BACK.fullmatch(text):
        return round((time.time() - float(match[1]) * _UNIT_S[match[2]]) * 1000)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        fail(
            f"--since: expected a time such as 5m or 7d, an instant such as 2026-01-31T12:00:00Z, or all; got {text!r}",
            USAGE,
        )
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
