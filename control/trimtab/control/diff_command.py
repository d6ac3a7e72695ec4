"""`trimtab diff`: what applying release files would change. Exit code 0 nothing, 1 something."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import FAILED, USAGE, Config, RedisUrl, fail, fail_to_reach, settings_in_force
from trimtab.control.output import TextFormat, write
from trimtab.schemas.errors import InvalidRelease, Unreachable

if TYPE_CHECKING:
    from trimtab.control.diff import Difference


def diff(
    *,
    files: Annotated[list[Path], typer.Option("--file", "-f", metavar="FILE", help="Release file; may be repeated.")],
    redis: RedisUrl = "",
    config: Config = None,
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="How to write it.")] = TextFormat.TEXT,
) -> None:
    """Compare release files with what is applied, and change nothing. Exit code 0: the same, 1: not.

    Fields that a file leaves out are shown with their defaults.

    Example: trimtab diff -f checkout.yaml
    """
    from trimtab.control.apply import read
    from trimtab.control.diff import difference
    from trimtab.control.release_view import Releases

    try:
        releases = read(files)
        known = Releases(settings_in_force(config, redis=redis).redis)
        found = [difference(release, known.document(release.name)) for release in releases]
    except InvalidRelease as error:
        fail(str(error), USAGE)
    except Unreachable as error:
        fail_to_reach(error)
    if output is TextFormat.JSON:
        write([asdict(one) for one in found], output)
    else:
        _print(found)
    if any(one.change != "unchanged" for one in found):
        raise typer.Exit(FAILED)


def _print(found: "list[Difference]") -> None:
    from rich.text import Text

    from trimtab.control.console_out import console

    style = {"+": "green", "-": "red", "@": "cyan"}
    out = console()
    for one in found:
        for line in one.lines:
            is_head = line.startswith(("+++", "---"))
            out.print(Text(line, style="bold" if is_head else style.get(line[:1], "")), soft_wrap=True)
        out.print(f"{one.release} {one.change}", highlight=False)
