"""Model servers behind a real Envoy that looks into their answers, and what the sidecar makes of them."""

from collections import Counter

import pytest

from conftest import Eventually
from sidecar.kafka_events import read_events
from sidecar.rig import Envoy, Rig
from sidecar.weights import weights
from trimtab.schemas.telemetry import Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies]

INFER, OF_V2 = "/v2/models/digits/infer", "/v2/models/digits/versions/2/infer"


def asked(  # noqa: PLR0913 - who, how often, and what is to come of it
    rig: Rig, envoy: Envoy, count: int, body: str, *, path: str = INFER, kind: str = "application/json"
) -> None:
    """Asks the server of v1, which has all the traffic, for answers that say `body`."""
    answers = rig.ask(envoy, count, path, **{"x-answer": body, "x-type": kind})
    assert {(answer.status, answer.service, answer.variant) for answer in answers} == {(200, body, "v1")}


@pytest.mark.parametrize("logs_to_file", [False, True], ids=["grpc", "file"])
def test_answers_count_for_the_version_that_they_name(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually, *, logs_to_file: bool
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap, logs_to_file=logs_to_file, models=True) as rig:
        rig.publish(weights(v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        asked(rig, envoy, 2, '{"model_name": "digits", "model_version": "1", "outputs": []}')
        asked(rig, envoy, 3, '{"model_name": "digits", "model_version": "2", "outputs": []}')
        asked(rig, envoy, 5, '{"model_name": "digits", "model_version": "9", "outputs": []}')
        asked(rig, envoy, 7, '{"model_name": "digits", "outputs": []}')
        asked(rig, envoy, 11, '{"model_name": "digits", "outputs": []}', path=OF_V2)
        asked(rig, envoy, 13, "not JSON at all")
        asked(rig, envoy, 17, '{"model_version": "2"}', kind="text/event-stream")
        rig.ask(envoy, 19)
        counted = Counter((event.key.variant, event.kind) for event in read_events(kafka.bootstrap, 2 * 77))
        assert counted == {
            ("v1", Kind.REQUEST): 77, ("v1", Kind.RESPONSE): 63, ("v2", Kind.RESPONSE): 14,
        }  # fmt: skip
        expected = {"told": 2, "other": 3, "unknown": 5, "missing": 7 + 13 + 17, "asked": 11}
        eventually(lambda: rig.report().answers == expected, what=f"{expected} in the report")
        assert rig.report().unattributed == 0


def test_copies_count_for_the_version_that_answers_them(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap, models=True) as rig:
        rig.publish(weights(v1=10_000, v2=0, routing={"mirror": {"v2": 10_000}}))
        rig.start_sidecar()
        asked(rig, rig.start_envoy(), 4, '{"model_name": "digits", "model_version": "2", "outputs": []}')
        expected = {"other": 4, "told": 4}
        eventually(lambda: rig.report().answers == expected, what=f"{expected} in the report")


def test_envoy_that_does_not_look_into_answers_counts_none(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(weights(v1=10_000, v2=0))
        rig.start_sidecar()
        asked(rig, rig.start_envoy(), 3, '{"model_name": "digits", "model_version": "2"}')
        assert {event.key.variant for event in read_events(kafka.bootstrap, 6)} == {"v1"}
        assert rig.report().answers == {}


def test_an_answer_of_json_that_outgrows_the_listeners_buffer_becomes_an_error(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    said = {"x-answer": '{"model_name": "digits", "model_version": "1"}'}
    with Rig(redis=redis.url, kafka=kafka.bootstrap, models=True) as rig:
        rig.publish(weights(v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        (fits,) = rig.ask(envoy, 1, INFER, **said, **{"x-type": "application/json", "x-blanks": "900000"})
        (outgrows,) = rig.ask(envoy, 1, INFER, **said, **{"x-type": "application/json", "x-blanks": "2000000"})
        (streams,) = rig.ask(envoy, 1, INFER, **said, **{"x-type": "text/event-stream", "x-blanks": "2000000"})
        assert [answer.status for answer in (fits, outgrows, streams)] == [200, 500, 200]
        eventually(lambda: sum(rig.report().answers.values()) == 3, what="three answers in the report")
        assert rig.report().answers == {"told": 1, "missing": 2}
