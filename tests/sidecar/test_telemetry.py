"""What Envoy saw stands on Kafka: a request and a response event for each request, with its variant and revision."""

import time
from collections import Counter

import pytest

from conftest import Eventually
from sidecar.kafka_events import Event, read_events
from sidecar.rig import Envoy, Rig
from sidecar.weights import ERA, weights
from sidecar.world import Answer
from trimtab.schemas.telemetry import Failure, Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration


def routed(events: list[Event], kind: Kind) -> Counter[tuple[str, str]]:
    """How many events of `kind` each (variant, revision) has."""
    return Counter((e.key.variant, f"{e.key.era}.{e.key.revision}") for e in events if e.kind is kind)


def asked(answers: list[Answer]) -> Counter[tuple[str, str]]:
    """How many requests each (variant, revision) answered, by what the visitors were told."""
    return Counter((answer.variant, answer.revision) for answer in answers)


def test_events_pair_and_name_what_the_visitors_saw(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(v1=5_000, v2=5_000))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            for revision in range(2, 8):
                published_s = rig.publish(weights(revision=revision, v1=5_000, v2=5_000))
                eventually(lambda: len(visit.since(published_s)) >= 40, what="forty requests")  # noqa: B023 - called in this turn
        rest = rig.ask(envoy, 20)
        answers = visit.answers + rest
        events = read_events(kafka.bootstrap, 2 * len(answers))
    assert routed(events, Kind.REQUEST) == asked(answers)
    assert routed(events, Kind.RESPONSE) == asked(answers)
    assert {revision for _, revision in asked(answers)} >= {f"{ERA}.{revision}" for revision in range(2, 8)}
    assert {(event.key.release, event.key.segment) for event in events} == {("checkout", "")}


def one_of_each(rig: Rig, kafka: EmbeddedKafka, envoy: Envoy, path: str = "/", **headers: str) -> tuple[Event, Event]:
    """Asks once, and gives the request event and the response event of it."""
    rig.ask(envoy, 1, path, **headers)
    request, response = sorted(read_events(kafka.bootstrap, 2), key=lambda event: event.kind)
    assert (request.kind, response.kind) == (Kind.REQUEST, Kind.RESPONSE)
    assert request.key == response.key
    return request, response


def test_times_durations_and_sizes_are_those_of_the_request(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(revision=57, v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        before_ms = time.time_ns() // 1_000_000
        request, response = one_of_each(rig, kafka, envoy)
        after_ms = time.time_ns() // 1_000_000
    assert before_ms <= request.time_ms <= response.time_ms <= after_ms
    assert 0 < response.duration_ms <= response.time_ms - request.time_ms + 1
    assert (response.status, response.failure) == (200, Failure.NONE)
    assert 100 < response.size < 1_000
    assert (response.key.era, response.key.revision) == (ERA, 57)


def test_an_error_of_the_service_is_its_status_and_no_failure(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights())
        rig.start_sidecar()
        _, response = one_of_each(rig, kafka, rig.start_envoy(), "/error")
    assert (response.status, response.failure) == (500, Failure.NONE)


def test_a_variant_that_cannot_be_reached_fails_to_connect(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(v1=0, v2=10_000, at={"v2": "nobody"}))
        rig.start_sidecar()
        request, response = one_of_each(rig, kafka, rig.start_envoy())
    assert request.key.variant == "v2"
    assert (response.status, response.failure) == (503, Failure.CONNECT)


def test_a_variant_that_is_too_slow_times_out(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights())
        rig.start_sidecar()
        envoy = rig.start_envoy(
            internal_address_config={"cidr_ranges": [{"address_prefix": "10.0.0.1", "prefix_len": 32}]}
        )
        # Envoy heeds a timeout that a request brings along if it comes from inside.
        headers = {"x-forwarded-for": "10.0.0.1", "x-envoy-upstream-rq-timeout-ms": "80"}
        _, response = one_of_each(rig, kafka, envoy, "/slow", **headers)
    assert (response.status, response.failure) == (504, Failure.TIMEOUT)
    assert 70 <= response.duration_ms < 5_000  # Envoy's timers and its log go by different clocks


def test_a_variant_that_hangs_up_is_a_reset(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights())
        rig.start_sidecar()
        _, response = one_of_each(rig, kafka, rig.start_envoy(), "/reset")
    assert (response.status, response.failure) == (503, Failure.RESET)


def test_a_visitor_who_leaves_early_is_not_the_variants_failure(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights())
        rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port, "/slow", patience_s=0):
            requests = read_events(kafka.bootstrap, 4)
        events = read_events(kafka.bootstrap, 8)
    assert [event.kind for event in requests] == [Kind.REQUEST] * 4
    assert {event.failure for event in events if event.kind is Kind.RESPONSE} == {Failure.CLIENT}
    assert routed(events, Kind.REQUEST) == routed(events, Kind.RESPONSE)
