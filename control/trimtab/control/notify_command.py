"""`trimtab notify`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

from pathlib import Path
from typing import Annotated

import typer

from trimtab.control.command import (
    USAGE,
    Config,
    Kafka,
    RedisUrl,
    Wait,
    fail,
    fail_to_reach,
    log_to_stderr,
    settings_in_force,
)
from trimtab.schemas.errors import Unreachable


def notify(  # noqa: PLR0913 - one argument an option
    *,
    targets: Annotated[
        Path, typer.Option("--targets", metavar="FILE", help="Who is told of what, and who is asked, in YAML.")
    ],
    check: Annotated[bool, typer.Option("--check", help="Read the file and its secrets, and do no more.")] = False,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Tell webhooks, Slack and Alertmanager of changed phases, rollbacks and held weights, at least once each.

    And ask the hooks that release files name whether to promote or to roll back, for which Redis is needed, too.

    docs/notifications.md describes the file, what is posted, and how to check its signature.

    Example: trimtab notify --targets /etc/trimtab/targets.yaml
    """
    from trimtab.control.notify.run import run
    from trimtab.control.notify.targets import WrongTargets, read_targets
    from trimtab.streams.layout import topic_states
    from trimtab.streams.reach import wait_for

    try:
        found = read_targets(targets)
    except WrongTargets as error:
        fail(str(error), USAGE)
    if check:
        for name in (*(target.name for target in found.targets), *(hook.name for hook in found.hooks)):
            typer.echo(f"{name} ok")
        return
    log_to_stderr()
    settings = settings_in_force(config, kafka, redis)
    try:
        wait_for("kafka", lambda timeout_s: topic_states(settings.kafka, timeout_s), wait)
    except Unreachable as error:
        fail_to_reach(error)
    raise typer.Exit(run(settings.kafka, settings.redis, found))
