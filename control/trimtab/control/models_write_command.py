"""`trimtab models register`, `revoke`, `reinstate`, `import-mlflow` and `export-mlflow`: what changes the catalogue."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

import getpass
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import USAGE, Config, fail
from trimtab.control.models_options import Catalog, Reference, Where, Why, catalogue, query_of, reference_of

if TYPE_CHECKING:
    from trimtab.catalog.mlflow_registry import Registry as MlflowRegistry

Registry = Annotated[str, typer.Option("--registry", metavar="URI", help="MLflow's address: http://HOST:PORT.")]


def register(
    *,
    files: Annotated[list[Path], typer.Option("--file", "-f", metavar="FILE", help="May be repeated.")],
    catalog: Catalog = "",
    config: Config = None,
) -> None:
    """Register models, datasets, runs and whatever else files say. With a mistake in any of them nothing is written.

    Example: trimtab models register -f digits.yaml
    """
    from trimtab.catalog.entry import Change
    from trimtab.catalog.model_file import read_nodes

    with catalogue(catalog, config, create=True) as store:
        nodes = read_nodes(files)
        done = store.write(Change(nodes=tuple(nodes), actor=getpass.getuser(), time_s=int(time.time())))
    for ref, outcome in done.outcomes.items():
        typer.echo(f"{ref} {outcome}")


def revoke(name: Reference, *, reason: Why = "", catalog: Catalog = "", config: Config = None) -> None:
    """Say that a model, or what models rest on, must not be used any more. `trimtab models follow` takes traffic away.

    Example: trimtab models revoke dataset/clicks-2026-03 --reason "consent was withdrawn"
    """
    _set_revoked(name, reason, catalog, config, undo=False)


def reinstate(name: Reference, *, reason: Why = "", catalog: Catalog = "", config: Config = None) -> None:
    """Undo a revocation.

    Example: trimtab models reinstate dataset/clicks-2026-03 --reason "consent was given again"
    """
    _set_revoked(name, reason, catalog, config, undo=True)


def _set_revoked(name: str, reason: str, catalog: str, config: Path | None, *, undo: bool) -> None:
    from trimtab.catalog.entry import Change
    from trimtab.catalog.view import View

    if not reason.strip():
        fail("--reason: expected why, for those who read it later", USAGE)
    ref = reference_of(name)
    with catalogue(catalog, config) as store:
        view = View(store)
        before = view.now().out
        change = Change(
            revoked={ref: "" if undo else reason}, actor=getpass.getuser(), time_s=int(time.time())
        )  # fmt: skip
        outcome = store.write(change).outcomes[ref]
        after = view.now().out
    word = "reinstated" if undo else "revoked"
    typer.echo(f"{ref} {word if outcome != 'unchanged' else f'is {word} already'}")
    for model in sorted((before if undo else after).keys() - (after if undo else before).keys() - {ref}):
        typer.echo(f"{model} {'may be used again' if undo else 'must not be used: it rests on it'}")


def import_mlflow(*, registry: Registry, catalog: Catalog = "", config: Config = None) -> None:
    """Register what MLflow's registry has: versions of models, with their runs, data, aliases and tags.

    Example: trimtab models import-mlflow --registry http://mlflow:5000
    """
    from trimtab.catalog.entry import Change
    from trimtab.catalog.view import View

    with catalogue(catalog, config, create=True) as store, _mlflow(registry) as opened:
        found, known = opened.read(), View(store).now()
        nodes = (*found.nodes, *(run for run in found.gone if not known.has(run.ref)))
        done = store.write(Change(nodes=nodes, actor=getpass.getuser(), time_s=int(time.time())))
    for ref, outcome in done.outcomes.items():
        typer.echo(f"{ref} {outcome}")
    for line in found.left_out:
        typer.echo(f"warning: left out: {line}", err=True)


def export_mlflow(*, registry: Registry, where: Where = "", catalog: Catalog = "", config: Config = None) -> None:
    """Bring models into MLflow's registry, with their aliases and tags.

    Example: trimtab models export-mlflow --registry http://mlflow:5000 --where 'blessed'
    """
    from trimtab.catalog.listing import matching

    where = query_of(where).where
    with catalogue(catalog, config) as store, _mlflow(registry) as opened:
        for line in opened.write(matching(store, where)):
            typer.echo(line)


@contextmanager
def _mlflow(uri: str) -> Iterator["MlflowRegistry"]:
    try:
        from trimtab.catalog.mlflow_registry import Registry as Opened
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[mlflow]'", USAGE)
    yield Opened(uri)
