"""The report in Redis says what is in force, and goes away with its sidecar."""

import asyncio
import signal

import pytest
from structlog.testing import capture_logs

from conftest import Eventually
from sidecar.kafka_events import read_to_end
from sidecar.rig import SIDECAR_ID, Rig
from sidecar.weights import ERA, weights
from trimtab.schemas.redis_keys import sidecar_key
from trimtab.schemas.sidecar import SidecarReport
from trimtab.sidecar.metrics import SidecarMetrics
from trimtab.sidecar.report import ReportDesk
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration


def test_each_release_has_its_own_report(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url, releases=("all", "shop")) as rig:
        rig.publish(weights("all", 3))
        rig.publish(weights("shop", 4, prefix="/shop"))
        rig.start_sidecar()
        rig.start_envoy()
        eventually(lambda: rig.report("all").in_force == (ERA, 3), what="the one")
        eventually(lambda: rig.report("shop").in_force == (ERA, 4), what="the other")
        assert (rig.report("all").sidecar, rig.report("all").proxy) == (SIDECAR_ID, "envoy")


def test_a_report_expires_in_ten_seconds(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.start_sidecar()
        eventually(lambda: rig.report().time_ms, what="a report")
        assert 0 < rig.redis.pttl(sidecar_key("checkout", SIDECAR_ID)) <= 10_000


def test_a_release_of_which_no_weights_come_is_told_once(redis: EmbeddedRedis) -> None:
    reports = [
        SidecarReport(sidecar="edge", proxy="envoy", release="ghost"),
        SidecarReport(sidecar="edge", proxy="envoy", release="checkout", age_s=0.5),
    ]

    async def write() -> None:
        desk = ReportDesk(redis.url, SidecarMetrics())
        for _ in range(12):
            await desk.write(reports)
        await desk.close()

    with capture_logs() as told:
        asyncio.run(write())
    assert told == [{"event": "weights_awaited", "log_level": "warning", "sidecar": "edge", "release": "ghost"}]


def test_events_are_counted_and_so_are_entries_of_nobody(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap, releases=("shop",)) as rig:
        rig.publish(weights("shop", prefix="/shop"))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.ask(envoy, 10, "/shop")
        assert {answer.status for answer in rig.ask(envoy, 5, "/other")} == {404}
        eventually(lambda: rig.report("shop").events == 20, what="two events a request")
        eventually(lambda: rig.report("shop").unattributed == 10, what="two entries a request of nobody")
        assert rig.report("shop").dropped == 0
        assert rig.report("shop").entries == rig.logged(envoy) == 30
        assert sum(rig.report("shop").routed.values()) == 10


@pytest.mark.proxies
def test_what_envoy_wrote_and_nobody_took_is_what_is_lost(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights())
        first = rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.ask(envoy, 100)
        eventually(lambda: rig.report().events == 200, what="all events of the first")
        first.end(by=signal.SIGKILL)
        rig.redis.delete(sidecar_key("checkout", SIDECAR_ID))
        rig.ask(envoy, 50)
        eventually(lambda: rig.logged(envoy, "grpc_entries_flushed") == 300, what="Envoy's word that it sent them")
        rig.start_sidecar()
        eventually(lambda: rig.ask(envoy, 1) and rig.report().entries, what="entries for the second")
        eventually(lambda: rig.report().events == rig.report().entries, what="all events of the second")
        eventually(lambda: 200 + rig.report().events == len(read_to_end(kafka.bootstrap)), what="them on Kafka")
        assert rig.logged(envoy) - 200 - rig.report().entries >= 100  # nobody has those of the fifty requests


@pytest.mark.proxies
def test_a_sidecar_of_a_log_file_says_what_was_routed(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap, logs_to_file=True) as rig:
        rig.publish(weights(v1=5_000, v2=5_000))
        rig.start_sidecar()
        answers = rig.ask(rig.start_envoy(), 50)
        of = {name: sum(answer.variant == name for answer in answers) for name in ("v1", "v2")}
        eventually(lambda: rig.report().routed == of, what="them in the report")
        assert rig.report().entries == 0
