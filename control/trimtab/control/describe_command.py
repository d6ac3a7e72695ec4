"""`trimtab describe`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

import time
from collections import deque
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trimtab.control.command import (
    FAILED,
    Config,
    Kafka,
    RedisUrl,
    Wait,
    fail,
    fail_to_reach,
    say,
    settings_in_force,
)
from trimtab.control.output import TextFormat, write
from trimtab.control.release_name import Name
from trimtab.schemas.errors import InvalidRecord, Unreachable

if TYPE_CHECKING:
    from trimtab.control.turns import Turn
    from trimtab.streams.settings import Settings

_BACK_MS: Final = 3_600_000
_MOST: Final = 10


def describe(  # noqa: PLR0913 - one argument an option
    name: Name,
    *,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 5.0,
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="How to write it.")] = TextFormat.TEXT,
) -> None:
    """Tell all that is known of a release in words: what it waits for, variants, guardrails, sidecars, last changes.

    Example: trimtab describe checkout
    """
    from trimtab.control.describe import describe as lines_of
    from trimtab.control.release_view import Releases, told

    settings = settings_in_force(config, kafka, redis)
    try:
        view = Releases(settings.redis).get(name)
    except InvalidRecord as error:
        fail(f"release {name}: {told(error)}", FAILED)
    except Unreachable as error:
        fail_to_reach(error)
    if view is None:
        fail(f"no release {name!r}", FAILED)
    if output is TextFormat.JSON:
        write(view.plain(), output)
        return
    typer.echo("\n".join(lines_of(view, _changes(name, settings, wait))))


def _changes(name: str, settings: "Settings", wait_s: float) -> "list[Turn] | None":
    """Gives the newest changes of the last hour; None, with a word, where Kafka does not tell."""
    from trimtab.control.decision_log import DecisionLog
    from trimtab.control.kafka_log import KafkaLog
    from trimtab.control.turns import turns

    try:
        with KafkaLog(settings.kafka, wait_s) as log:
            since_ms = round(time.time() * 1000) - _BACK_MS
            return list(deque(turns(DecisionLog(log, name).since(since_ms)), _MOST))
    except Unreachable as error:
        say(f"changes are not shown: {error}")
        return None
