"""Commands that are imported when they are called, so that none waits for what another one needs."""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup


class LazyGroup(TyperGroup):
    """A group whose commands are named by the place of their function, `module:function`.

    A function of the module `trimtab.control.<module>` is a command, a `typer.Typer` there a group of commands.
    """

    places: ClassVar[Mapping[str, str]] = {}
    """name of the command -> its place, in the order in which help lists them"""
    panels: ClassVar[Mapping[str, str]] = {}
    """name of the command -> the heading of help that it stands under, where help has some"""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's signature
        """Gives the names of all commands."""
        return list(self.places)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Gives a command; None where there is none of that name."""
        if cmd_name not in self.commands and cmd_name in self.places:
            self.commands[cmd_name] = command = _command(cmd_name, self.places[cmd_name])
            command.rich_help_panel = self.panels.get(cmd_name)
        return self.commands.get(cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Gives the command that `args` begin with; names that are near to a wrong one are told."""
        if args and args[0] not in self.places:
            for name in self.places:
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)


def lazy_group(commands: Mapping[str, str], panels: Mapping[str, Iterable[str]] | None = None) -> type[LazyGroup]:
    """Gives the class of a group with these commands; `panels`: heading of help -> names of commands."""
    headings = {name: heading for heading, names in (panels or {}).items() for name in names}
    return type("Commands", (LazyGroup,), {"places": dict(commands), "panels": headings})


def _command(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found: typer.Typer | Callable[..., object] = getattr(import_module(f"trimtab.control.{module}"), attribute)
    if isinstance(found, typer.Typer):
        group = typer.main.get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    alone.command(name)(found)
    return typer.main.get_command(alone)
