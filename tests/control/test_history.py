"""Decisions found in their topic, wherever they stand in it."""

from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Producer

from control.decisions import decision
from trimtab.control import history
from trimtab.control.history import History
from trimtab.control.kafka_log import KafkaLog
from trimtab.schemas.decision import encode
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.topics import DECISIONS, evidence_partition
from trimtab.streams.embedded import EmbeddedKafka

PARTITIONS = 2
HOME = evidence_partition("checkout", PARTITIONS)


@pytest.fixture
def broker() -> Iterator[EmbeddedKafka]:
    with EmbeddedKafka({DECISIONS: PARTITIONS}) as server:
        yield server


def recorded(revision: Revision, release: str = "checkout") -> bytes:
    return encode(decision(release=release, era=revision[0], revision=revision[1]))


def publish(broker: EmbeddedKafka, payloads: Sequence[bytes]) -> None:
    producer = Producer({"bootstrap.servers": broker.bootstrap})
    for payload in payloads:
        producer.produce(DECISIONS, payload, partition=HOME)
    assert producer.flush(60) == 0


def find(broker: EmbeddedKafka, *wanted: Revision) -> list[Revision | None]:
    with KafkaLog(KafkaConnection(bootstrap=broker.bootstrap), 10) as log:
        known = History(log, "checkout")
        found = [known.get(one) for one in wanted]
    return [one.id if one else None for one in found]


def test_a_decision_is_found_among_those_of_other_releases(
    broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "_NEIGHBOURHOOD", 5)
    publish(broker, [recorded((7, n), "checkout" if n % 3 == 0 else "search") for n in range(1, 200)])
    assert find(broker, (7, 3), (7, 99), (7, 198)) == [(7, 3), (7, 99), (7, 198)]
    assert find(broker, (7, 4), (7, 500), (6, 3), (8, 3)) == [None] * 4


def test_without_an_era_it_is_that_of_the_newest(broker: EmbeddedKafka) -> None:
    publish(broker, [recorded((era, n)) for era in (7, 9) for n in range(1, 5)] + [b"garbage"] * 3)
    assert find(broker, (0, 2), (7, 2)) == [(9, 2), (7, 2)]


def test_it_is_found_where_a_worker_decided_anew_and_one_wrote_late(broker: EmbeddedKafka) -> None:
    order = [*range(1, 40), *range(20, 60, 2), 41, 43, b"\xff", *range(61, 90)]
    publish(broker, [one if isinstance(one, bytes) else recorded((7, one)) for one in order])
    assert find(broker, (7, 21), (7, 41), (7, 43), (7, 61)) == [(7, 21), (7, 41), (7, 43), (7, 61)]


def test_an_empty_topic_has_nothing(broker: EmbeddedKafka) -> None:
    assert find(broker, (0, 1), (7, 1)) == [None, None]
    with KafkaLog(KafkaConnection(bootstrap=broker.bootstrap), 10) as log:
        assert History(log, "checkout").oldest() == NO_REVISION


def test_the_oldest_is_that_of_the_partition(broker: EmbeddedKafka) -> None:
    publish(broker, [b"{}", recorded((7, 30), "search"), recorded((7, 31))])
    with KafkaLog(KafkaConnection(bootstrap=broker.bootstrap), 10) as log:
        assert History(log, "checkout").oldest() == (7, 30)


def test_a_topic_that_is_not_there_and_a_broker_that_is_away_are_told(broker: EmbeddedKafka) -> None:
    with KafkaLog(KafkaConnection(bootstrap=broker.bootstrap), 10) as log, pytest.raises(Unreachable, match="no topic"):
        log.partitions("trimtab.nothing")
    with KafkaLog(KafkaConnection(bootstrap="127.0.0.1:1"), 0.5) as log:
        with pytest.raises(Unreachable, match=r"kafka at 127\.0\.0\.1:1"):
            log.partitions(DECISIONS)
        with pytest.raises(Unreachable, match=r"kafka at 127\.0\.0\.1:1"):
            log.bounds(DECISIONS, 0)


@pytest.mark.parametrize("limit", [30, 500])
def test_pages_have_every_decision_once_newest_first(
    broker: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(history, "_STEP", 16)
    monkeypatch.setattr(history, "_FARTHEST", 64)
    order = [*range(1, 160), *range(140, 301)]
    publish(broker, [recorded((7, one), "checkout" if one % 3 else "search") for one in order] + [b"garbage"])
    seen: list[Revision] = []
    before: Revision | None = None
    with KafkaLog(KafkaConnection(bootstrap=broker.bootstrap), 10) as log:
        while True:
            page = History(log, "checkout").page(before, limit)
            assert len(page.items) <= limit
            seen += [found.decision.id for found in page.items]
            if page.next is None:
                break
            before = page.next
        assert seen == [(7, one) for one in range(300, 0, -1) if one % 3]
        assert History(log, "ghost").page(None, 5).items == []


def test_what_came_after_a_decision_is_found_in_order(broker: EmbeddedKafka) -> None:
    order = [*range(1, 40), *range(20, 60)]
    publish(broker, [recorded((7, one), "checkout" if one % 2 else "search") for one in order])
    with KafkaLog(KafkaConnection(bootstrap=broker.bootstrap), 10) as log:
        known = History(log, "checkout")
        assert [found.decision.revision for found in known.after((7, 30), 500)] == list(range(31, 60, 2))
        assert [found.decision.revision for found in known.after((0, 0), 3)] == [1, 3, 5]
        assert known.after((7, 59), 3) == known.after((9, 1), 3) == []
