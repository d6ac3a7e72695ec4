"""`trimtab serve`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

from typing import Annotated

import typer

from trimtab.control.command import (
    USAGE,
    Config,
    Kafka,
    RedisUrl,
    fail,
    log_to_stderr,
    settings_in_force,
)

Listen = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where to listen, 0 for any free port; else as settings say.")
]


def serve(*, listen: Listen = "", kafka: Kafka = "", redis: RedisUrl = "", config: Config = None) -> None:
    """Serve the HTTP API and the console. docs/api.md describes it.

    It listens at 127.0.0.1:8650, for this machine alone; anywhere else it asks for tokens or a trusted proxy.

    Example: trimtab serve
    """
    try:
        from trimtab.control.api.server import CannotListen
        from trimtab.control.api.server import serve as run
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[api]'", USAGE)
    log_to_stderr()
    try:
        run(settings_in_force(config, kafka, redis, listen=listen))
    except CannotListen as error:
        fail(str(error), USAGE)
