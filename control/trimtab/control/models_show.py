"""Models as a person reads them."""

import time
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from trimtab.catalog.choice import Choice
from trimtab.catalog.entry import Entry
from trimtab.catalog.model_file import plain
from trimtab.catalog.node import RESTS_ON, Model
from trimtab.catalog.store import Direction, Lineage
from trimtab.schemas.model_ref import ModelRef, kind_of

_NOTHING = "-"
_SHOWN_NODES = 500


def nodes_table(entries: Sequence[Entry]) -> Table:
    """Gives one line a node."""
    of_models = all(isinstance(entry.node, Model) for entry in entries)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("NAME", "ALIASES", "ENVIRONMENT", "PRIVACY", "BLESSED", "FIGURES", "REVOKED") if of_models else (
        "NAME", "RESTS ON", "FIGURES", "REVOKED",
    ):  # fmt: skip
        table.add_column(heading, overflow="fold")
    for entry in entries:
        figures = " ".join(f"{key}={figure.value:g}" for key, figure in entry.figures.items())
        told = [figures or _NOTHING, entry.revoked.reason if entry.revoked else _NOTHING]
        table.add_row(*_cells(entry), *told, style="red" if entry.revoked else "")
    return table


def _cells(entry: Entry) -> list[str]:
    node = entry.node
    if not isinstance(node, Model):
        return [node.ref, " ".join(node.edges) or _NOTHING]
    lists = [" ".join(values) or _NOTHING for values in (node.aliases, node.environment)]
    name = f"{node.name}:{node.version}"
    return [name, *lists, node.privacy or _NOTHING, "yes" if node.blessed else "no"]


def node_text(entry: Entry) -> RenderableType:
    """Gives one node, field by field."""
    parts: list[RenderableType] = [Text(entry.node.ref, style="bold")]
    if entry.revoked:
        by = f" by {entry.revoked.actor}" if entry.revoked.actor else ""
        parts.append(Text(f"revoked{by}, {_date(entry.revoked.time_s)}: {entry.revoked.reason}", style="red"))
    fields = {name: value for name, value in plain(entry).items() if name not in ("performance", "status")}
    parts += [Text(f"{name}: {_words(value)}") for name, value in fields.items()]
    if entry.figures:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for heading in ("FIGURE", "VALUE", "SAMPLES", "TIME"):
            table.add_column(heading, justify="right" if heading in ("VALUE", "SAMPLES") else "left")
        for key, figure in entry.figures.items():
            samples = _NOTHING if figure.count is None else str(figure.count)
            table.add_row(key, f"{figure.value:g}", samples, _date(figure.time_s))
        parts.append(table)
    return Group(*parts)


def _words(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={one}" for name, one in value.items())
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _date(time_s: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(time_s))


def lineage_tree(found: Lineage, direction: Direction) -> RenderableType:
    """Gives the way to everything that was found, each under what led to it first."""
    under: dict[ModelRef, list[ModelRef]] = {}
    for upper, lower in found.edges:
        one, other = (upper, lower) if direction == "down" else (lower, upper)
        under.setdefault(one, []).append(other)
    tree = Tree(_leaf(found, found.start, ""))
    drawn, ahead = {found.start: tree}, [found.start]
    for one in ahead:  # grows as it is walked: breadth first
        for other in under.get(one, []):
            edge = (
                RESTS_ON[kind_of(one)][kind_of(other)]
                if direction == "down"
                else RESTS_ON[kind_of(other)][kind_of(one)]
            )
            if other not in drawn and len(drawn) < _SHOWN_NODES:
                drawn[other] = drawn[one].add(_leaf(found, other, edge if direction == "down" else f"{edge} it"))
                ahead.append(other)
    left = len(found.depths) - len(drawn)
    return Group(tree, Text(f"and {left} more; -o name lists all")) if left else tree


def _leaf(found: Lineage, ref: ModelRef, edge: str) -> Text:
    is_revoked = ref in found.revoked
    return Text.assemble(
        (f"{edge} " if edge else "", "dim"), (ref, "red" if is_revoked else ""), " (revoked)" if is_revoked else ""
    )


def choice_tables(choice: Choice) -> RenderableType:
    """Gives the front in its order, the first being the choice, and what each constraint excluded."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    goals = list(choice.front[0].figures)
    for heading in ("MODEL", *(goal.upper() for goal in goals), "SCORE"):
        table.add_column(heading, justify="left" if heading == "MODEL" else "right", overflow="fold")
    for at, one in enumerate(choice.front):
        cells = [_number(one.figures[goal]) for goal in goals]
        table.add_row(one.ref.partition("/")[2], *cells, _number(one.score), style="" if at else "bold")
    beaten_by_none = f"{len(choice.front)} of them are beaten by none; the first is taken"
    head = Text(f"{choice.matched} of {choice.considered} match, {beaten_by_none}")
    return Group(head, table, *_exclusions(choice))


def _exclusions(choice: Choice) -> Iterable[RenderableType]:
    if not choice.exclusions:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("CONSTRAINT", "EXCLUDES", "UNKNOWN", "ALONE"):
        table.add_column(heading, justify="left" if heading == "CONSTRAINT" else "right", overflow="fold")
    for one in choice.exclusions:
        table.add_row(Text(one.constraint), str(one.excluded), str(one.unknown), str(one.alone))
    yield table


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.4g}"
