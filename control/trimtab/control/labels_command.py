"""`trimtab labels`: the label service."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

import signal
from pathlib import Path
from typing import Annotated

import typer

from trimtab.control.command import (
    USAGE,
    Config,
    Kafka,
    Wait,
    fail,
    fail_to_reach,
    log_to_stderr,
    settings_in_force,
)
from trimtab.schemas.errors import Unreachable


def labels(  # noqa: PLR0913 - one argument an option
    *,
    table: Annotated[Path, typer.Option(metavar="FILE", help="Where open requests are kept; made if it is not there.")],
    window: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="How long after its prediction a label may come.")
    ] = 3600,
    scores: Annotated[
        int, typer.Option(metavar="SECONDS", min=1, help="Of the windows of auc, calibration_error and drift.")
    ] = 10,
    kafka: Kafka = "",
    config: Config = None,
    wait: Wait = 30.0,
) -> None:
    """Run the label service: predictions and labels in, outcomes of their requests out.

    One for each file; several share the topic's partitions. docs/labels.md tells what becomes of what.

    Example: trimtab labels --table /var/lib/trimtab/labels.db --window 7200
    """
    try:
        from trimtab.streams.labels.open_requests import Unusable
        from trimtab.streams.labels.service import LabelOptions, LabelService
    except ModuleNotFoundError as error:
        fail(f"{error.name} is not installed; run: pip install 'trimtab[server]'", USAGE)
    from trimtab.streams.layout import WrongLayout, ensure_topics
    from trimtab.streams.reach import wait_for

    log_to_stderr()
    settings = settings_in_force(config, kafka)
    try:
        wait_for("kafka", lambda timeout_s: ensure_topics(settings.kafka, timeout_s), wait)
        service = LabelService(settings.kafka, LabelOptions(table, window, scores))
    except Unreachable as error:
        fail_to_reach(error)
    except (WrongLayout, Unusable) as error:
        fail(str(error), USAGE)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: service.stop())
    try:
        service.run()
    except Unreachable as error:
        fail_to_reach(error)
