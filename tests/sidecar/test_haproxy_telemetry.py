"""What HAProxy saw stands on Kafka: a request and a response event for each request, once each."""

import fcntl
import os
import random
import signal
import time
from collections import Counter

import pytest

from conftest import Eventually
from sidecar.haproxy_rig import HAProxyRig, needs_haproxy
from sidecar.kafka_events import Event, read_events, read_to_end
from sidecar.weights import ERA, weights
from sidecar.world import Answer
from trimtab.schemas.telemetry import Failure, Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies, needs_haproxy]

STOPS = 4


def routed(events: list[Event], kind: Kind) -> Counter[tuple[str, str]]:
    """How many events of `kind` each (variant, revision) has."""
    return Counter((e.key.variant, f"{e.key.era}.{e.key.revision}") for e in events if e.kind is kind)


def asked(answers: list[Answer]) -> Counter[tuple[str, str]]:
    """How many requests each (variant, revision) answered, by what the visitors were told."""
    return Counter((answer.variant, answer.revision) for answer in answers)


def all_events(kafka: EmbeddedKafka, count: int) -> list[Event]:
    """All events on Kafka, once there are `count`, which should be all."""
    read_events(kafka.bootstrap, count)
    return read_to_end(kafka.bootstrap)


@pytest.mark.parametrize("file_mode", [False, True])
def test_events_pair_and_name_what_the_visitors_saw(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually, *, file_mode: bool
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap, file_mode=file_mode) as rig:
        rig.publish(first := weights(v1=5_000, v2=5_000))
        rig.start_sidecar()
        eventually(lambda: rig.report().time_ms, what="the sidecar")
        rig.start_haproxy()
        eventually(lambda: rig.has(first), what="the first weights")
        with rig.world.visit(rig.port) as visit:
            for revision in range(2, 8):
                rig.publish(record := weights(revision=revision, v1=4_000, v2=6_000))
                eventually(lambda: rig.has(record), what="the weights")
                now_s = time.monotonic()
                eventually(lambda: len(visit.since(now_s)) >= 40, what="forty requests")  # noqa: B023 - as above
        answers = visit.answers + rig.ask(20)
        events = all_events(kafka, 2 * len(answers))
        eventually(lambda: rig.report().events == len(events), what="them in the report")
        assert rig.report().routed == Counter(answer.variant for answer in answers)
    assert routed(events, Kind.REQUEST) == routed(events, Kind.RESPONSE) == asked(answers)
    assert {revision for _, revision in asked(answers)} >= {f"{ERA}.{revision}" for revision in range(2, 8)}


def one_response(rig: HAProxyRig, kafka: EmbeddedKafka, path: str = "/") -> Event:
    rig.ask(1, path)
    request, response = sorted(read_events(kafka.bootstrap, 2), key=lambda event: event.kind)
    assert (request.kind, response.kind) == (Kind.REQUEST, Kind.RESPONSE)
    assert request.key == response.key
    return response


def test_times_durations_and_sizes_are_those_of_the_request(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(revision=57, v1=10_000, v2=0))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        before_ms = time.time_ns() // 1_000_000
        response = one_response(rig, kafka)
        after_ms = time.time_ns() // 1_000_000
    assert before_ms <= response.time_ms <= after_ms
    assert 0 <= response.duration_ms <= after_ms - before_ms
    assert (response.status, response.failure) == (200, Failure.NONE)
    assert 100 < response.size < 1_000
    assert (response.key.variant, response.key.era, response.key.revision) == ("v1", ERA, 57)


@pytest.mark.parametrize(
    ("path", "status", "failure"),
    [("/error", 500, Failure.NONE), ("/reset", 502, Failure.RESET), ("/slow", 504, Failure.TIMEOUT)],
)
def test_what_went_wrong_is_told_apart(  # noqa: PLR0913 - three resources, three values
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually, *, path: str, status: int, failure: Failure
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.start_haproxy(rig.config().replace("timeout server 30s", "timeout server 200ms"))
        rig.publish(record := weights())
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        response = one_response(rig, kafka, path)
    assert (response.status, response.failure) == (status, failure)


def test_a_variant_that_cannot_be_reached_fails_to_connect(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        # Unchecked, so that HAProxy goes on trying it.
        rig.addresses["at-v2"] = "127.0.0.1:1"
        config = rig.config().replace("check inter 2s fall 3 rise 2", "")
        rig.start_haproxy(config)
        rig.publish(record := weights(v1=0, v2=10_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        response = one_response(rig, kafka)
    assert (response.key.variant, response.status, response.failure) == ("v2", 503, Failure.CONNECT)


def test_a_visitor_who_leaves_early_is_not_the_variants_failure(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.start_haproxy()
        rig.publish(record := weights())
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        with rig.world.visit(rig.port, "/slow", patience_s=0):
            eventually(lambda: _current(rig) == 4, what="four on their way")
        events = read_events(kafka.bootstrap, 8)
    assert {event.failure for event in events if event.kind is Kind.RESPONSE} == {Failure.CLIENT}


def _current(rig: HAProxyRig) -> int:
    """How many requests are at servers now."""
    lines = [line.split(",") for line in rig.tell("show stat").removeprefix("# ").splitlines() if line]
    return sum(
        int(dict(zip(lines[0], line, strict=True))["scur"]) for line in lines[1:] if line[:2] == ["checkout", "BACKEND"]
    )


def test_lines_that_are_not_ours_are_counted_and_skipped(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap, file_mode=True) as rig:
        rig.publish(record := weights())
        rig.start_sidecar()
        eventually(lambda: rig.report().time_ms, what="the sidecar")
        rig.start_haproxy()
        eventually(lambda: rig.has(record), what="the weights")
        with rig.log.open("ab") as log:
            log.write(b"\xff\xfe nonsense\n\n{}\ntrimtab/2 1 2\ntrimtab/1 1 checkout v9 0.0 200 ---- 1 1\n")
        rig.ask(10)
        assert len(all_events(kafka, 20)) == 20
        lines = rig.log.read_bytes().removesuffix(b"\n").split(b"\n")
        eventually(lambda: rig.report().unattributed == len(lines) - 10, what="all others counted")
        assert len(lines) >= 15


def test_lines_that_haproxy_drops_are_counted(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap, file_mode=True) as rig:
        rig.publish(record := weights())
        sidecar = rig.start_sidecar()
        os.mkfifo(pipe := rig.folder / "full.pipe")  # that nobody empties, and HAProxy does not wait
        with os.fdopen(os.open(pipe, os.O_RDWR)) as held:
            fcntl.fcntl(held, fcntl.F_SETPIPE_SZ, 4_096)
            rig.start_haproxy(output=pipe)
            eventually(lambda: rig.has(record), what="the weights")
            eventually(lambda: rig.report().in_force == record.id, what="a look at HAProxy")
            rig.ask(200)
            dropped = int(rig.info("DroppedLogs"))
            assert dropped > 100
            eventually(lambda: rig.report().dropped == 2 * dropped, what="them in the report")
            assert sidecar.output.count("haproxy_drops_lines") == 1


def test_a_stream_waits_in_haproxy_while_the_sidecar_is_away(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.start_haproxy()
        rig.publish(record := weights())
        sidecar = rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        rig.ask(100)
        assert len(read_events(kafka.bootstrap, 200)) == 200
        assert sidecar.end() == 0
        rig.ask(1_000)
        rig.start_sidecar()
        assert len(all_events(kafka, 2_200)) == 2_200


def test_a_stop_under_load_doubles_no_line_of_a_stream_and_costs_it_a_few_at_most(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        rig.publish(record := weights())
        sidecar = rig.start_sidecar()
        rig.start_haproxy()
        eventually(lambda: rig.has(record), what="the weights")
        with rig.world.visit(rig.port) as visit:
            for _ in range(STOPS):
                before = rig.report().time_ms
                eventually(lambda: rig.report().time_ms > before and rig.report().events > 200, what="some events")  # noqa: B023 - called in this turn
                assert sidecar.end() == 0
                sidecar = rig.start_sidecar()
        # What HAProxy is writing as the socket closes is gone: one or two lines, and not at every stop.
        least = len(visit.answers) - 4 * STOPS
        read_events(kafka.bootstrap, 2 * len(visit.answers))
        assert 2 * least <= len(read_to_end(kafka.bootstrap)) <= 2 * len(visit.answers)


@pytest.mark.parametrize("file_mode", [False, True])
def test_it_ends_though_nobody_answers_it(redis: EmbeddedRedis, eventually: Eventually, *, file_mode: bool) -> None:
    with HAProxyRig(redis=redis.url, file_mode=file_mode) as rig:  # with a Kafka that is not there
        rig.publish(record := weights())
        sidecar = rig.start_sidecar()
        haproxy = rig.start_haproxy()
        eventually(lambda: rig.has(record), what="the weights")
        rig.ask(10)
        redis.stop()
        haproxy.end()
        eventually(lambda: "redis_away" in sidecar.output and "haproxy_away" in sidecar.output, what="lines in the log")
        assert sidecar.end(timeout_s=30) == 0  # librdkafka alone would wait for five minutes
        assert "Traceback" not in sidecar.output


def test_a_kafka_that_does_not_answer_is_told_once(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.publish(weights())
        sidecar = rig.start_sidecar()
        eventually(lambda: "telemetry_undelivered" in sidecar.output, what="a line in the log")
        before = rig.report().time_ms
        eventually(lambda: rig.report().time_ms > before + 6_000, what="another try")
        assert sidecar.output.count("telemetry_undelivered") == 1
        assert "Traceback" not in sidecar.output


def test_no_line_is_lost_or_told_twice_though_the_sidecar_is_killed_again_and_again(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    draw = random.Random(3)
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap, file_mode=True) as rig:
        rig.publish(record := weights(v1=5_000, v2=5_000))
        sidecar = rig.start_sidecar()
        eventually(lambda: rig.report().time_ms, what="the sidecar")
        rig.start_haproxy()
        eventually(lambda: rig.has(record), what="the weights")
        with rig.world.visit(rig.port) as visit:
            for _ in range(6):
                checkpoint = rig.files.checkpoint.read_bytes()
                moves = draw.randrange(1, 20)
                for _ in range(moves):
                    eventually(lambda: rig.files.checkpoint.read_bytes() != checkpoint, what="a checkpoint")  # noqa: B023 - called in this turn
                    checkpoint = rig.files.checkpoint.read_bytes()
                sidecar.end(by=signal.SIGKILL)
                sidecar = rig.start_sidecar()
        answers = visit.answers
        assert [answer for answer in answers if not answer.is_good] == []
        events = all_events(kafka, 2 * len(answers))
    assert routed(events, Kind.REQUEST) == routed(events, Kind.RESPONSE) == asked(answers)


def test_a_sidecar_that_was_killed_before_its_checkpoint_finds_on_kafka_how_far_it_came(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap, file_mode=True) as rig:
        rig.publish(record := weights())
        sidecar = rig.start_sidecar()
        eventually(lambda: rig.report().time_ms, what="the sidecar")
        rig.start_haproxy()
        eventually(lambda: rig.has(record), what="the weights")
        rig.ask(50)
        assert len(read_events(kafka.bootstrap, 100)) == 100
        eventually(lambda: rig.report().events == 100, what="all delivered")
        before = rig.files.checkpoint.read_bytes()
        rig.ask(70)
        eventually(lambda: rig.report().events == 240, what="all delivered")
        sidecar.end(by=signal.SIGKILL)
        rig.files.checkpoint.write_bytes(before)
        rig.ask(30)
        rig.start_sidecar()
        assert len(all_events(kafka, 300)) == 300


def test_a_rotation_loses_and_doubles_nothing(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, kafka=kafka.bootstrap, file_mode=True) as rig:
        rig.publish(record := weights())
        sidecar = rig.start_sidecar()
        eventually(lambda: rig.report().time_ms, what="the sidecar")
        rig.start_haproxy()
        eventually(lambda: rig.has(record), what="the weights")
        for number in range(3):
            rig.ask(40)
            if number == 1:
                sidecar.end(by=signal.SIGKILL)
            # As logrotate's copytruncate: HAProxy has no way to reopen its standard output. Its lines come after its
            # answers, and one that came between the copying and the truncating would be lost.
            eventually(lambda: _lines(rig) == 40 * (1 + (number > 0)), what="the lines")  # noqa: B023 - called in this turn
            rig.log.with_name("haproxy.log.1").write_bytes(rig.log.read_bytes())
            rig.log.write_bytes(b"")
            rig.ask(40)
            if number == 1:
                sidecar = rig.start_sidecar()
            assert len(all_events(kafka, 160 * (number + 1))) == 160 * (number + 1)
        eventually(lambda: rig.report().time_ms, what="a report")
        assert rig.report().gaps == 0


def _lines(rig: HAProxyRig) -> int:
    return rig.log.read_bytes().count(b"trimtab/1 1")
