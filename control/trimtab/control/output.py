"""How data is written to standard output."""

# Imports stand inside the functions: a table is not to wait for YAML.
# ruff: noqa: PLC0415

import json
from enum import StrEnum

import typer


class ListFormat(StrEnum):
    """How a list is written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class TextFormat(StrEnum):
    """How words are written, or the data behind them."""

    TEXT = "text"
    JSON = "json"


class TreeFormat(StrEnum):
    """How a tree is written."""

    YAML = "yaml"
    JSON = "json"


def write(data: object, output: StrEnum) -> None:
    """Writes plain data as JSON or YAML."""
    if output == "json":
        typer.echo(json.dumps(data, indent=2))
        return
    import yaml

    typer.echo(yaml.safe_dump(data, sort_keys=False, explicit_start=True, allow_unicode=True), nl=False)
