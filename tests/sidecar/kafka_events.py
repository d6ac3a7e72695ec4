"""The telemetry that stands on Kafka, event by event."""

import time
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from trimtab.schemas.telemetry import ColumnBatch, Failure, Kind, RoutingKey
from trimtab.schemas.telemetry_message import decode
from trimtab.schemas.topics import TELEMETRY


@dataclass(frozen=True, slots=True)
class Event:
    """One event, as published."""

    kind: Kind
    key: RoutingKey
    time_ms: int
    duration_ms: float
    status: int
    size: int
    failure: Failure


def read_events(bootstrap: str, count: int, timeout_s: float = 60.0) -> list[Event]:
    """Gives all events on the topic as soon as there are `count` of them, or what there is after `timeout_s`."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    events: list[Event] = []
    until_s = time.monotonic() + timeout_s
    try:
        partitions = consumer.list_topics(TELEMETRY, timeout=60).topics[TELEMETRY].partitions
        consumer.assign([TopicPartition(TELEMETRY, number, OFFSET_BEGINNING) for number in partitions])
        while len(events) < count and time.monotonic() < until_s:
            for message in consumer.consume(500, timeout=0.1):
                assert message.error() is None, message.error()
                events.extend(_events(decode(message.value())))
    finally:
        consumer.close()
    return events


def read_to_end(bootstrap: str) -> list[Event]:
    """Gives all events that stand on the topic now, up to the end of each partition."""
    consumer = Consumer({
        "bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True,
    })  # fmt: skip
    events: list[Event] = []
    try:
        open_ = set(consumer.list_topics(TELEMETRY, timeout=60).topics[TELEMETRY].partitions)
        consumer.assign([TopicPartition(TELEMETRY, number, OFFSET_BEGINNING) for number in open_])
        while open_:
            for message in consumer.consume(500, timeout=0.1):
                if message.error() is None:
                    events.extend(_events(decode(message.value())))
                else:
                    assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                    open_.discard(message.partition())
    finally:
        consumer.close()
    return events


def _events(batch: ColumnBatch) -> Iterator[Event]:
    columns = zip(
        batch.kind, array("H", batch.key), array("i", batch.time),
        array("I", batch.duration_us or bytes(4 * batch.count)), array("H", batch.status or bytes(2 * batch.count)),
        array("I", batch.size or bytes(4 * batch.count)), batch.failure or bytes(batch.count), strict=True,
    )  # fmt: skip
    for kind, key, time_ms, duration_us, status, size, failure in columns:
        yield Event(
            Kind(kind), batch.keys[key], batch.base_ms + time_ms, duration_us / 1000, status, size, Failure(failure)
        )
