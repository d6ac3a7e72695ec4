"""`trimtab worker`."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from typing import Annotated

import typer

from trimtab.control.command import (
    USAGE,
    Config,
    Kafka,
    RedisUrl,
    Wait,
    address_of,
    fail,
    log_to_stderr,
    settings_in_force,
)


def worker(
    *,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 30.0,
    health: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="Serve /livez, /readyz and /metrics there; port 0 is any that is free."),
    ] = "",
) -> None:
    """Run a worker: telemetry in, decisions out. More machines means more of them, with the same command.

    Example: trimtab worker --kafka broker:9092 --redis redis://cache:6379/0 --health 127.0.0.1:8080
    """
    try:
        from trimtab.streams.worker import run
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[server]'", USAGE)
    log_to_stderr()
    settings = settings_in_force(config, kafka, redis)
    raise typer.Exit(run(settings, wait, address_of("--health", health)))
