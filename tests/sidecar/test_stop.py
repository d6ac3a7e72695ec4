"""A sidecar ends as it is told to, and stands in no other's way."""

import asyncio
import signal

import pytest

from conftest import Eventually
from sidecar.kafka_events import read_events, read_to_end
from sidecar.rig import Rig
from sidecar.weights import weights
from trimtab.sidecar.ending import end
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration

ENDS_S = 30
"""It gives Envoy and Kafka two seconds; who waited for them without a bound would take minutes."""
NOISE = ("Traceback", "ExecuteBatchError", "CancelledError", "never retrieved", "never awaited", "was destroyed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_quietly(
    number: signal.Signals, redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights())
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            eventually(lambda: len(visit.answers) > 20, what="the first requests")
            assert sidecar.end(by=number, timeout_s=ENDS_S) == 0
        assert not rig.socket.exists()
        assert not [word for word in NOISE if word in sidecar.output], sidecar.output
        assert [answer for answer in visit.answers if not answer.is_good] == []


def test_it_ends_though_nobody_answers_it(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights())
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.ask(envoy, 10)
        redis.stop()
        eventually(lambda: "redis_away" in sidecar.output, what="a line in the log")
        assert sidecar.end(timeout_s=ENDS_S) == 0
        assert not [word for word in NOISE if word in sidecar.output], sidecar.output


def test_what_envoy_logged_before_is_published_at_the_end(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights())
        sidecar = rig.start_sidecar(linger_ms=60_000)
        rig.ask(rig.start_envoy(), 10)
        eventually(lambda: rig.report().time_ms, what="a report")
        before = rig.report().time_ms
        eventually(lambda: rig.report().time_ms > before + 1_500, what="reports later than the flush interval")
        assert read_to_end(kafka.bootstrap) == []
        sidecar.end()
        assert len(read_events(kafka.bootstrap, 20)) == 20


def test_an_envoy_that_was_killed_leaves_no_noise(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights())
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.ask(envoy, 10)
        envoy.kill()
        eventually(lambda: "envoy_gone" in sidecar.output, what="a line in the log")
        assert sidecar.end() == 0
        assert not [word for word in NOISE if word in sidecar.output], sidecar.output


def test_a_second_sidecar_on_the_socket_gives_way(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        second = rig.start_sidecar()
        assert second.wait() == 1
        assert "another process listens on it" in second.output
        rig.publish(weights(revision=2, v1=0, v2=10_000))
        eventually(lambda: rig.ask(envoy, 1)[0].service == "v2", what="the first one's weights")


def test_a_task_that_takes_a_cancellation_for_an_error_is_ended_all_the_same() -> None:
    async def go_on_for_ever(taken: list[int]) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if len(taken) == 2:
                    raise
                taken.append(1)

    async def ended() -> list[int]:
        taken: list[int] = []
        task = asyncio.create_task(go_on_for_ever(taken))
        await asyncio.sleep(0)  # so that it has begun
        await end(task)
        assert task.cancelled()
        return taken

    assert asyncio.run(ended()) == [1, 1]


def test_a_folder_that_is_not_there_is_one_line_and_exit_1(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        sidecar = rig.start_sidecar(socket=str(rig.folder / "nowhere" / "s.sock"))
        assert sidecar.wait() == 1
        assert "sidecar_refused" in sidecar.output
        assert "Traceback" not in sidecar.output


def test_a_cache_that_is_no_folder_is_one_line_and_exit_1(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        (rig.folder / "cache").write_text("a file")
        sidecar = rig.start_sidecar(cache=str(rig.folder / "cache"))
        assert sidecar.wait() == 1
        assert "sidecar_refused" in sidecar.output
        assert "Traceback" not in sidecar.output
        assert not rig.socket.exists()
