"""`trimtab serve`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

from typing import Annotated

import typer

from trimtab.control.command import (
    FAILED,
    USAGE,
    Config,
    Kafka,
    RedisUrl,
    fail,
    log_to_stderr,
    settings_in_force,
)

Listen = Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to listen; port 0 is any that is free.")]


def serve(*, listen: Listen = "127.0.0.1:8650", kafka: Kafka = "", redis: RedisUrl = "", config: Config = None) -> None:
    """Serve the HTTP API and the console. docs/api.md describes it.

    Example: trimtab serve --listen 127.0.0.1:8650
    """
    try:
        from trimtab.control.api.server import CannotListen
        from trimtab.control.api.server import serve as run
        from trimtab.schemas.address import Address
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[api]'", USAGE)
    log_to_stderr()
    settings = settings_in_force(config, kafka, redis)
    try:
        run(settings, Address.parse(listen))
    except ValueError as error:
        fail(f"--listen: {error}", USAGE)
    except CannotListen as error:
        fail(str(error), FAILED)
