"""Weights are as old as the last word of whoever stands behind them, and make way where the release file says so."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Event
from typing import Any

import pytest
from msgspec.structs import replace
from redis import Redis

from trimtab.client import Assign, Phase, RoutingKey, Weights, WeightsRecord
from trimtab.schemas.decision import encode
from trimtab.schemas.redis_keys import weights_channel, weights_key
from trimtab.streams.embedded import EmbeddedRedis
from trimtab.streams.publication import Offer, Publication
from trimtab.streams.settings import RedisSettings

Eventually = Callable[..., None]

LIMIT_S = 300.0


class Clock:
    """Time as the test has it pass."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def record(revision: int = 1, **fields: Any) -> WeightsRecord:
    of: dict[str, Any] = {"phase": Phase.PROGRESSING, "stale_then": "baseline", **fields}
    return WeightsRecord(
        release="checkout", era=1, revision=revision, time_ms=0, weights={"v1": 0, "v2": 10_000}, baseline="v1",
        targets={"v1": "at-v1", "v2": "at-v2"}, stale_after_ms=round(1_000 * LIMIT_S), **of,
    )  # fmt: skip


def write(redis: EmbeddedRedis, held: WeightsRecord) -> None:
    with Redis.from_url(redis.url) as client:
        client.hset(weights_key(held.release), "weights", encode(held))


def announce(redis: EmbeddedRedis, held: WeightsRecord) -> None:
    with Redis.from_url(redis.url) as client:
        assert client.publish(weights_channel(held.release), encode(held))


class Told:
    """What a follower was told, in order: revision and fallback."""

    def __init__(self) -> None:
        self._news: Queue[tuple[int, str]] = Queue()

    def take(self, told: WeightsRecord) -> None:
        self._news.put((told.revision, told.fallback))

    def next(self) -> tuple[int, str]:
        return self._news.get(timeout=60)

    @property
    def is_all(self) -> bool:
        try:
            return not self._news.get_nowait()
        except Empty:
            return True


@contextmanager
def following(
    redis: EmbeddedRedis, eventually: Eventually, held: WeightsRecord | None = None, cache: Path | None = None
) -> Iterator[tuple[Weights, Clock, Told]]:
    clock, told = Clock(), Told()
    if held is not None:
        write(redis, held)
    with Weights(redis.url, ["checkout"], cache=cache, on_change=told.take, clock=clock) as weights:
        eventually(lambda: weights.connected, what="connected")
        yield weights, clock, told


def test_before_any_weights_there_is_no_age(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with following(redis, eventually) as (weights, clock, _):
        clock.now_s += LIMIT_S + 1
        assert (weights.age_s("checkout"), weights.is_stale("checkout")) == (None, False)


def test_an_announcement_of_what_is_held_makes_it_young_again(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with following(redis, eventually, record()) as (weights, clock, told):
        clock.now_s += 7
        assert weights.age_s("checkout") == 7
        announce(redis, record())
        eventually(lambda: weights.age_s("checkout") == 0, what="the word heard")
        assert weights.stats.vouched == 1
        assert (told.next(), told.is_all) == ((1, ""), True)


def test_an_announcement_of_something_older_vouches_for_nothing(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with following(redis, eventually, record(5)) as (weights, clock, _):
        clock.now_s += 7
        announce(redis, record(4))
        eventually(lambda: weights.stats.stale == 1, what="it heard")
        assert weights.age_s("checkout") == 7


def test_past_their_age_weights_make_way_until_somebody_stands_behind_them(
    redis: EmbeddedRedis, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "trimtab.client")
    with following(redis, eventually, record()) as (weights, clock, told):
        assign = Assign(weights)
        assert told.next() == (1, "")
        clock.now_s += LIMIT_S
        assert (weights.is_stale("checkout"), weights.get("checkout")) == (False, record())
        clock.now_s += 1
        assert told.next() == (1, "baseline")
        assert weights.is_stale("checkout")
        got = assign.pick("checkout", "ann")
        assert (got.variant, got.key) == ("v1", RoutingKey("checkout", "v1", "", 0, 0))
        announce(redis, record())
        assert told.next() == (1, "")
        assert (weights.is_stale("checkout"), weights.get("checkout")) == (False, record())
        got = assign.pick("checkout", "ann")
        assert (got.variant, got.key) == ("v2", RoutingKey("checkout", "v2", "", 1, 1))
    assert [line.getMessage() for line in caplog.records] == [
        "weights_stale release=checkout after_s=300 then=baseline",
        "weights_fresh release=checkout",
    ]


def test_newer_weights_end_the_fallback_of_older_ones(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with following(redis, eventually, record()) as (weights, clock, told):
        clock.now_s += LIMIT_S + 1
        assert [told.next(), told.next()] == [(1, ""), (1, "baseline")]
        announce(redis, record(2))
        assert told.next() == (2, "")
        assert (weights.age_s("checkout"), weights.is_stale("checkout")) == (0, False)


@pytest.mark.parametrize("kept", [{"stale_then": "keep"}, {"phase": Phase.PROMOTED}, {"phase": Phase.FROZEN}])
def test_weights_that_are_to_stay_are_stale_and_stay(
    redis: EmbeddedRedis, eventually: Eventually, caplog: pytest.LogCaptureFixture, kept: dict[str, Any]
) -> None:
    with following(redis, eventually, record(**kept)) as (weights, clock, told):
        clock.now_s += LIMIT_S + 1
        eventually(lambda: weights.is_stale("checkout"), what="stale")
        assert weights.get("checkout") == record(**kept)
        announce(redis, record(**kept))
        eventually(lambda: not weights.is_stale("checkout"), what="fresh")
        assert (told.next(), told.is_all) == ((1, ""), True)
    assert "weights_stale release=checkout after_s=300 then=keep" in caplog.text


def test_a_key_that_is_read_again_vouches_for_nothing(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with following(redis, eventually, record()) as (weights, clock, _), Redis.from_url(redis.url) as client:
        clock.now_s += 7
        client.client_kill_filter(_type="pubsub")
        eventually(lambda: weights.stats.connects == 2, what="connected again")
        assert (weights.age_s("checkout"), weights.stats.stale) == (7, 1)


def test_weights_grow_old_without_redis_and_are_young_once_a_worker_reaches_it(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with following(redis, eventually, record()) as (weights, clock, told):
        redis.stop()
        clock.now_s += LIMIT_S + 1
        assert [told.next(), told.next()] == [(1, ""), (1, "baseline")]
        redis.start()
        write(redis, record())
        eventually(lambda: weights.connected, what="connected again")
        assert weights.is_stale("checkout")
        announce(redis, record())
        assert told.next() == (1, "")


def test_what_the_cache_had_counts_from_the_start(redis: EmbeddedRedis, eventually: Eventually, tmp_path: Path) -> None:
    (tmp_path / "checkout.json").write_bytes(encode(record(9)))
    with following(redis, eventually, cache=tmp_path) as (weights, clock, told):
        assert weights.age_s("checkout") == 0
        clock.now_s += LIMIT_S + 1
        assert [told.next(), told.next()] == [(9, ""), (9, "baseline")]
    assert (tmp_path / "checkout.json").read_bytes() == encode(record(9))


def test_a_fallback_that_somebody_publishes_is_no_weights(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with following(redis, eventually, record()) as (weights, _, _told):
        announce(redis, replace(record(2), fallback="baseline"))
        eventually(lambda: weights.stats.invalid == 1, what="it refused")
        assert weights.get("checkout") == record()


def test_a_callback_may_close_when_weights_turn_stale(redis: EmbeddedRedis, eventually: Eventually) -> None:
    clock, opened, closed = Clock(), Queue[Weights](), Event()

    def close(told: WeightsRecord) -> None:
        if told.fallback:
            opened.get(timeout=60).close()
            closed.set()

    write(redis, record())
    with Weights(redis.url, ["checkout"], on_change=close, clock=clock) as weights:
        eventually(lambda: weights.connected, what="connected")
        opened.put(weights)
        clock.now_s += LIMIT_S + 1
        assert closed.wait(60)


def test_a_worker_keeps_weights_young_and_they_grow_old_once_it_is_gone(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    """The publication of a worker, which decides nothing meanwhile, and a follower of it."""

    async def work(until: Callable[[], bool]) -> None:
        publication = Publication(RedisSettings(url=redis.url), 0.02)
        publication.offer(Offer("checkout", (1, 1), encode(record()), b"{}", b"{}"))
        publishing = asyncio.create_task(publication.publish_forever())
        async with asyncio.timeout(60):
            while not until():
                await asyncio.sleep(0.005)  # between two looks, not instead of one
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await publication.close()

    with following(redis, eventually) as (weights, clock, told):

        def has_grown_old_many_times() -> bool:
            """Each word of the worker is followed by nearly all of the time that weights may live without one."""
            if weights.age_s("checkout") == 0:
                clock.now_s += LIMIT_S - 1
            return weights.stats.vouched >= 10

        asyncio.run(work(has_grown_old_many_times))
        assert told.next() == (1, "")
        assert told.is_all
        clock.now_s += LIMIT_S + 1
        assert told.next() == (1, "baseline")
        asyncio.run(work(lambda: weights.age_s("checkout") == 0))
        assert told.next() == (1, "")
