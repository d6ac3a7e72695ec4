import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

import pytest
from confluent_kafka import Consumer, Message

from trimtab.client import RoutingKey, Telemetry, TelemetryStats
from trimtab.schemas.telemetry import ColumnBatch
from trimtab.schemas.telemetry_message import decode
from trimtab.schemas.topics import TELEMETRY
from trimtab.streams.embedded import EmbeddedKafka

Eventually = Callable[..., None]

KEY = RoutingKey("checkout", "v1", "", 3, 7)
NEVER_S = 3_600.0
NEVER_MS = NEVER_S * 1000


@contextmanager
def reader(kafka: EmbeddedKafka) -> Iterator[Callable[[Callable[[list[Message]], bool]], list[Message]]]:
    """Gives a function that reads messages, from the first one, until the condition holds for all read so far."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe([TELEMETRY])
    messages: list[Message] = []

    def read_until(is_enough: Callable[[list[Message]], bool]) -> list[Message]:
        end_s = time.monotonic() + 60
        while not is_enough(messages):
            assert time.monotonic() < end_s, f"{len(messages)} messages in 60 s"
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                messages.append(message)
        return messages

    try:
        yield read_until
    finally:
        consumer.close()


def read_events(kafka: EmbeddedKafka, count: int) -> list[ColumnBatch]:
    """The batches written so far, up to `count` events; heartbeats left out."""
    with reader(kafka) as read_until:
        messages = read_until(lambda found: sum(decode(message.value()).count for message in found) >= count)
    return [batch for message in messages if (batch := decode(message.value())).count]


def read_messages(kafka: EmbeddedKafka, count: int) -> list[Message]:
    with reader(kafka) as read_until:
        return read_until(lambda found: len(found) >= count)


def offered(stats: TelemetryStats) -> int:
    return stats.published + stats.dropped + stats.invalid + stats.pending


def test_a_batch_leaves_when_it_has_its_number_of_events(kafka: EmbeddedKafka, eventually: Eventually) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", linger_ms=NEVER_MS, max_events=10, heartbeat_s=NEVER_S) as telemetry:
        telemetry.flush(60)
        for _ in range(29):
            telemetry.request(KEY)
        assert [batch.count for batch in read_events(kafka, 20)] == [10, 10]
        eventually(lambda: telemetry.stats.published == 20, what="both batches acknowledged")
        assert telemetry.stats.pending == 9


def test_a_batch_leaves_when_it_is_old_enough(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", linger_ms=20, heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        assert [batch.count for batch in read_events(kafka, 1)] == [1]


def test_an_event_of_each_kind_arrives_as_it_was_told(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", linger_ms=NEVER_MS, heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY, 1_000 + int(time.time() * 1000))
        now_ms = int(time.time() * 1000)
        telemetry.response(KEY, 12.5, 503, size=99, failure=1, time_ms=now_ms)
        telemetry.outcome(KEY, "converted", 1.0, time_ms=now_ms)
        assert telemetry.flush(60)
    [batch] = read_events(kafka, 3)
    assert batch.keys == [KEY]
    assert batch.metrics == ["converted"]
    assert list(batch.kind) == [0, 1, 2]
    assert memoryview(batch.duration_us).cast("I").tolist() == [0, 12_500, 0]
    assert memoryview(batch.status).cast("H").tolist() == [0, 503, 0]
    assert memoryview(batch.size).cast("I").tolist() == [0, 99, 0]
    assert list(batch.failure) == [0, 1, 0]
    assert memoryview(batch.value).cast("d").tolist() == [0, 0, 1]


def test_an_event_without_a_time_is_of_now(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        before_ms = int(time.time() * 1000)
        telemetry.request(KEY)
        after_ms = int(time.time() * 1000)
        telemetry.flush(60)
    [batch] = read_events(kafka, 1)
    assert before_ms <= batch.base_ms <= after_ms
    assert before_ms <= batch.sent_ms


def test_heartbeats_are_sent_without_events(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", linger_ms=5, heartbeat_s=0.02):
        batches = [decode(message.value()) for message in read_messages(kafka, 3)]
    assert [batch.count for batch in batches[:3]] == [0, 0, 0]
    assert batches[0].sent_ms < batches[1].sent_ms < batches[2].sent_ms


def test_batches_are_numbered_without_a_gap(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", max_events=2, heartbeat_s=0.02) as telemetry:
        for _ in range(9):
            telemetry.request(KEY)
        telemetry.flush(60)
        sent = telemetry.stats.batches
        messages = read_messages(kafka, sent)
    assert [decode(message.value()).seq for message in messages] == list(range(len(messages)))


def test_messages_carry_the_publisher_and_cloud_event_headers(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="edge-1", heartbeat_s=0.02):
        first, second, *_ = read_messages(kafka, 2)
    assert first.key() == b"edge-1"
    assert first.partition() == second.partition()
    headers, later = dict(first.headers()), dict(second.headers())
    assert headers.pop("ce_id") != later.pop("ce_id")
    assert headers == later == {
        "ce_specversion": b"1.0",
        "ce_type": b"dev.trimtab.telemetry.v1",
        "ce_source": b"/publishers/edge-1",
        "content-type": b"application/vnd.msgpack",
    }  # fmt: skip


def test_events_wait_for_a_broker_that_comes_back(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        assert telemetry.flush(60)
        kafka.down()
        for _ in range(1_000):
            telemetry.request(KEY)
        assert not telemetry.flush(0.2)
        kafka.up()
        assert telemetry.flush(60)
        assert telemetry.stats.published == 1_001
    assert sum(batch.count for batch in read_events(kafka, 1_001)) == 1_001


def test_events_beyond_the_bound_are_dropped_while_the_broker_is_gone(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", max_buffered=700, heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        assert telemetry.flush(60)
        kafka.stop()
        for _ in range(1_000):
            telemetry.request(KEY)
        telemetry.flush(0.2)
        stats = telemetry.stats
        assert (stats.published, stats.pending, stats.dropped, stats.invalid) == (1, 700, 300, 0)
        telemetry.close(0.1)
        stats = telemetry.stats
        assert (stats.published, stats.pending, stats.dropped, stats.invalid) == (1, 0, 1_000, 0)


def test_events_that_kafka_has_no_room_for_are_dropped(kafka: EmbeddedKafka, eventually: Eventually) -> None:
    config = {"queue.buffering.max.messages": 1}
    kafka.down()
    with Telemetry(kafka.bootstrap, publisher="p", max_events=1, heartbeat_s=NEVER_S, config=config) as telemetry:
        for _ in range(10):
            telemetry.request(KEY)
        telemetry.flush(0.1)
        eventually(lambda: telemetry.stats.dropped >= 9, what="nine dropped")
        assert offered(telemetry.stats) == 10
        telemetry.close(0)


def test_events_that_kafka_refuses_are_dropped(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        assert telemetry.flush(60)
        kafka.refuse(10)  # MESSAGE_TOO_LARGE: not retried
        telemetry.request(KEY)
        assert telemetry.flush(60)
        stats = telemetry.stats
        assert (stats.published, stats.dropped, stats.pending) == (1, 1, 0)


def test_a_request_that_kafka_asks_to_repeat_counts_once(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        assert telemetry.flush(60)
        kafka.refuse(6, 2)  # NOT_LEADER_OR_FOLLOWER
        telemetry.request(KEY)
        assert telemetry.flush(60)
        assert telemetry.stats.published == 2
    assert sum(batch.count for batch in read_events(kafka, 2)) == 2


def test_a_broker_that_forgot_the_producer_costs_only_what_was_on_its_way(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        assert telemetry.flush(60)
        kafka.refuse(45)  # OUT_OF_ORDER_SEQUENCE_NUMBER: fatal to an idempotent producer
        telemetry.request(KEY)
        assert telemetry.flush(60)
        telemetry.request(KEY)
        assert telemetry.flush(60)
        stats = telemetry.stats
        assert (stats.published, stats.dropped, stats.pending) == (2, 1, 0)


def test_values_that_do_not_fit_are_counted_as_invalid(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        telemetry.request(None)  # type: ignore[arg-type]  # a caller's mistake
        telemetry.request(KEY, "now")  # type: ignore[arg-type]
        telemetry.response(KEY, float("nan"), 200)
        telemetry.response(KEY, 1.0, -1)
        telemetry.outcome(KEY, "converted", float("inf"))
        telemetry.outcome(KEY, None, 1.0)  # type: ignore[arg-type]
        telemetry.response(KEY, 1.0, 200)
        assert telemetry.flush(60)
        stats = telemetry.stats
        assert (stats.published, stats.invalid, stats.dropped, stats.pending) == (2, 6, 0, 0)


def test_a_batch_of_invalid_events_is_not_sent(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(KEY)
        assert telemetry.flush(60)
        sent = telemetry.stats.batches
        telemetry.response(KEY, -1.0, 200)
        assert telemetry.flush(60)
        assert telemetry.stats.batches == sent


def test_a_message_too_large_for_kafka_is_dropped(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", heartbeat_s=NEVER_S) as telemetry:
        telemetry.request(RoutingKey("x" * 2_000_000, "v1", "", 1, 1))
        assert telemetry.flush(60)
        assert telemetry.stats.dropped == 1
        telemetry.request(KEY)
        assert telemetry.flush(60)
        assert telemetry.stats.published == 1


def test_events_after_closing_are_dropped(kafka: EmbeddedKafka) -> None:
    telemetry = Telemetry(kafka.bootstrap, publisher="p")
    telemetry.request(KEY)
    telemetry.close()
    telemetry.request(KEY)
    telemetry.close()
    stats = telemetry.stats
    assert (stats.published, stats.dropped, stats.pending) == (1, 1, 0)
    assert telemetry.flush(0)


def test_events_of_several_threads_all_arrive(kafka: EmbeddedKafka) -> None:
    with Telemetry(kafka.bootstrap, publisher="p", max_events=100, heartbeat_s=NEVER_S) as telemetry:

        def tell() -> None:
            for _ in range(1_000):
                telemetry.response(KEY, 1.0, 200)

        threads = [Thread(target=tell) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert telemetry.flush(60)
        assert telemetry.stats.published == 4_000
    assert sum(batch.count for batch in read_events(kafka, 4_000)) == 4_000


def test_a_broker_that_never_was_delays_nobody() -> None:
    with EmbeddedKafka({}) as gone:
        address = gone.bootstrap
    with Telemetry(address, publisher="p") as telemetry:
        for _ in range(100):
            telemetry.request(KEY)
        telemetry.close(0.1)  # librdkafka would wait for five minutes, which the test would not survive
        assert telemetry.stats.dropped == 100


def test_an_absent_broker_is_one_warning_and_nothing_on_the_terminal(
    kafka: EmbeddedKafka, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG, "trimtab.client"):
        kafka.down()
        with Telemetry(kafka.bootstrap, publisher="p") as telemetry:
            telemetry.request(KEY)
            assert not telemetry.flush(1)
            telemetry.close(0)
    [warning] = caplog.records
    assert warning.levelno == logging.WARNING
    assert warning.getMessage().startswith("kafka_client_warned kept_back=0 text=")
    assert "Connect" in warning.getMessage()
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("max_events", [0, -1, 501])
def test_a_batch_size_that_the_contract_does_not_allow_is_refused(max_events: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 500"):
        Telemetry("127.0.0.1:1", publisher="p", max_events=max_events)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"publisher": ""}, "publisher '': expected a name"),
        ({"linger_ms": -1}, "linger_ms -1: expected a number above 0"),
        ({"linger_ms": float("nan")}, "linger_ms nan: expected a number above 0"),
        ({"max_buffered": 0}, "max_buffered 0: expected a number above 0"),
        ({"heartbeat_s": 0}, "heartbeat_s 0: expected a number above 0"),
    ],
)
def test_settings_with_which_nothing_would_be_published_are_refused(setting: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Telemetry("127.0.0.1:1", **{"publisher": "p", **setting})


PROGRAM = """
import gc, os, sys
from trimtab.client import RoutingKey, Telemetry
key = RoutingKey("checkout", "v1", "", 1, 1)
telemetry = Telemetry(sys.argv[1], publisher="p", linger_ms=1e6, heartbeat_s=1e6)
telemetry.flush(60)
telemetry.request(key)
"""

# librdkafka may not be started in the child while the parent's threads are in the middle of connecting: they may hold
# locks that nobody gives back there. So the parent is connected before it forks, and has one event that waits.
FORK = """
assert telemetry.flush(60)
telemetry.request(key)
child = os.fork()
telemetry.request(key)
if child:
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), telemetry.stats.dropped)
else:
    assert telemetry.stats.dropped == 1, telemetry.stats
    with Telemetry(sys.argv[1], publisher="child") as own:
        own.request(key)
        assert own.flush(60)
    del telemetry
    gc.collect()
"""


def run(program: str, kafka: EmbeddedKafka) -> str:
    command = [sys.executable, "-c", program, kafka.bootstrap]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout


# What is left at the end has a second: enough to be acknowledged, but not always to connect on a machine at work.
ONE_MORE = """
assert telemetry.flush(60)
telemetry.request(key)
"""


def test_a_program_that_ends_without_closing_still_publishes(kafka: EmbeddedKafka) -> None:
    run(PROGRAM + ONE_MORE, kafka)
    assert sum(batch.count for batch in read_events(kafka, 2)) == 2


def test_a_forked_child_publishes_only_through_its_own(kafka: EmbeddedKafka) -> None:
    assert run(PROGRAM + FORK, kafka).split() == ["0", "0"]
    batches = read_events(kafka, 4)
    assert {publisher: sum(b.count for b in batches if b.publisher == publisher) for publisher in ("p", "child")} == {
        "p": 3,
        "child": 1,
    }
