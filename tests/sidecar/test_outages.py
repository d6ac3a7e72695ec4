"""Whatever goes away, Envoy serves on with the weights that it has; when it is back, they are followed again."""

import signal
import socket
from collections.abc import Iterator

import pytest

from conftest import Eventually
from sidecar.kafka_events import Event, read_events, read_to_end
from sidecar.rig import Rig
from sidecar.weights import ERA, weights
from trimtab.schemas.telemetry import Failure
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.long]


@pytest.fixture
def nobody() -> Iterator[str]:
    """HOST:PORT at which nobody listens, nor will."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


def test_a_killed_sidecar_is_survived_and_its_successor_followed(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            eventually(lambda: len(visit.answers) > 20, what="the first requests")
            sidecar.end(by=signal.SIGKILL)
            assert rig.socket.exists()
            rig.publish(weights(revision=2, v1=0, v2=10_000))
            killed = len(visit.answers)
            eventually(lambda: len(visit.answers) > killed + 50, what="requests without a sidecar")
            assert {answer.service for answer in visit.answers} == {"v1"}
            rig.start_sidecar()
            eventually(lambda: visit.answers[-1].service == "v2", what="the weights of meanwhile")
            rig.publish(weights(revision=3, v1=10_000, v2=0))
            eventually(lambda: visit.answers[-1].service == "v1", what="the next weights")
        assert [answer for answer in visit.answers if not answer.is_good] == []
        last = visit.answers[-1].revision
        eventually(
            lambda: last in {f"{e.key.era}.{e.key.revision}" for e in read_to_end(kafka.bootstrap)},
            what="events of the newest revision",
        )


def broken_off(kafka: EmbeddedKafka) -> list[Event]:
    return [event for event in read_to_end(kafka.bootstrap) if event.failure is Failure.CLIENT]


def test_requests_that_began_in_an_earlier_life_of_the_sidecar_are_attributed(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port, "/slow", patience_s=0):
            assert len(read_events(kafka.bootstrap, 4)) == 4
            sidecar.end(by=signal.SIGKILL)
            rig.publish(weights(revision=2, v1=0, v2=10_000))
            rig.start_sidecar()
            eventually(lambda: rig.ask(envoy, 1)[0].service == "v2", what="the next weights")
        eventually(lambda: len(broken_off(kafka)) >= 4, what="the ends of requests whose visitors left")
        ended = broken_off(kafka)
    assert [(event.key.variant, event.key.revision) for event in ended] == [("v1", 1)] * 4


def test_without_redis_the_last_weights_stay(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            redis.stop()
            eventually(lambda: "redis_away" in sidecar.output, what="a line in the log")
            assert sidecar.is_running
            redis.start()
            rig.publish(weights(revision=2, v1=0, v2=10_000))
            eventually(lambda: visit.answers[-1].service == "v2", what="the weights after the outage")
            eventually(lambda: rig.report().in_force == (ERA, 2), what="a report after the outage")
        assert [answer for answer in visit.answers if not answer.is_good] == []
        eventually(lambda: "redis_back" in sidecar.output, what="a line in the log")  # the report is visible before


def test_a_start_without_redis_takes_the_weights_from_the_cache(
    redis: EmbeddedRedis, nobody: str, eventually: Eventually
) -> None:
    with Rig(redis=redis.url) as rig:
        cache = rig.folder / "cache"
        rig.publish(weights(revision=7, v1=0, v2=10_000))
        sidecar = rig.start_sidecar(cache=str(cache))
        eventually(lambda: list(cache.glob("checkout.json")), what="the weights in the cache")
        sidecar.end()
        sidecar = rig.start_sidecar(cache=str(cache), redis=f"redis://user:secret@{nobody}/0")
        (answer,) = rig.ask(rig.start_envoy(), 1)
        assert (answer.service, answer.revision) == ("v2", f"{ERA}.7")
        eventually(lambda: "redis_away" in sidecar.output, what="a line in the log")
        assert nobody in sidecar.output
        assert "secret" not in sidecar.output


def test_a_killed_envoy_gets_the_newest_weights_when_it_is_back(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the first revision in the report")
        envoy.kill()
        eventually(lambda: rig.report().in_force == (0, 0), what="nothing in force, without an Envoy")
        rig.publish(weights(revision=2, v1=0, v2=10_000))
        assert rig.ask(rig.start_envoy(), 1)[0].service == "v2"
        eventually(lambda: rig.report().in_force == (ERA, 2), what="the newest revision in the report")


def test_without_kafka_the_weights_are_followed_all_the_same(
    redis: EmbeddedRedis, nobody: str, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=nobody) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        sidecar = rig.start_sidecar(max_buffered=10)
        envoy = rig.start_envoy()
        assert [a for a in rig.ask(envoy, 50) if not a.is_good] == [], sidecar.output
        rig.publish(weights(revision=2, v1=0, v2=10_000))
        eventually(lambda: rig.ask(envoy, 1)[0].service == "v2", what="the newest weights")
        eventually(lambda: rig.report().dropped >= 90, what="the events that were dropped, in the report")
        eventually(lambda: "telemetry_dropped" in sidecar.output, what="a line in the log")
