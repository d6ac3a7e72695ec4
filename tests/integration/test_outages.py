"""Servers that go away under a running worker."""

import pytest

from conftest import Eventually
from integration.worker_rig import WorkerRig
from trimtab.client import RoutingKey, Telemetry

pytestmark = [pytest.mark.integration, pytest.mark.long]

KEY = RoutingKey("checkout", "v1", "", 1, 1)


def publish(telemetry: Telemetry, events: int) -> None:
    for _ in range(events):
        telemetry.response(KEY, 12.0, 200)
    assert telemetry.flush(60)


def test_decisions_reach_a_redis_that_was_away_and_came_back_empty() -> None:
    with WorkerRig() as rig, Telemetry(rig.kafka, publisher="test") as telemetry:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publish(telemetry, 10)
        before = rig.await_counted(10)
        rig.cache.stop()
        publish(telemetry, 10)
        rig.cache.start()
        after = rig.await_counted(20)
        assert after.id > before.id
        assert worker.is_running


def test_telemetry_from_before_and_after_an_outage_of_kafka_is_counted(eventually: Eventually) -> None:
    with WorkerRig() as rig, Telemetry(rig.kafka, publisher="test") as telemetry:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publish(telemetry, 10)
        rig.await_counted(10)
        rig.broker.down()
        for _ in range(10):
            telemetry.response(KEY, 12.0, 200)
        eventually(lambda: telemetry.stats.pending == 10, what="events wait for Kafka")
        rig.broker.up()
        assert telemetry.flush(60)
        if not worker.is_running:
            assert worker.wait() != 0
            rig.start_worker()
        rig.await_counted(20)
        publish(telemetry, 10)
        assert rig.await_counted(30).seen.counted == 30


def test_a_worker_that_is_told_to_stop_while_kafka_is_away_stops_all_the_same() -> None:
    with WorkerRig() as rig, Telemetry(rig.kafka, publisher="test") as telemetry:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        publish(telemetry, 10)
        rig.await_counted(10)
        rig.broker.down()
        assert worker.end() in (0, 1)
