"""What the commands on the models' catalogue share: options, the catalogue itself, references and queries."""

# Imports stand inside the functions: other commands are not to wait for what these need.
# ruff: noqa: PLC0415

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import FAILED, USAGE, fail, fail_to_reach, settings_in_force
from trimtab.schemas.errors import InvalidFile, Unreachable
from trimtab.schemas.model_ref import ModelRef, parse_ref

if TYPE_CHECKING:
    from trimtab.catalog.store import Store
    from trimtab.schemas.preference import ModelChoice


class ModelsFormat(StrEnum):
    """How models are written."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Catalog = Annotated[
    str, typer.Option("--catalog", metavar="URL", help="The catalogue's address; else as settings say.")
]
Output = Annotated[ModelsFormat, typer.Option("--output", "-o", help="How to write it.")]
Where = Annotated[str, typer.Option("--where", metavar="QUERY", help="Which models; docs/models.md has the language.")]
Reference = Annotated[
    str, typer.Argument(metavar="NAME", help="NAME:VERSION of a model, or KIND/NAME, such as dataset/clicks.")
]
Why = Annotated[str, typer.Option("--reason", metavar="WORDS", help="Why, for those who read it later. Required.")]


@contextmanager
def catalogue(url: str, config: Path | None, *, create: bool = False) -> Iterator["Store"]:
    """Gives the catalogue; ends the command, with what is wrong, where it cannot do what is asked of it."""
    from trimtab.catalog.address import open_store
    from trimtab.catalog.errors import CatalogError, WrongAddress

    settings = settings_in_force(config, catalog=url).catalog
    if not settings.url:
        fail(
            "catalog.url (TRIMTAB_CATALOG__URL): expected where the catalogue is, such as sqlite:///catalog.db; or"
            " --catalog", USAGE,
        )  # fmt: skip
    try:
        store = open_store(settings.url, password=settings.secret, create=create)
    except WrongAddress as error:
        fail(str(error), USAGE)
    except Unreachable as error:
        fail_to_reach(error)
    try:
        yield store
    except InvalidFile as error:
        fail(str(error), USAGE)
    except CatalogError as error:
        fail(str(error), FAILED)
    except Unreachable as error:
        fail_to_reach(error)
    finally:
        store.close()


def reference_of(text: str) -> ModelRef:
    """Gives a reference in full; ends the command where `text` is none."""
    try:
        return parse_ref(text)
    except ValueError as error:
        fail(str(error), USAGE)


def query_of(where: str, prefer: str = "") -> "ModelChoice":
    """Gives a query; ends the command where it is none."""
    from pydantic import ValidationError

    from trimtab.control.goals import first_mistake, read_goals
    from trimtab.schemas.preference import ModelChoice

    try:
        return ModelChoice(where=where, prefer=read_goals(prefer))
    except ValidationError as error:
        fail("--{}: {}".format(*first_mistake(error)), USAGE)
    except ValueError as error:
        fail(f"--prefer: {error}", USAGE)
