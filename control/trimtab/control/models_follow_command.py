"""`trimtab models follow`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

import signal
from threading import Event
from typing import Annotated

import typer

from trimtab.control.command import (
    Config,
    Kafka,
    RedisUrl,
    Wait,
    fail_to_reach,
    log_to_stderr,
    say,
    settings_in_force,
)
from trimtab.control.models_options import Catalog, catalogue
from trimtab.schemas.errors import Unreachable


def follow(  # noqa: PLR0913 - one argument an option
    *,
    record: Annotated[
        bool, typer.Option("--record/--no-record", help="Write deployments and how they serve into the catalogue.")
    ] = True,
    catalog: Catalog = "",
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Let the variants of releases follow the catalogue: what is revoked there loses its traffic within two seconds.

    It runs until it is told to end. Several at a time do no harm.

    Example: trimtab models follow --catalog sqlite:////var/lib/trimtab/catalog.db
    """
    from trimtab.control.models_follow import Follower
    from trimtab.streams.reach import ping_redis, wait_for

    log_to_stderr()
    settings = settings_in_force(config, kafka, redis, catalog)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        with catalogue(catalog, config) as store:
            wait_for("redis", lambda timeout_s: ping_redis(settings.redis, timeout_s), wait)
            follower = Follower(store, settings, writes=record)
            say("following the catalogue")
            follower.run(stop)
    except Unreachable as error:
        fail_to_reach(error)
