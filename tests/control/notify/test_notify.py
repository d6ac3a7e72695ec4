"""`trimtab notify` as a process, on a broker and a server that are really there."""

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from conftest import Eventually
from control.decisions import arm, decision
from control.notify.receiver import Receiver
from integration.worker_rig import READY_S
from sidecar.program import Program
from trimtab.control.kafka_log import KafkaLog
from trimtab.schemas import dead_letter
from trimtab.schemas import decision as decisions
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS, evidence_partition
from trimtab.streams.embedded import EmbeddedKafka
from trimtab.streams.layout import embedded_topics

pytestmark = [pytest.mark.integration, pytest.mark.long]


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka(embedded_topics()) as server:
        yield server


def publish(broker: EmbeddedKafka, *made: Decision) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for one in made:
        producer.produce(DECISIONS, decisions.encode(one), partition=evidence_partition(one.release, 4))
    assert producer.flush(60) == 0


def start(broker: EmbeddedKafka, folder: Path, url: str, name: str = "notify") -> Program:
    (folder / "secret").write_text("0123456789abcdef")
    (folder / "targets.yaml").write_text(
        f"targets: [{{name: ops, url: '{url}', secretFile: {folder}/secret,"
        " retry: {tries: 2, first: 10ms, longest: 50ms}}]"
    )
    command = [sys.executable, "-m", "trimtab.control.cli", "notify", "--targets", str(folder / "targets.yaml")]
    settings = ["TRIMTAB_KAFKA__SESSION_TIMEOUT_S=2", "TRIMTAB_KAFKA__HEARTBEAT_S=0.4"]
    return Program(folder / f"{name}.log", "/usr/bin/env", *settings, *command, "--kafka", broker.bootstrap)


def has_begun(broker: EmbeddedKafka) -> bool:
    """Whether the target has a checkpoint."""
    from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415 - here alone

    consumer = Consumer({"bootstrap.servers": broker.bootstrap, "group.id": "trimtab-notify-ops"})
    try:
        found = consumer.committed([TopicPartition(DECISIONS, partition) for partition in range(4)], 10)
        return all(one.offset >= 0 for one in found)
    finally:
        consumer.close()


def test_each_change_is_told_once_and_what_is_not_taken_becomes_a_dead_letter(
    broker: EmbeddedKafka, tmp_path: Path, eventually: Eventually
) -> None:
    publish(broker, decision(revision=1))  # before: nobody is told of it
    with Receiver() as receiver:
        notify = start(broker, tmp_path, receiver.url)
        try:
            eventually(lambda: has_begun(broker), what="a checkpoint", timeout_s=READY_S)
            first = decision(revision=2, replaces=(7, 1))
            out = decision(revision=3, replaces=(7, 2), arms=[arm("v1"), arm(excluded="slow")])
            publish(broker, first, first, out, out)  # a worker that was started again writes some once more
            eventually(lambda: receiver.posted, what="a notice", timeout_s=READY_S)
            receiver.answers += [(400, {})]
            publish(broker, decision(revision=4, replaces=(7, 3), phase=Phase.ROLLED_BACK, arms=out.arms))
            eventually(lambda: "notice_given_up" in notify.output, what="a dead letter")
            assert [json.loads(one.body)["kind"] for one in receiver.posted] == ["excluded", "rolled_back"]
            assert receiver.posted[0].headers["webhook-signature"].startswith("v1,")
            assert notify.end() == 0
        finally:
            if notify.is_running:
                notify.end(by=signal.SIGKILL)
    with KafkaLog(KafkaConnection.of(broker.bootstrap), 10) as log:
        (entry,) = log.read(DEAD_LETTERS, 0, *log.bounds(DEAD_LETTERS, 0))
    letter = dead_letter.decode(entry.value)
    assert (letter.code, letter.source, letter.events, letter.release) == ("undelivered", DECISIONS, 0, "checkout")
    assert letter.reason == "target ops: HTTP 400"
    assert json.loads(letter.payload)["kind"] == "rolled_back"


def test_what_comes_while_nobody_tells_is_told_afterwards(
    broker: EmbeddedKafka, tmp_path: Path, eventually: Eventually
) -> None:
    with Receiver() as receiver:
        notify = start(broker, tmp_path, receiver.url)
        eventually(lambda: has_begun(broker), what="a checkpoint", timeout_s=READY_S)
        notify.end(by=signal.SIGKILL)
        publish(broker, decision(revision=1), decision(revision=2, replaces=(7, 1), phase=Phase.PAUSED))
        again = start(broker, tmp_path, receiver.url, "again")
        try:
            eventually(lambda: receiver.posted, what="a notice", timeout_s=READY_S)
            (told,) = receiver.posted
            assert json.loads(told.body)["kind"] == "paused"
            assert json.loads(told.body)["phase_before"] == "progressing"
        finally:
            again.end()


def test_a_file_is_checked_without_any_server(tmp_path: Path) -> None:
    file = tmp_path / "targets.yaml"
    file.write_text("targets: [{name: ops, url: 'https://hooks.example/x'}]")
    command = [sys.executable, "-m", "trimtab.control.cli", "notify", "--check", "--targets", str(file)]
    checked = Program(tmp_path / "check.log", *command)
    assert (checked.wait(READY_S), checked.output) == (0, "ops ok\n")
    file.write_text("targets: [{name: ops}]")
    wrong = Program(tmp_path / "wrong.log", *command)
    assert wrong.wait(READY_S) == 2
    assert "targets.0.url: Field required" in wrong.output
