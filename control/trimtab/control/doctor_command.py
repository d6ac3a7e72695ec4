"""`trimtab doctor`."""

# Imports stand inside the command: others are not to wait for what it needs.
# ruff: noqa: PLC0415

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.control.command import FAILED, UNREACHABLE, Config, Kafka, RedisUrl, Wait, settings_in_force
from trimtab.control.output import TextFormat, write

if TYPE_CHECKING:
    from trimtab.control.finding import Finding
    from trimtab.streams.settings import Settings


def doctor(
    *,
    kafka: Kafka = "",
    redis: RedisUrl = "",
    config: Config = None,
    wait: Wait = 5.0,
    output: Annotated[TextFormat, typer.Option("--output", "-o", help="How to write it.")] = TextFormat.TEXT,
) -> None:
    """Look at Kafka, topics, Redis, clocks, workers, releases and sidecars, and say what to do about each.

    To compare clocks it publishes one telemetry message without events. Exit code 0: nothing fails, 1: something does,
    3: Kafka or Redis does not answer.

    Example: trimtab doctor -o json
    """
    from trimtab.control import doctor as looks

    settings = settings_in_force(config, kafka, redis)
    found = list(looks.here())
    in_kafka, has_kafka = looks.looked(lambda: looks.kafka(settings, wait, lambda: _append(settings, wait)), "kafka")
    in_redis, has_redis = looks.looked(lambda: looks.redis(settings, wait), "redis")
    found += in_kafka + in_redis
    if has_redis:
        found += looks.looked(lambda: looks.releases(settings), "releases")[0]
    _tell(found, output)
    if not (has_kafka and has_redis):
        raise typer.Exit(UNREACHABLE)
    if any(one.health == "fail" for one in found):
        raise typer.Exit(FAILED)


def _tell(found: "list[Finding]", output: TextFormat) -> None:
    if output is TextFormat.JSON:
        write([asdict(one) for one in found], output)
        return
    from rich.text import Text

    from trimtab.control.console_out import console

    style, out = {"ok": "green", "warn": "yellow", "fail": "bold red"}, console()
    for one in found:
        line = Text.assemble((f"{one.health:4}", style[one.health]), f"  {one.subject}: {one.said}")
        out.print(line, soft_wrap=True)
        if one.advice:
            out.print(Text(f"      {one.advice}"), soft_wrap=True)


def _append(settings: "Settings", wait_s: float) -> tuple[float, float, float]:
    """Publishes a message without events; gives when it was sent, appended and known to be, in milliseconds."""
    from confluent_kafka import KafkaException, Message, Producer

    from trimtab.control.kafka_log import KafkaLog
    from trimtab.schemas import telemetry_columns, telemetry_message
    from trimtab.schemas.errors import Unreachable
    from trimtab.schemas.kafka_connection import librdkafka_config
    from trimtab.schemas.topics import TELEMETRY
    from trimtab.streams.kafka_reach import Admin

    empty = telemetry_message.encode(
        telemetry_columns.pack([], publisher="trimtab-doctor", seq=0, sent_ms=round(time.time() * 1000))
    )
    told: list[tuple[object, Message]] = []
    producer = Producer({**librdkafka_config(settings.kafka), "acks": "all", "log_level": 0})
    try:
        producer.list_topics(TELEMETRY, wait_s)  # connects
        sent_ms = time.time() * 1000
        producer.produce(TELEMETRY, empty, on_delivery=lambda *answer: told.append(answer))
        producer.flush(wait_s)
    except KafkaException as error:
        raise Admin(settings.kafka).failure(error) from error
    known_ms = time.time() * 1000
    if not told or told[0][0] is not None:
        raise Unreachable(
            f"kafka at {settings.kafka.bootstrap}: {told[0][0] if told else 'no answer to what was sent'}"
        )
    partition, offset = told[0][1].partition(), told[0][1].offset()
    with KafkaLog(settings.kafka, wait_s) as log:  # not every broker says it with its acknowledgement
        entry = next(log.read(TELEMETRY, partition, offset, offset + 1))
    return sent_ms, entry.time_ms, known_ms
