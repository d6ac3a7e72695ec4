"""The report in Redis says what is in force, and goes away with its sidecar."""

import pytest

from conftest import Eventually
from sidecar.rig import SIDECAR_ID, Rig
from sidecar.weights import ERA, weights
from trimtab.schemas.redis_keys import sidecar_key
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
