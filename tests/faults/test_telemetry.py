"""Publishers that are killed, repeat themselves, send nonsense, or have a wrong clock."""

import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer

from faults.fault_rig import READY_S, FaultRig
from faults.test_workers import pause
from integration.worker_rig import RELEASE
from sidecar.program import Program
from streams.topic_log import read_topic
from trimtab.schemas import telemetry_message
from trimtab.schemas.telemetry import Packer, RoutingKey
from trimtab.schemas.telemetry_message import encode
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, TELEMETRY, WEIGHTS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

KEY = RoutingKey("checkout", "v1", "", 1, 1)
TESTS = Path(__file__).parents[1]
SNAPSHOTS = "trimtab-snapshots-changelog"


def batch_of(events: int, *, time_ms: int, sent_ms: int, publisher: str = "test") -> bytes:
    packer = Packer()
    for _ in range(events):
        packer.response(KEY, time_ms, 12.0, 200)
    return encode(packer.finish(publisher=publisher, seq=0, sent_ms=sent_ms))


def send(kafka: str, topic: str, payloads: list[bytes], *, partition: int = 0, key: bytes | None = None) -> None:
    producer = Producer({"bootstrap.servers": kafka, "acks": "all"})
    for payload in payloads:
        producer.produce(topic, payload, key=key, partition=partition)
    assert producer.flush(60) == 0


def test_a_publisher_is_killed_and_goes_on_from_its_checkpoint() -> None:
    messages, draws = 1_500, random.Random(3)
    with FaultRig() as rig:
        rig.begin(publishers=1)
        command = [
            sys.executable,
            "-m",
            "faults.sequence_publisher",
            rig.kafka.bootstrap,
            str(rig.folder / "checkpoint"),
        ]
        for _ in range(5):
            publisher = Program(
                rig.folder / "publisher.log", "/usr/bin/env", f"PYTHONPATH={TESTS}", *command, str(messages)
            )
            pause(draws.uniform(0.6, 1.0))
            publisher.end(by=signal.SIGKILL)
        publisher = Program(
            rig.folder / "publisher.log", "/usr/bin/env", f"PYTHONPATH={TESTS}", *command, str(messages)
        )
        assert publisher.wait(60) == 0, publisher.output
        rig.recovers("publisher killed and restarted")
        rig.settle()
        sent = Counter(
            batch.seq for payload in read_topic(rig.kafka.bootstrap, TELEMETRY)
            if (batch := telemetry_message.decode(payload)).publisher == "sequence"
        )  # fmt: skip
        assert sent.keys() == set(range(messages))


def test_telemetry_comes_twice_and_out_of_order() -> None:
    draws = random.Random(5)
    with FaultRig() as rig:
        rig.begin(publishers=1)
        for _ in range(20):
            now_ms = int(time.time() * 1000)
            payloads = [batch_of(10, time_ms=now_ms - age_ms, sent_ms=now_ms) for age_ms in range(0, 3_000, 100)]
            payloads += draws.sample(payloads, 10)
            draws.shuffle(payloads)
            send(rig.kafka.bootstrap, TELEMETRY, payloads, partition=draws.randrange(4))
            pause(0.1)
        rig.recovers("telemetry twice and out of order")
        rig.settle()


def test_poison_in_every_topic() -> None:
    poison = [b"", b"\x00\xff\xfe poison", b'{"kind":', b"\x81\xa1t\xa5panes", bytes(10_000)]
    with FaultRig() as rig:
        (worker,) = rig.begin(publishers=1)
        for topic in (TELEMETRY, EVIDENCE, DECISIONS, WEIGHTS, DEAD_LETTERS, SNAPSHOTS):
            partitions = 1 if topic == DEAD_LETTERS else 4
            for partition in range(partitions):
                send(rig.kafka.bootstrap, topic, poison, partition=partition, key=f"{partition}/checkout/7".encode())
        rig.recovers("poison in every topic")
        worker.kill()
        rig.recovers("worker killed after poison in every topic")
        account = rig.settle()
        # An empty message is not telemetry either.
        assert account.undecodable == 4 * len(poison)
        rejected = [letter for letter in account.letters.values() if letter.source == EVIDENCE]
        assert len(rejected) == 4 * len(poison)


def test_the_clock_of_one_publisher_is_ten_minutes_off() -> None:
    with FaultRig() as rig:
        rig.begin(publishers=1)
        for off_ms in (-600_000, 600_000):
            for _ in range(10):
                theirs_ms = int(time.time() * 1000) + off_ms
                send(rig.kafka.bootstrap, TELEMETRY, [batch_of(10, time_ms=theirs_ms, sent_ms=theirs_ms)])
                pause(0.1)
        rig.recovers("clock of one publisher 10 minutes off")
        account = rig.settle()
        newest = account.newest("checkout")
        assert newest is not None
        late = [letter for letter in account.letters.values() if letter.code == "future"]
        assert late == []


def test_a_flood_on_one_release_does_not_slow_another() -> None:
    """A backlog of a million events in one partition, while another release's events come in as ever."""
    with FaultRig() as rig:
        rig.begin(publishers=1)
        at_rest_s = rig.await_moves(READY_S, moves=5)
        file = rig.folder / "other.yaml"
        file.write_text(RELEASE.replace("NAME", "flooded"))
        rig.apply_file(file)
        now_ms = int(time.time() * 1000)
        packer = Packer()
        for _ in range(500):
            packer.response(RoutingKey("flooded", "v1", "", 1, 1), now_ms, 12.0, 200)
        flood = encode(packer.finish(publisher="flood", seq=0, sent_ms=now_ms))
        send(rig.kafka.bootstrap, TELEMETRY, [flood] * 4_000, partition=1)
        assert rig.await_moves(READY_S, moves=5) < 10 * at_rest_s
        rig.settle()
