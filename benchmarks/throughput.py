"""Events per second through fold and decide in one worker, beside a bare loop and quixstreams over the same messages.

The messages lie in Kafka before the worker starts. Its rate is read off its own decisions: how many events each rests
on, and when it was made. The bare loop is a confluent-kafka consumer that decodes and folds with the same engine code
and emits every 100 ms, in this process, afterwards, from the same broker. quixstreams does the same windowed
aggregation (`benchmarks.quix`). All see every message once.
"""

import argparse
import json
import random
import statistics
import subprocess
import time
from pathlib import Path
from typing import Final

import msgspec
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.process import cpu_s, rss_mib
from benchmarks.quix_environment import quix_python
from benchmarks.rig import READY_S, RELEASE, VARIANTS, Rig
from benchmarks.topic_reader import read_topic
from trimtab.control.release_view import Releases
from trimtab.engine.batch import Message
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.schemas.decision import decode_decision
from trimtab.schemas.telemetry import ColumnBatch, Packer, RoutingKey
from trimtab.schemas.telemetry_message import decode, encode
from trimtab.schemas.topics import DECISIONS, TELEMETRY
from trimtab.streams.backend import Backend
from trimtab.streams.layout import ensure_topics
from trimtab.streams.settings import KafkaSettings

_MESSAGES: Final = {500: 24_000, 20: 100_000, 1: 200_000}
"""events per message -> messages"""
_EMBEDDED_MESSAGES: Final = {500: 1_600, 20: 30_000, 1: 60_000}
"""What the embedded broker holds, which is about 5 MB a partition."""
_POOL: Final = 200
"""Different batches; they are sent in turns, with their times moved to now."""
_QUIX_EVENTS: Final = 300_000
_QUIX_MESSAGES: Final = {"batches": 1_000, "numpy": 16_000}
_QUIX_S: Final = 200.0
_PARTITIONS: Final = 4
_SEED: Final = 1
_ERROR_RATIO: Final = 0.02
_LOOK_S: Final = 0.1
_FLUSH_S: Final = 0.1
_BATCH: Final = 500

Figures = dict[str, str | int | float]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds what may be chosen."""
    parser.add_argument("--backend", type=Backend, choices=list(Backend), default=Backend.LOCAL)
    parser.add_argument("--share", type=float, default=1.0, help="of the usual number of messages")
    parser.add_argument("--rounds", type=int, default=2, help="of which the medians count")
    parser.add_argument("--no-quix", action="store_true", help="leave quixstreams out")


def measure(options: argparse.Namespace) -> Figures:
    """Gives events/s at 500 and 20 events a message, messages/s at 1, and their ratios to the others."""
    figures: Figures = {"backend": options.backend}
    usual = _EMBEDDED_MESSAGES if options.backend is Backend.EMBEDDED else _MESSAGES
    for events, most in usual.items():
        messages = max(100, int(most * options.share))
        rounds = [_one(options.backend, events, messages) for _ in range(options.rounds)]
        name = "messages_per_s_1" if events == 1 else f"events_per_s_{events}"
        figures[name] = round(statistics.median(one["worker"] for one in rounds))
        figures[f"bare_{name}"] = round(statistics.median(one["bare"] for one in rounds))
        figures[f"ratio_to_bare_loop_{events}"] = round(
            statistics.median(one["worker"] / one["bare"] for one in rounds), 3
        )
        figures[f"n_{events}"] = events * messages
        suffix = "" if events == next(iter(usual)) else f"_{events}"
        figures[f"cpu_s_per_million{suffix}"] = round(statistics.median(one["cpu_s"] for one in rounds), 3)
        figures[f"rss_mib{suffix}"] = round(max(one["rss_mib"] for one in rounds))
    if not options.no_quix:
        figures |= _beside_quix(options.backend, float(figures["events_per_s_500"]), options.share)
    return figures


def _one(backend: Backend, events: int, messages: int) -> dict[str, float]:
    """Gives the events per second of a worker and of the bare loop, and what the worker used."""
    with Rig(backend) as rig:
        if backend is not Backend.EMBEDDED:
            ensure_topics(KafkaSettings(bootstrap=rig.kafka))
        _fill(rig.kafka, events, messages)
        rig.apply()
        worker = rig.trimtab("worker", "worker", "--kafka", rig.kafka, "--redis", rig.redis)
        rig.await_weights()
        _await_counted(rig.redis, events * messages)
        used = {"cpu_s": cpu_s(worker.pid) / (events * messages) * 1e6, "rss_mib": rss_mib(worker.pid)}
        return {"worker": _worker_rate(rig.kafka), "bare": _bare_rate(rig.kafka, events * messages), **used}


def _pool(events: int, messages: int) -> list[ColumnBatch]:
    draws = random.Random(_SEED)
    packer = Packer()
    keys = [RoutingKey(RELEASE, variant, "", 1, 1) for variant in VARIANTS]
    batches = []
    for number in range(min(_POOL, messages)):
        for _ in range(events):
            status = 500 if draws.random() < _ERROR_RATIO else 200
            packer.response(draws.choice(keys), 0, draws.lognormvariate(3.0, 0.5), status, size=512)
        batches.append(packer.finish(publisher="benchmark", seq=number, sent_ms=0))
    return batches


def _fill(kafka: str, events: int, messages: int, topic: str = TELEMETRY) -> None:
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "acks": "all"})
    batches, payloads = _pool(events, messages), [b""]
    for number in range(messages):
        if number % len(batches) == 0:
            now_ms = int(time.time() * 1000)
            payloads = [encode(msgspec.structs.replace(one, base_ms=now_ms, sent_ms=now_ms)) for one in batches]
        _produce(producer, topic, payloads[number % len(batches)], number % _PARTITIONS)
    if producer.flush(READY_S):
        raise TimeoutError("the broker did not take the messages")


def _produce(producer: Producer, topic: str, payload: bytes, partition: int, key: bytes = b"benchmark") -> None:
    while True:
        try:
            producer.produce(topic, payload, key=key, partition=partition)
        except BufferError:
            producer.poll(0.05)
        else:
            producer.poll(0)
            return


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


def _beside_quix(backend: Backend, worker_rate: float, share: float) -> Figures:
    """Gives the events per second of quixstreams in each form, and the worker's ratio to it."""
    figures: Figures = {}
    with Rig(backend) as rig:
        topics = [NewTopic(f"quix-{form}", _PARTITIONS) for form in ("events", *_QUIX_MESSAGES)]
        admin = AdminClient({"bootstrap.servers": rig.kafka})
        for made in admin.create_topics(topics).values():
            made.result()
        events = int(_QUIX_EVENTS * share)
        _fill_events(rig.kafka, events)
        runs = {"events": (events, events)}
        for form, messages in _QUIX_MESSAGES.items():
            count = max(100, int(messages * share))
            _fill(rig.kafka, 500, count, f"quix-{form}")
            runs[form] = (count, count * 500)
        for form, (messages, in_all) in runs.items():
            rate = in_all / _quix_s(rig.kafka, form, messages)
            figures[f"quixstreams_{form}_per_s"] = round(rate)
            figures[f"vs_quixstreams_{form}"] = round(worker_rate / rate, 2)
    return figures


def _fill_events(kafka: str, events: int) -> None:
    """Writes one JSON event a message, all of one key in one partition."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "acks": "all"})
    draws = random.Random(_SEED)
    for _ in range(events):
        number = draws.randrange(len(VARIANTS))
        variant = VARIANTS[number]
        event = {
            "kind": "response", "release": RELEASE, "variant": variant, "time_ms": int(time.time() * 1000),
            "duration_ms": draws.lognormvariate(3.0, 0.5), "status": 500 if draws.random() < _ERROR_RATIO else 200,
        }  # fmt: skip
        key = f"{RELEASE}|{variant}".encode()
        _produce(producer, "quix-events", json.dumps(event).encode(), number, key)
    if producer.flush(READY_S):
        raise TimeoutError("the broker did not take the messages")


def _quix_s(kafka: str, form: str, messages: int) -> float:
    program = Path(__file__).with_name("quix.py")
    done = subprocess.run(
        [quix_python(), program, kafka, f"quix-{form}", str(messages), form],
        capture_output=True, text=True, timeout=_QUIX_S, check=True,
    )  # fmt: skip
    return float(done.stdout.rpartition("took ")[2])
