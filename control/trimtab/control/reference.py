"""The reference of the command line, from the commands themselves.

python -m trimtab.control.reference > docs/cli.md
"""

import inspect
import sys
from collections.abc import Iterator
from enum import Enum
from typing import Any, Final

import typer

from trimtab.control.cli import app

_HEAD: Final = """\
# Command line

Made from the commands themselves: `python -m trimtab.control.reference > docs/cli.md`. `trimtab COMMAND --help` says
the same.

Data goes to standard output, words to standard error. `-o json` is for programs: fields are added to it, and none is
taken away within a version of the record (`trimtab schema`). Tables are coloured at a terminal, and nowhere else; with
`NO_COLOR` set, not there either. Addresses of Kafka and Redis come from options, else from [settings](settings.md).

| exit code | means |
|---|---|
| 0 | done |
| 1 | failed: what was asked for is not so, or cannot be done |
| 2 | wrong usage, a wrong file or setting, or a server does not let us in |
| 3 | a server could not be reached |
| 4 | not over in time (`status --watch --timeout`) |
| 130 | ended by Ctrl-C |

`trimtab completion bash|zsh|fish` prints a script that completes commands, options, and names of releases that
Redis knows.
"""


def reference() -> str:
    """Gives the reference as Markdown."""
    root: Any = typer.main.get_command(app)
    context = root.context_class(root, info_name="trimtab")
    return _HEAD + "".join(f"\n{part}" for part in _commands(root, context, "trimtab"))


def commands() -> dict[str, Any]:
    """Gives every command that does something, by what is typed for it."""
    root: Any = typer.main.get_command(app)
    return dict(_leaves(root, root.context_class(root, info_name="trimtab"), "trimtab"))


def _leaves(group: Any, context: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name in group.list_commands(context):
        command, typed = group.get_command(context, name), f"{path} {name}"
        if hasattr(command, "list_commands"):
            yield from _leaves(command, context, typed)
        else:
            yield typed, command


def _commands(group: Any, context: Any, path: str) -> Iterator[str]:
    for typed, command in _leaves(group, context, path):
        yield _section(typed, command)


def _section(typed: str, command: Any) -> str:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    options = [one for one in command.params if one.param_type_name == "option" and one.name != "help"]
    usage = " ".join([typed, *(["[OPTIONS]"] if options else []), *(_metavar(one) for one in arguments)])
    lines = [f"## {typed}", "", f"    {usage}", "", inspect.cleandoc(command.help or "").replace("\b", "")]
    rows = [f"| `{_metavar(one)}` | {one.help or ''} |" for one in arguments if one.help]
    rows += [f"| {_option(one)} | {one.help or ''}{_default(one)} |" for one in options]
    table = ["", "| option | means |", "|---|---|", *rows] if rows else []
    return "\n".join([*lines, *table, ""])


def _metavar(param: Any) -> str:
    return str(param.metavar or param.name.strip("_").upper())


def _option(param: Any) -> str:
    names = ", ".join(f"`{name}`" for name in param.opts)
    if param.is_flag:
        return names
    if isinstance(param.default, Enum):
        value = "\\|".join(str(one.value) for one in type(param.default))
    else:
        value = _metavar(param)
    return f"{names} `{value}`"


def _default(param: Any) -> str:
    if param.required:
        return " Required."
    value = getattr(param.default, "value", param.default)
    if param.is_flag or value in (None, "", []) or not param.show_default:
        return ""
    return f" Default: `{value}`."


if __name__ == "__main__":
    sys.stdout.write(reference())
