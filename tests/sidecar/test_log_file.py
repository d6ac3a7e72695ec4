"""Envoy's log in a file: every line is told once, however the sidecar ends and whatever becomes of the file."""

import os
import random
import signal
from collections import Counter

import pytest

from conftest import Eventually
from sidecar.kafka_events import Event, read_events, read_to_end
from sidecar.rig import Rig
from sidecar.weights import ERA, weights
from sidecar.world import Answer
from trimtab.schemas.telemetry import Failure, Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies]

KILLS = 6


def asked(answers: list[Answer]) -> Counter[tuple[str, str]]:
    return Counter((answer.variant, answer.revision) for answer in answers)


def told(events: list[Event], kind: Kind) -> Counter[tuple[str, str]]:
    return Counter((e.key.variant, f"{e.key.era}.{e.key.revision}") for e in events if e.kind is kind)


def all_events(kafka: EmbeddedKafka, count: int) -> list[Event]:
    """All events on Kafka, once there are `count`, which should be all."""
    read_events(kafka.bootstrap, count)
    return read_to_end(kafka.bootstrap)


def test_events_pair_and_name_what_the_visitors_saw(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap, logs_to_file=True) as rig:
        rig.publish(weights(v1=5_000, v2=5_000))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            for revision in range(2, 6):
                published_s = rig.publish(weights(revision=revision, v1=5_000, v2=5_000))
                eventually(lambda: len(visit.since(published_s)) >= 40, what="forty requests")  # noqa: B023
        events = all_events(kafka, 2 * len(visit.answers))
        eventually(lambda: rig.report().events == len(events), what="them in the report")
        assert (rig.report().gaps, rig.report().unattributed, rig.report().dropped) == (0, 0, 0)
    assert told(events, Kind.REQUEST) == told(events, Kind.RESPONSE) == asked(visit.answers)
    assert all(event.duration_ms > 0 and event.size > 100 for event in events if event.kind is Kind.RESPONSE)


def test_a_sidecar_that_is_killed_again_and_again_loses_and_doubles_nothing(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    rng = random.Random(7)
    with Rig(redis=redis.url, kafka=kafka.bootstrap, logs_to_file=True) as rig:
        rig.publish(weights(v1=5_000, v2=5_000))
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            for _ in range(KILLS):
                enough = len(visit.answers) + rng.randrange(30, 120)
                eventually(lambda: len(visit.answers) >= enough, what="requests")  # noqa: B023
                sidecar.end(by=signal.SIGKILL)
                enough += rng.randrange(20, 60)
                eventually(lambda: len(visit.answers) >= enough, what="requests without it")  # noqa: B023
                sidecar = rig.start_sidecar()
        events = all_events(kafka, 2 * len(visit.answers))
        assert [answer for answer in visit.answers if not answer.is_good] == []
    assert told(events, Kind.REQUEST) == told(events, Kind.RESPONSE) == asked(visit.answers)


def test_a_log_that_is_rotated_is_read_to_its_end(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap, logs_to_file=True) as rig:
        rig.publish(weights(v1=5_000, v2=5_000))
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            for number in range(1, 4):
                enough = len(visit.answers) + 60
                eventually(lambda: len(visit.answers) >= enough, what="requests")  # noqa: B023
                if number == 2:
                    sidecar.end(by=signal.SIGKILL)
                rig.log.rename(rig.log.with_name(f"envoy.log.{number}"))
                rig.reopen_log(envoy)
                if number == 2:
                    sidecar = rig.start_sidecar()
        events = all_events(kafka, 2 * len(visit.answers))
        assert rig.report().gaps == 0
    assert told(events, Kind.REQUEST) == told(events, Kind.RESPONSE) == asked(visit.answers)


def test_what_went_wrong_and_copies_are_told_as_over_grpc(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    routing = {"mirror": {"v2": 10_000}, "segment_conditions": {"phones": "header x-kind = phone"}}
    with Rig(redis=redis.url, kafka=kafka.bootstrap, logs_to_file=True) as rig:
        rig.publish(weights(revision=3, v1=10_000, v2=0, at={"v2": "nobody"}, routing=routing))
        rig.start_sidecar()
        rig.ask(rig.start_envoy(), 5, "/error", **{"x-kind": "phone"})
        events = all_events(kafka, 20)
    ended = Counter((e.key.variant, e.status, e.failure) for e in events if e.kind is Kind.RESPONSE)
    assert ended == {("v1", 500, Failure.NONE): 5, ("v2", 503, Failure.CONNECT): 5}
    assert {(e.key.segment, e.key.era, e.key.revision) for e in events} == {("phones", ERA, 3)}


def test_lines_of_others_are_counted_and_skipped(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap, logs_to_file=True) as rig:
        rig.publish(weights())
        rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.log.open("ab") as log:
            log.write(b"what somebody else writes\n\xff\xfe\n")
        rig.ask(envoy, 3)
        assert len(all_events(kafka, 6)) == 6
        eventually(lambda: rig.report().unattributed == 2, what="them in the report")


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_log_that_is_no_file_is_one_line_and_exit_1(kind: str, redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url, logs_to_file=True) as rig:
        if kind == "folder":
            rig.log.mkdir()
        else:
            os.mkfifo(rig.log)
        sidecar = rig.start_sidecar()
        assert sidecar.wait() == 1
        assert "sidecar_refused" in sidecar.output
        assert "Traceback" not in sidecar.output
