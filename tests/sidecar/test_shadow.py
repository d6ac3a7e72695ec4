"""A shadow release: variants answer copies of requests, visitors notice nothing, and the evidence is there."""

from collections import Counter

import pytest

from conftest import Eventually
from sidecar.kafka_events import Event, read_events, read_to_end
from sidecar.rig import Rig
from sidecar.weights import ERA, weights
from trimtab.client import RoutingKey, copied
from trimtab.schemas.stamp import HEADER_SHADOW_CLUSTER, HEADER_SHADOW_STAMP, stamp
from trimtab.schemas.telemetry import Failure, Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies]

MIRRORED = {"mirror": {"v2": 10_000}}


def counted(events: list[Event]) -> Counter[tuple[str, Kind]]:
    return Counter((event.key.variant, event.kind) for event in events)


def test_every_request_is_copied_and_both_answers_are_told(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(revision=7, v1=10_000, v2=0, routing=MIRRORED))
        rig.start_sidecar()
        answers = rig.ask(rig.start_envoy(), 40)
        assert {(answer.status, answer.service, answer.variant) for answer in answers} == {(200, "v1", "v1")}
        events = read_events(kafka.bootstrap, 160)
        assert set(counted(events).values()) == {40}
        assert {variant for variant, _ in counted(events)} == {"v1", "v2"}
        assert {(event.key.release, event.key.era, event.key.revision) for event in events} == {("checkout", ERA, 7)}
        assert all(event.duration_ms > 0 for event in events if event.kind is Kind.RESPONSE)


def test_a_copy_is_the_request_with_its_id_and_host_and_can_be_told(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=10_000, v2=0, routing=MIRRORED))
        rig.start_sidecar()
        rig.ask(rig.start_envoy(), 1)
        eventually(lambda: rig.world.seen["v2"], what="the copy")
        [request], [copy] = rig.world.seen["v1"], rig.world.seen["v2"]
        assert (copy["x-request-id"], copy["host"]) == (request["x-request-id"], request["host"])
        assert copy[HEADER_SHADOW_CLUSTER] == "at-v2"
        assert HEADER_SHADOW_CLUSTER not in request


def test_a_part_of_the_requests_is_copied(redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(v1=10_000, v2=0, routing={"mirror": {"v2": 2_500}}))
        rig.start_sidecar()
        rig.ask(rig.start_envoy(), 800)

        def all_is_told() -> bool:
            of = counted(read_to_end(kafka.bootstrap))
            copies = len(rig.world.seen["v2"])
            return of["v1", Kind.RESPONSE] == 800 and of["v2", Kind.REQUEST] == of["v2", Kind.RESPONSE] == copies

        eventually(all_is_told, what="an event for each request and copy")
        assert 150 < len(rig.world.seen["v2"]) < 250


@pytest.mark.parametrize(("path", "status", "failure"), [("/error", 500, Failure.NONE), ("/", 503, Failure.CONNECT)])
def test_a_shadow_that_fails_harms_nobody_and_is_told(
    path: str, status: int, failure: Failure, redis: EmbeddedRedis, kafka: EmbeddedKafka
) -> None:
    at = {"v2": "nobody"} if failure is Failure.CONNECT else {}
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(v1=10_000, v2=0, at=at, routing=MIRRORED))
        rig.start_sidecar()
        answers = rig.ask(rig.start_envoy(), 10, path)
        assert {answer.service for answer in answers} == {"v1"}
        events = read_events(kafka.bootstrap, 40)
        ended = [event for event in events if event.kind is Kind.RESPONSE and event.key.variant == "v2"]
        assert {(event.status, event.failure) for event in ended} == {(status, failure)}
        assert len(ended) == 10


def test_a_copy_is_of_the_segment_of_its_request(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    routing = {**MIRRORED, "segment_conditions": {"phones": "header x-kind = phone"}}
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(v1=10_000, v2=0, routing=routing))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.ask(envoy, 3, **{"x-kind": "phone"})
        rig.ask(envoy, 5)
        segments = Counter((event.key.variant, event.key.segment) for event in read_events(kafka.bootstrap, 32))
        assert segments == {("v1", "phones"): 6, ("v2", "phones"): 6, ("v1", ""): 10, ("v2", ""): 10}


def test_copies_end_with_the_shadow(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0, routing=MIRRORED))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.ask(envoy, 5)
        eventually(lambda: len(rig.world.seen["v2"]) == 5, what="copies")
        rig.publish(weights(revision=2, v1=10_000, v2=0))
        eventually(lambda: rig.report().in_force == (ERA, 2), what="the next weights")
        before = len(rig.world.seen["v2"])
        rig.ask(envoy, 20)
        assert len(rig.world.seen["v2"]) == before


def test_a_visitor_cannot_choose_where_copies_go(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(v1=10_000, v2=0, routing=MIRRORED))
        rig.start_sidecar()
        rig.ask(rig.start_envoy(), 4, **{HEADER_SHADOW_CLUSTER: "at-v1"})
        eventually(lambda: len(rig.world.seen["v2"]) == 4, what="copies")
        assert len(rig.world.seen["v1"]) == 4


@pytest.mark.parametrize("condition", ["", "header x-kind = phone"], ids=["takes part", "takes no part"])
def test_a_visitor_cannot_pass_for_a_copy(condition: str, redis: EmbeddedRedis, eventually: Eventually) -> None:
    routing = {"baseline": "v1", "condition": condition} | ({} if condition else MIRRORED)
    forged = {HEADER_SHADOW_CLUSTER: "at-v1", HEADER_SHADOW_STAMP: stamp("checkout", (ERA, 1), {"v1": "at-v1"})}
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=7, v1=10_000, v2=0, routing=routing))
        rig.start_sidecar()
        rig.ask(rig.start_envoy(), 2, **forged)
        assert [copied(seen) for seen in rig.world.seen["v1"]] == [None, None]
        if not condition:
            eventually(lambda: len(rig.world.seen["v2"]) == 2, what="copies")
            expected = RoutingKey("checkout", "v2", "", ERA, 7)
            assert [copied(seen) for seen in rig.world.seen["v2"]] == [expected, expected]
