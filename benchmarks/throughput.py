"""Events per second through fold and decide in one worker, beside a bare loop over the same messages.

The messages lie in Kafka before the worker starts. Its rate is read off its own decisions: how many events each rests
on, and when it was made. The bare loop is a confluent-kafka consumer that decodes and folds with the same engine code
and emits every 100 ms, in this process, afterwards, from the same broker. Both see every message once.
"""

import argparse
import random
import time
from typing import Final

from confluent_kafka import Consumer, Producer, TopicPartition

from benchmarks.rig import READY_S, RELEASE, VARIANTS, Rig
from benchmarks.topic_reader import read_topic
from trimtab.control.release_view import Releases
from trimtab.engine.batch import Message
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.schemas.decision import decode_decision
from trimtab.schemas.telemetry import Packer, RoutingKey, decode, encode
from trimtab.schemas.topics import DECISIONS, TELEMETRY

_MESSAGES: Final = {500: 1_600, 20: 30_000, 1: 60_000}
"""events per message -> messages: what the embedded broker holds, which is about 5 MB a partition"""
_PARTITIONS: Final = 4
_SEED: Final = 1
_ERROR_RATIO: Final = 0.02
_LOOK_S: Final = 0.1
_FLUSH_S: Final = 0.1
_BATCH: Final = 500


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--share", type=float, default=1.0, help="of the messages that the broker has room for")


def measure(options: argparse.Namespace) -> dict[str, str | int | float]:
    """Gives events/s at 500 and 20 events a message, messages/s at 1, and their ratios to the bare loop."""
    figures: dict[str, str | int | float] = {"backend": "embedded"}
    for events, most in _MESSAGES.items():
        messages = max(100, int(most * options.share))
        worker, bare = _one(events, messages)
        name = "messages_per_s_1" if events == 1 else f"events_per_s_{events}"
        figures[name] = round(worker)
        figures[f"bare_{name}"] = round(bare)
        figures[f"ratio_to_bare_loop_{events}"] = round(worker / bare, 3)
        figures[f"n_{events}"] = events * messages
    return figures


def _one(events: int, messages: int) -> tuple[float, float]:
    """Gives the events per second of a worker and of the bare loop."""
    with Rig() as rig:
        _fill(rig.kafka, events, messages)
        rig.apply()
        rig.trimtab("worker", "worker", "--kafka", rig.kafka, "--redis", rig.redis)
        rig.await_weights()
        _await_counted(rig.redis, events * messages)
        return _worker_rate(rig.kafka), _bare_rate(rig.kafka, events * messages)


def _fill(kafka: str, events: int, messages: int) -> None:
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "acks": "all"})
    draws = random.Random(_SEED)
    packer = Packer()
    keys = [RoutingKey(RELEASE, variant, "", 1, 1) for variant in VARIANTS]
    for number in range(messages):
        now_ms = int(time.time() * 1000)
        for _ in range(events):
            status = 500 if draws.random() < _ERROR_RATIO else 200
            packer.response(draws.choice(keys), now_ms, draws.lognormvariate(3.0, 0.5), status, size=512)
        batch = packer.finish(publisher="benchmark", seq=number, sent_ms=now_ms)
        producer.produce(TELEMETRY, encode(batch), key=b"benchmark", partition=number % _PARTITIONS)
        producer.poll(0)
    if producer.flush(READY_S):
        raise TimeoutError("the embedded broker did not take the messages")


def _await_counted(redis: str, events: int) -> None:
    releases = Releases(redis)
    end_s = time.monotonic() + READY_S
    while (view := releases.get(RELEASE)) is None or view.decision.seen.counted < events:
        if time.monotonic() > end_s:
            counted = view.decision.seen if view else "nothing"
            raise TimeoutError(f"{events} events expected, the worker has {counted}")
        time.sleep(_LOOK_S)


def _worker_rate(kafka: str) -> float:
    made: list[tuple[float, int]] = sorted(
        (message.timestamp()[1] / 1000, decode_decision(message.value()).seen.counted)
        for message in read_topic(kafka, DECISIONS)
    )
    # The first decision that rests on events starts the clock, so that joining the group does not count.
    first = next(position for position, (_, counted) in enumerate(made) if counted)
    last = next(position for position, (_, counted) in enumerate(made) if counted == made[-1][1])
    return (made[last][1] - made[first][1]) / (made[last][0] - made[first][0])


def _bare_rate(kafka: str, events: int) -> float:
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "benchmark-bare", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TELEMETRY, partition, 0) for partition in range(_PARTITIONS)])
    builders = [PaneBuilder(partition, FoldSpec(), lambda _: 0) for partition in range(_PARTITIONS)]
    left, started_s, flushed_s = events, 0.0, 0.0
    try:
        while left > 0:
            messages = consumer.consume(_BATCH, _FLUSH_S)
            started_s = started_s or time.perf_counter()
            read: dict[int, list[Message]] = {}
            for message in messages:
                batch = decode(message.value())
                left -= batch.count
                read.setdefault(message.partition(), []).append(
                    Message(message.offset(), message.timestamp()[1], batch)
                )
            for partition, together in read.items():
                builders[partition].update_all(together)
            if time.perf_counter() - flushed_s >= _FLUSH_S:
                flushed_s = time.perf_counter()
                for builder in builders:
                    builder.acknowledge(builder.emit()[1])
        return events / (time.perf_counter() - started_s)
    finally:
        consumer.close()
