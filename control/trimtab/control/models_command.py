"""`trimtab models list`, `show`, `lineage` and `choose`: what the catalogue knows."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.control.command import FAILED, USAGE, Config, fail
from trimtab.control.models_options import (
    Catalog,
    ModelsFormat,
    Output,
    Reference,
    Where,
    catalogue,
    query_of,
    reference_of,
)
from trimtab.control.output import write
from trimtab.schemas.model_ref import Kind

if TYPE_CHECKING:
    from trimtab.catalog.choice import Choice


def list_models(
    *,
    where: Where = "",
    kind: Annotated[Kind, typer.Option(help="What to list.")] = Kind.MODEL,
    catalog: Catalog = "",
    config: Config = None,
    output: Output = ModelsFormat.TABLE,
) -> None:
    """List the models that a query means, revoked ones included, or whatever else the catalogue has.

    Example: trimtab models list --where 'environment = production and accuracy >= 0.95'
    """
    from trimtab.catalog.listing import entries_of, matching
    from trimtab.control.models_show import nodes_table

    if where and kind is not Kind.MODEL:
        fail(f"--where: queries are about models, got --kind {kind}", USAGE)
    where = query_of(where).where
    with catalogue(catalog, config) as store:
        entries = matching(store, where) if kind is Kind.MODEL else entries_of(store, kind)
    if output is ModelsFormat.NAME:
        _echo_names(entry.node.ref for entry in entries)
    elif output is ModelsFormat.TABLE:
        _print(nodes_table(entries) if entries else f"no {kind}s")
    else:
        from trimtab.catalog.model_file import plain

        write([plain(entry) for entry in entries], output)


def show(name: Reference, *, catalog: Catalog = "", config: Config = None, output: Output = ModelsFormat.TABLE) -> None:
    """Show one model, or whatever else has a name: what is known of it, its figures, and why it is revoked.

    Example: trimtab models show digits:2
    """
    from trimtab.control.models_show import node_text

    ref = reference_of(name)
    with catalogue(catalog, config) as store:
        entry = store.entry(ref)
    if output is ModelsFormat.NAME:
        _echo_names([ref])
    elif output is ModelsFormat.TABLE:
        _print(node_text(entry))
    else:
        from trimtab.catalog.model_file import plain

        write(plain(entry), output)


def lineage(  # noqa: PLR0913 - one argument an option
    name: Reference,
    *,
    up: Annotated[bool, typer.Option("--up", help="What rests on it, not what it rests on.")] = False,
    depth: Annotated[int, typer.Option(metavar="N", min=1, max=64, help="Edges to follow, at most.")] = 64,
    catalog: Catalog = "",
    config: Config = None,
    output: Output = ModelsFormat.TABLE,
) -> None:
    """Show what something rests on, down to its data, or with --up what rests on it, up to the deployments.

    Of an answer: `answer/RELEASE/VARIANT@REVISION`, as its attribution has them.

    Example: trimtab models lineage dataset/clicks --up
    Example: trimtab models lineage answer/recommend/v2@41
    """
    from trimtab.catalog.listing import answered_by
    from trimtab.control.models_show import lineage_tree

    with catalogue(catalog, config) as store:
        ref = answered_by(store, name) if name.startswith("answer/") else reference_of(name)
        found = store.lineage(ref, "up" if up else "down", depth)
    if output is ModelsFormat.NAME:
        _echo_names(found.depths)
    elif output is ModelsFormat.TABLE:
        _print(lineage_tree(found, "up" if up else "down"))
    else:
        from trimtab.catalog.listing import plain_lineage

        write(plain_lineage(found), output)


def choose(
    *,
    where: Where = "",
    prefer: Annotated[
        str,
        typer.Option(
            metavar="GOALS", help="METRIC,METRIC: an order; METRIC=WEIGHT,...: weights; else accuracy,p99_ms,cost."
        ),
    ] = "",
    catalog: Catalog = "",
    config: Config = None,
    output: Output = ModelsFormat.TABLE,
) -> None:
    """Choose a model: hard constraints, then what nothing else beats, then a preference. Exit code 1 for none.

    Example: trimtab models choose --where 'blessed and p99_ms <= 20' --prefer accuracy=0.7,cost=0.3
    """
    from trimtab.catalog.choice import choose as choose_among
    from trimtab.catalog.view import View

    query = query_of(where, prefer)
    with catalogue(catalog, config) as store:
        choice = choose_among(View(store).now(), query)
        chosen = choice.chosen if output in (ModelsFormat.TABLE, ModelsFormat.NAME) else ""
    if output is ModelsFormat.NAME:
        _echo_names([chosen])
    elif output is ModelsFormat.TABLE:
        from trimtab.control.models_show import choice_tables

        _print(choice_tables(choice))
    else:
        _write_choice(choice, output)


def _write_choice(choice: "Choice", output: ModelsFormat) -> None:
    from trimtab.catalog.choice import plain_choice, why_nothing

    write(plain_choice(choice), output)
    if not choice.front:
        fail(why_nothing(choice), FAILED)


def _echo_names(names: Any) -> None:
    for name in names:
        typer.echo(name)


def _print(what: Any) -> None:
    from rich.console import Console

    Console(emoji=False).print(what, markup=False)
