"""Servers that go away under a running worker, and a commit that is ahead of what was made durable."""

import signal
import time

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition

from conftest import Eventually
from integration.worker_rig import WorkerRig
from trimtab.client import RoutingKey, Telemetry
from trimtab.schemas.topics import EVIDENCE, evidence_partition
from trimtab.streams.layout import embedded_topics

pytestmark = pytest.mark.integration

KEY = RoutingKey("checkout", "v1", "", 1, 1)


def publish(telemetry: Telemetry, events: int) -> None:
    for _ in range(events):
        telemetry.response(KEY, 12.0, 200)
    assert telemetry.flush(20)


def test_decisions_reach_a_redis_that_was_away_and_came_back_empty() -> None:
    with WorkerRig() as rig, Telemetry(rig.kafka.bootstrap, publisher="test") as telemetry:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publish(telemetry, 10)
        before = rig.await_counted(10)
        rig.redis.stop()
        publish(telemetry, 10)
        rig.redis.start()
        after = rig.await_counted(20)
        assert after.id > before.id
        assert worker.is_running


def test_telemetry_from_before_and_after_an_outage_of_kafka_is_counted(eventually: Eventually) -> None:
    with WorkerRig() as rig, Telemetry(rig.kafka.bootstrap, publisher="test") as telemetry:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publish(telemetry, 10)
        rig.await_counted(10)
        rig.kafka.down()
        for _ in range(10):
            telemetry.response(KEY, 12.0, 200)
        eventually(lambda: telemetry.stats.pending == 10, what="events wait for Kafka")
        rig.kafka.up()
        assert telemetry.flush(30)
        if not worker.is_running:
            assert worker.wait() != 0
            rig.start_worker()
        rig.await_counted(20)
        publish(telemetry, 10)
        assert rig.await_counted(30).seen.counted == 30


def test_a_commit_ahead_of_its_snapshot_is_set_back(eventually: Eventually) -> None:
    with WorkerRig() as rig, Telemetry(rig.kafka.bootstrap, publisher="test") as telemetry:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publish(telemetry, 10)
        rig.await_counted(10)
        worker.end(by=signal.SIGKILL)
        _commit_to_the_end(rig)
        publish(telemetry, 10)
        first = rig.start_worker()
        eventually(lambda: not first.is_running, what="the worker notices and ends", timeout_s=40)
        assert first.wait() == 1
        assert "the commit was set back, start again" in first.output
        rig.start_worker()
        assert rig.await_counted(20).seen.counted == 20


def _commit_to_the_end(rig: WorkerRig) -> None:
    """Commits all of the release's evidence for the worker's group, once the group has let the dead worker go."""
    partition = evidence_partition("checkout", embedded_topics()[EVIDENCE])
    consumer = Consumer({"bootstrap.servers": rig.kafka.bootstrap, "group.id": "trimtab"})
    try:
        _, end = consumer.get_watermark_offsets(TopicPartition(EVIDENCE, partition), 10)
        deadline_s = time.monotonic() + 30
        while True:
            try:
                consumer.commit(offsets=[TopicPartition(EVIDENCE, partition, end)], asynchronous=False)
            except KafkaException:
                assert time.monotonic() < deadline_s
            else:
                return
    finally:
        consumer.close()
