from collections.abc import Iterator

import pytest
import redis

from control.demo.builders import BASELINE_ALONE, EVEN_STEP, decision
from trimtab.control.demo.chronicle import Chronicle
from trimtab.control.demo.feed import Feed
from trimtab.schemas.decision import Decision, encode
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.redis_keys import weights_key
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as running:
        yield running


def publish(server: EmbeddedRedis, payload: Decision | bytes) -> None:
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
        client.hset(weights_key("checkout"), "decision", payload if isinstance(payload, bytes) else encode(payload))


def test_a_look_takes_the_newest_decision_in(server: EmbeddedRedis) -> None:
    chronicle = Chronicle()
    with Feed(server.url, "checkout", chronicle) as feed:
        publish(server, decision(EVEN_STEP, revision=1))
        feed.look(1.5)
        publish(server, decision(BASELINE_ALONE, revision=2))
        feed.look(2.5)
    assert chronicle.weights == [(1.5, EVEN_STEP), (2.5, BASELINE_ALONE)]


def test_a_release_without_a_decision_brings_nothing(server: EmbeddedRedis) -> None:
    chronicle = Chronicle()
    with Feed(server.url, "another", chronicle) as feed:
        feed.look(1.0)
    assert chronicle.newest is None


def test_a_decision_that_cannot_be_read_is_not_passed_over(server: EmbeddedRedis) -> None:
    publish(server, b"{}")
    with Feed(server.url, "checkout", Chronicle()) as feed, pytest.raises(InvalidRecord):
        feed.look(1.0)


def test_without_a_server_the_last_decision_stands() -> None:
    chronicle = Chronicle()
    with EmbeddedRedis() as server, Feed(server.url, "checkout", chronicle) as feed:
        publish(server, decision(EVEN_STEP, revision=1))
        feed.look(1.0)
        server.stop()
        feed.look(2.0)
    assert chronicle.newest == decision(EVEN_STEP, revision=1)
