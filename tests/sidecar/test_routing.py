"""Weights in Redis move real requests through a real Envoy."""

import math
import random
from collections import Counter
from functools import partial

import pytest

from conftest import Eventually
from sidecar.kafka_events import read_events
from sidecar.rig import Rig
from sidecar.weights import ERA, weights
from sidecar.world import Visit
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration


def test_requests_are_split_by_the_weights(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=7_000, v2=3_000))
        rig.start_sidecar()
        answers = rig.ask(rig.start_envoy(), 1_000)
        assert all(answer.is_good for answer in answers)
        share = Counter(answer.variant for answer in answers)["v2"]
        # Envoy's draws cannot be seeded: five standard deviations fail once in two million runs.
        assert abs(share - 300) < 5 * math.sqrt(1_000 * 0.3 * 0.7)


def test_a_response_names_release_variant_and_revision(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=57, v1=0, v2=10_000))
        rig.start_sidecar()
        (answer,) = rig.ask(rig.start_envoy(), 1)
        assert (answer.release, answer.variant, answer.revision) == ("checkout", "v2", f"{ERA}.57")


@pytest.mark.proxies
def test_without_headers_a_response_says_nothing_and_telemetry_all(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(revision=57, v1=0, v2=10_000))
        rig.start_sidecar(headers=False)
        answers = rig.ask(rig.start_envoy(), 5)
        assert {(one.service, one.release, one.variant, one.revision) for one in answers} == {("v2", "", "", "")}
        eventually(lambda: rig.report().routed == {"v2": 5}, what="them in the report")
        assert {event.key.revision for event in read_events(kafka.bootstrap, 10)} == {57}


def test_no_request_fails_while_the_weights_change(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            for revision in range(2, 32):
                share = 10_000 if revision % 2 else 0
                published_s = rig.publish(weights(revision=revision, v1=share, v2=10_000 - share))
                answered = partial(_answered, visit, published_s, f"{ERA}.{revision}")
                eventually(lambda: answered() >= 10, what=f"requests routed by revision {revision}")  # noqa: B023 - called in this turn
        assert [answer for answer in visit.answers if not answer.is_good] == []
        assert len(visit.answers) >= 300
        assert {answer.revision for answer in visit.answers} >= {f"{ERA}.{revision}" for revision in range(2, 32)}


@pytest.mark.proxies
def test_no_request_fails_through_a_thousand_changes_under_load(redis: EmbeddedRedis, eventually: Eventually) -> None:
    draw = random.Random(1)
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            for revision in range(2, 1_002):
                share = draw.choice([0, 10_000]) if revision % 2 else draw.randrange(10_001)
                rig.publish(weights(revision=revision, v1=share, v2=10_000 - share))
                routed_by = f"{ERA}.{revision}"
                eventually(lambda: visit.answers and visit.answers[-1].revision == routed_by, what=routed_by)  # noqa: B023 - called in this turn
        assert [answer for answer in visit.answers if not answer.is_good] == []
        assert len(visit.answers) >= 1_000
        eventually(lambda: rig.report().in_force == (ERA, 1_001), what="the report")
        assert rig.report().refusals == 0


def _answered(visit: Visit, since_s: float, revision: str) -> int:
    return sum(answer.revision == revision for answer in visit.since(since_s))


def test_two_releases_are_routed_by_their_prefixes(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url, releases=("shop.2", "all")) as rig:
        rig.publish(weights("all", v1=10_000, v2=0))
        rig.publish(weights("shop.2", prefix="/shop", v1=0, v2=10_000))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        assert {(a.release, a.service) for a in rig.ask(envoy, 5, "/shop/cart")} == {("shop.2", "v2")}
        assert {(a.release, a.service) for a in rig.ask(envoy, 5, "/other")} == {("all", "v1")}


def test_two_envoys_follow_one_sidecar(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=10_000, v2=0))
        rig.start_sidecar()
        envoys = [rig.start_envoy(), rig.start_envoy()]
        rig.publish(weights(revision=2, v1=0, v2=10_000))
        for envoy in envoys:
            eventually(lambda: rig.ask(envoy, 1)[0].service == "v2", what="the new weights")  # noqa: B023 - called in this turn
        eventually(lambda: rig.report().in_force == (ERA, 2), what="both in the report")
