"""The name of a release as an argument of a command; shells complete it from Redis."""

# Imports stand inside the function: commands are not to wait for what only Tab needs.
# ruff: noqa: PLC0415

from typing import Annotated

import typer

from trimtab.schemas.errors import Unreachable


def known_names(context: typer.Context, incomplete: str) -> list[str]:
    """Gives the releases whose names begin so; none where Redis does not answer, for Tab is no place for an error."""
    from trimtab.control.release_view import Releases
    from trimtab.streams.settings_source import WrongSettings, read_settings

    try:
        settings = read_settings(context.params.get("config"), {("redis", "url"): context.params.get("redis") or ""})
        return [name for name in Releases(settings.redis).names() if name.startswith(incomplete)]
    except (WrongSettings, Unreachable):
        return []


Name = Annotated[str, typer.Argument(metavar="NAME", help="The release.", autocompletion=known_names)]
AnyName = Annotated[
    str, typer.Argument(metavar="NAME", help="One release; all of them by default.", autocompletion=known_names)
]
