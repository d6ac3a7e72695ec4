"""`trimtab completion`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """A shell that completes."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="For which shell.")]) -> None:
    """Print a script that completes commands and options in a shell.

    Examples: eval "$(trimtab completion bash)";  trimtab completion fish > ~/.config/fish/completions/trimtab.fish
    """
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name="trimtab", complete_var="_TRIMTAB_COMPLETE", shell=shell))
