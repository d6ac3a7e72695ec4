"""`trimtab schema`, `trimtab version` and `trimtab config show`: what this program is, and goes by."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

import json
from typing import Annotated

import typer

from trimtab.control.command import USAGE, Config, Kafka, RedisUrl, fail, settings_in_force
from trimtab.control.output import TextFormat, TreeFormat, write


def config_show(
    *,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[TreeFormat, typer.Option("--output", "-o", help="How to write it.")] = TreeFormat.YAML,
) -> None:
    """Show the settings in force, secrets masked. docs/settings.md tells what each means.

    Example: trimtab config show -o json
    """
    from trimtab.streams.setting_table import shown

    write(shown(settings_in_force(config, kafka, redis)), output)


def schema(name: Annotated[str, typer.Argument(help="One schema; all of them by default.")] = "") -> None:
    """Print the JSON Schemas of release files, telemetry, evidence, decisions and weights; `asyncapi`: of all of it.

    Example: trimtab schema asyncapi
    """
    from importlib.metadata import version as installed_version

    from trimtab.schemas import asyncapi
    from trimtab.schemas.json_schema import documents

    if name == "asyncapi":
        typer.echo(json.dumps(asyncapi.document(installed_version("trimtab")), indent=2))
        return
    known = documents()
    if name and name not in known:
        fail(f"no schema {name!r}; there are {', '.join(known)}, asyncapi", USAGE)
    typer.echo(json.dumps(known[name] if name else known, indent=2))


def version(
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="How to write it.")] = TextFormat.TEXT,
) -> None:
    """Print the version; as JSON, with that of Python and of release files.

    Example: trimtab version -o json
    """
    import platform
    from importlib.metadata import version as installed_version

    trimtab = installed_version("trimtab")
    if output is TextFormat.TEXT:
        typer.echo(trimtab)
        return
    from trimtab.schemas.release import API_VERSION

    write({"version": trimtab, "python": platform.python_version(), "apiVersion": API_VERSION}, output)
