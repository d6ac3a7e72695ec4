"""Sparklines: a quantity over time in a few rows of text."""

from collections.abc import Sequence
from typing import Final

_EIGHTHS: Final = " ▁▂▃▄▅▆▇█"
ZERO: Final = "·"
"""Stands for nothing at all, so that it differs from very little."""


def sparkline(values: Sequence[float | None], rows: int) -> list[str]:
    """Gives `rows` lines, top first, in which column i is as high as `values[i]` (0 to 1) says; None stays blank."""
    columns = [_column(value, rows) for value in values]
    return ["".join(column[row] for column in columns) for row in range(rows)]


def _column(value: float | None, rows: int) -> str:
    if value is None:
        return " " * rows
    if value <= 0:
        return ZERO.rjust(rows)
    eighths = max(1, round(min(value, 1.0) * rows * 8))
    full, rest = divmod(eighths, 8)
    return ((_EIGHTHS[rest] if rest else "") + _EIGHTHS[8] * full).rjust(rows)
