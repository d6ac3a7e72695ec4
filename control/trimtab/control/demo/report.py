"""The end of a run on paper: the verdict, and what each variant got and did."""

import math
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from trimtab.control.demo.ledger import Ledger, Tally, tally
from trimtab.control.demo.options import DemoOptions
from trimtab.control.demo.scenario import VARIANTS
from trimtab.control.demo.verdict import LAST_S, Verdict
from trimtab.control.demo.view import COLOURS

_COLUMNS: Final = ("", "requests", "share", "errors", "p50", "p99", "converted")


def report(options: DemoOptions, verdict: Verdict, ledger: Ledger) -> RenderableType:
    """Gives the verdict and, from the responses that the clients received, the table."""
    mark, style = ("✔", "bold green") if verdict.succeeded else ("✘", "bold red")
    title = Text.assemble((f"{mark} Verdict: {verdict.headline}", style), f"  ({options.scenario}, {options.strategy})")
    told = [Padding(Text(sentence), (0, 0, 0, 2)) for sentence in verdict.sentences]
    return Group(Text(), title, *told, _table(options, ledger))


def _table(options: DemoOptions, ledger: Ledger) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="right" if column else "left")
    _add(table, "whole run", tally(ledger.exchanges, VARIANTS))
    last = ledger.sent_since(options.duration_s - LAST_S)
    _add(table, f"last {LAST_S:.0f} s", tally(last, VARIANTS))
    return table


def _add(table: Table, span: str, tallies: list[Tally]) -> None:
    table.add_row(Text(span, "bold"))
    for one in tallies:
        table.add_row(
            Text(f"  {one.variant}", COLOURS[one.variant]),
            f"{one.requests:,}",
            f"{one.share:.1%}",
            f"{one.errors:,}",
            _ms(one.p50_ms),
            _ms(one.p99_ms),
            _conversions(one),
            end_section=one is tallies[-1],
        )


def _conversions(one: Tally) -> str:
    return f"{one.conversions:,} ({one.conversions / one.requests:.1%})" if one.requests else "-"


def _ms(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.0f} ms"
