"""`trimtab topics`: whether the topics are there and as they have to be, and making them."""

# Imports stand inside the commands: others are not to wait for what they need.
# ruff: noqa: PLC0415

from dataclasses import asdict
from typing import Annotated

import typer

from trimtab.control.command import (
    FAILED,
    Config,
    Kafka,
    Wait,
    fail,
    fail_to_reach,
    log_to_stderr,
    settings_in_force,
)
from trimtab.control.output import TextFormat, write
from trimtab.schemas.errors import Unreachable


def check(
    *,
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 10.0,
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="How to write it.")] = TextFormat.TEXT,
) -> None:
    """Compare the topics with the settings, and change nothing. Exit code 1 where one is missing or wrong.

    Example: trimtab topics check --kafka broker:9092
    """
    from trimtab.streams.layout import topic_states

    settings = settings_in_force(config, kafka)
    try:
        states = topic_states(settings.kafka, wait)
    except Unreachable as error:
        fail_to_reach(error)
    if output is TextFormat.JSON:
        write([asdict(state) for state in states], output)
    else:
        for state in states:
            typer.echo(f"{state.name} {'missing' if state.partitions is None else 'wrong' if state.problems else 'ok'}")
    missing = [state.name for state in states if state.partitions is None]
    problems = [problem for state in states for problem in state.problems]
    if missing:
        problems.append(f"missing: {', '.join(missing)}; run: trimtab topics create")
    if problems:
        fail("\n".join(problems), FAILED)


def create(*, kafka: Kafka = "", config: Config = None, wait: Wait = 10.0) -> None:
    """Create the topics that are missing, as the settings say. A worker does so, too, when it starts.

    Example: trimtab topics create --kafka broker:9092
    """
    from trimtab.streams.layout import WrongLayout, ensure_topics
    from trimtab.streams.reach import wait_for

    log_to_stderr()
    settings = settings_in_force(config, kafka)
    created: list[str] = []
    try:
        wait_for("kafka", lambda timeout_s: created.extend(ensure_topics(settings.kafka, timeout_s)), wait)
    except Unreachable as error:
        fail_to_reach(error)
    except WrongLayout as error:
        fail(str(error), FAILED)
    for name in created:
        typer.echo(f"{name} created")
