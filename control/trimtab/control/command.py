"""What the commands share: options, settings, and how one ends.

Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong file, 3 a server could not be reached.
"""

# Imports stand inside the functions: `trimtab get` is not to wait for what it does not need.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from trimtab.schemas.errors import Refused, Unreachable

if TYPE_CHECKING:
    from trimtab.schemas.address import Address
    from trimtab.streams.settings import Settings

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3

Kafka = Annotated[str, typer.Option("--kafka", metavar="HOST:PORT", help="Kafka's address; else as settings say.")]


def redis_url(url: str) -> str:
    """Gives a URL as it is. Raises typer's `BadParameter`, without any password, for what is none."""
    if not url:
        return url
    from trimtab.schemas.redis_connection import checked_redis_url

    try:
        return checked_redis_url(url)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


RedisUrl = Annotated[
    str,
    typer.Option("--redis", metavar="URL", help="Redis' address; else as settings say.", callback=redis_url),
]
Config = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings; else the file that TRIMTAB_CONFIG names, if any."),
]
Metrics = Annotated[
    str,
    typer.Option(metavar="HOST:PORT", help="Serve /metrics to Prometheus there; port 0 is any that is free."),
]
Wait = Annotated[float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for servers.")]


def settings_in_force(
    config: Path | None, kafka: str = "", redis: str = "", catalog: str = "", listen: str = ""
) -> "Settings":
    """Gives the settings in force; ends the command where some cannot be followed."""
    from trimtab.streams.settings_source import WrongSettings, read_settings

    try:
        given = {"kafka.bootstrap": kafka, "redis.url": redis, "catalog.url": catalog, "api.listen": listen}
        return read_settings(config, {tuple(name.split(".")): value for name, value in given.items()})
    except WrongSettings as error:
        fail(str(error), USAGE)


def address_of(option: str, text: str) -> "Address | None":
    """Gives an address to listen on, None where none is given; ends the command for what is none."""
    from trimtab.schemas.address import Address

    try:
        return Address.parse(text) if text else None
    except ValueError as error:
        fail(f"{option}: {error}", USAGE)


def log_to_stderr() -> None:
    """Lets long-running work say what it waits for."""
    from trimtab.control.logs import configure

    configure()


def fail_to_reach(error: Unreachable) -> NoReturn:
    """Ends the command because a server did not answer, or does not let us in."""
    fail(str(error), USAGE if isinstance(error, Refused) else UNREACHABLE)


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with a message on standard error."""
    say(message)
    raise typer.Exit(code)


def say(message: str) -> None:
    """Tells a person something that is no data: on standard error."""
    for line in message.splitlines():
        typer.echo(f"trimtab: {line}", err=True)
