import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

import pytest
from redis import Redis

from faults.fault_proxy import FaultProxy
from trimtab.schemas.redis_keys import RELEASES, weights_channel, weights_key
from trimtab.streams.embedded import EmbeddedRedis
from trimtab.streams.publication import Offer, Publication
from trimtab.streams.settings import RedisSettings

KEY = weights_key("checkout")
_STOP_S = 60.0
"""when a test gives up, on however slow a machine; no measure of anything"""


def offer(era: int, revision: int, release: str = "checkout") -> Offer:
    name = f"{era}.{revision}".encode()
    return Offer(release, (era, revision), b"weights " + name, b"decision " + name, b"spec")


def publish(
    url: str,
    *stages: Callable[[Publication], object],
    repeat_s: float = 5.0,
    follows: Callable[[], bool] = lambda: True,
) -> None:
    """Runs a publication; each stage acts on it, then everything that waits is given time to arrive."""

    async def stage_by_stage() -> None:
        publication = Publication(RedisSettings(url=url), repeat_s, follows=follows)
        try:
            async with asyncio.TaskGroup() as together:  # so that a publication that breaks is not waited for
                publishing = together.create_task(publication.publish_forever())
                for stage in stages:
                    done = stage(publication)
                    if isinstance(done, Coroutine):
                        await done
                    await arrived(publication)
                publishing.cancel()
        finally:
            await publication.close()

    asyncio.run(asyncio.wait_for(stage_by_stage(), _STOP_S))


async def arrived(publication: Publication) -> None:
    while publication.waiting:
        await asyncio.sleep(0.005)  # between two looks, not instead of one


def field(url: str, name: str) -> bytes | None:
    with Redis.from_url(url) as redis:
        found: bytes | None = redis.hget(KEY, name)
        return found


def test_key_fields_and_index_are_written_together(redis: EmbeddedRedis) -> None:
    publish(redis.url, lambda to: to.offer(offer(7, 3)))
    with Redis.from_url(redis.url) as client:
        assert client.hgetall(KEY) == {
            b"era": b"7", b"revision": b"3", b"weights": b"weights 7.3", b"decision": b"decision 7.3", b"spec": b"spec",
        }  # fmt: skip
        assert client.smembers(RELEASES) == {b"checkout"}


@contextmanager
def heard(url: str, release: str = "checkout") -> Iterator[Callable[[], list[bytes]]]:
    """Subscribes, and gives what gives what was announced since it was asked last."""
    with Redis.from_url(url) as client, client.pubsub() as channel:
        channel.subscribe(weights_channel(release))
        assert channel.get_message(timeout=_STOP_S)["type"] == "subscribe"

        def since() -> list[bytes]:
            told = []
            client.publish(weights_channel(release), b"that is all")
            while (message := channel.get_message(timeout=_STOP_S))["data"] != b"that is all":
                told.append(message["data"])
            return told

        yield since


def test_an_older_revision_changes_nothing_and_tells_nobody(redis: EmbeddedRedis) -> None:
    with heard(redis.url) as told:
        publish(redis.url, lambda to: to.offer(offer(7, 3)))
        # Another worker, that slept through the newer decision.
        publish(redis.url, lambda to: to.offer(offer(7, 2)))
        publish(redis.url, lambda to: to.offer(offer(7, 4)))
        assert told() == [b"weights 7.3", b"weights 7.4"]
    assert field(redis.url, "revision") == b"4"


def test_weights_that_redis_has_are_announced_again_by_whoever_stands_behind_them(redis: EmbeddedRedis) -> None:
    publish(redis.url, lambda to: to.offer(offer(7, 3)))
    with heard(redis.url) as told:
        written = []
        publish(redis.url, lambda to: to.offer(offer(7, 3)), lambda to: written.append(to.written))
        assert (told(), written) == ([b"weights 7.3"], [0])


def test_a_worker_that_does_not_follow_the_evidence_vouches_for_nothing(redis: EmbeddedRedis) -> None:
    publish(redis.url, lambda to: to.offer(offer(7, 3)))
    with heard(redis.url) as told:
        publish(redis.url, lambda to: to.offer(offer(7, 3)), follows=lambda: False)
        assert told() == []
        publish(redis.url, lambda to: to.offer(offer(7, 4)), follows=lambda: False)
        assert told() == [b"weights 7.4"]  # that was decided before, and is the newest


def test_a_release_at_rest_is_vouched_for_while_another_is_busy(redis: EmbeddedRedis) -> None:
    """Decisions of one release come more often than everything is repeated."""
    with heard(redis.url) as told:

        async def decide_on(publication: Publication) -> None:
            publication.offer(offer(7, 3))
            revision, words = 0, list[bytes]()
            async with asyncio.timeout(_STOP_S):
                while len(words) < 4:
                    revision += 1
                    publication.offer(offer(7, revision, "search"))
                    await asyncio.sleep(0.005)  # the pace of decisions
                    words += await asyncio.to_thread(told)
            assert set(words) == {b"weights 7.3"}

        publish(redis.url, decide_on, repeat_s=0.1)


def test_a_later_era_wins_over_any_revision(redis: EmbeddedRedis) -> None:
    publish(redis.url, lambda to: to.offer(offer(7, 900)))
    publish(redis.url, lambda to: to.offer(offer(8, 1)))
    publish(redis.url, lambda to: to.offer(offer(7, 901)))
    assert field(redis.url, "weights") == b"weights 8.1"


def test_weights_arrive_once_redis_is_back(redis: EmbeddedRedis) -> None:
    redis.stop()

    async def restart() -> None:
        await asyncio.to_thread(redis.start)

    async def offer_while_away(publication: Publication) -> None:
        publication.offer(offer(7, 3))
        publication.offer(offer(7, 4))
        await restart()

    publish(redis.url, offer_while_away)
    assert field(redis.url, "revision") == b"4"


def test_a_redis_that_was_restarted_empty_gets_the_weights_again(redis: EmbeddedRedis) -> None:
    async def lose_and_wait(publication: Publication) -> None:
        await arrived(publication)
        await asyncio.to_thread(redis.stop)
        await asyncio.to_thread(redis.start)
        while await asyncio.to_thread(field, redis.url, "revision") is None:
            await asyncio.sleep(0.01)  # between two looks, not instead of one

    publish(redis.url, lambda to: to.offer(offer(7, 3)), lose_and_wait, repeat_s=0.1)
    assert field(redis.url, "revision") == b"3"


def test_releases_that_another_worker_speaks_for_are_not_offered_again(redis: EmbeddedRedis) -> None:
    publish(redis.url, lambda to: to.offer(offer(7, 3)), lambda to: to.withdraw(["checkout"]), repeat_s=0.05)
    with Redis.from_url(redis.url) as client:
        client.flushall()

    def offer_and_withdraw(publication: Publication) -> None:
        publication.offer(offer(7, 3))
        publication.withdraw(["checkout"])

    publish(redis.url, offer_and_withdraw, repeat_s=0.05)
    assert field(redis.url, "revision") is None


def names(count: int) -> list[str]:
    return [f"release-{number}" for number in range(count)]


@pytest.mark.long
def test_thousands_of_releases_reach_a_slow_redis_in_few_round_trips(redis: EmbeddedRedis) -> None:
    with FaultProxy(redis.port) as proxy:
        proxy.delay(0.1)  # each way

        def offer_all(publication: Publication) -> None:
            for name in names(3_000):
                publication.offer(offer(7, 3, name))

        publish(f"redis://127.0.0.1:{proxy.port}/0", offer_all, repeat_s=3_600)
    with Redis.from_url(redis.url) as client:
        assert client.scard(RELEASES) == 3_000
        # One with each batch of 200; some more where the machine is too slow for the time that an answer may take.
        assert 15 <= client.info("commandstats")["cmdstat_sadd"]["calls"] <= 30


def test_only_the_newest_of_what_waits_is_written(redis: EmbeddedRedis) -> None:
    written = []

    def offer_many(publication: Publication) -> None:
        for revision in range(1, 1_001):
            publication.offer(offer(7, revision))
        assert publication.waiting == 1

    publish(redis.url, offer_many, lambda publication: written.append(publication.written))
    assert (written, field(redis.url, "revision")) == ([1], b"1000")


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(_STOP_S):
        while not condition():
            await asyncio.sleep(0.005)  # between two looks, not instead of one


@pytest.mark.parametrize(
    ("fault", "mend", "said"),
    [
        (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0"), "maxmemory"),
        (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE"), "read only replica"),
        (("ACL", "SETUSER", "default", "-eval"), ("ACL", "SETUSER", "default", "+eval"), "no permissions"),
    ],
    ids=["full", "a replica", "without the right"],
)
def test_a_redis_that_refuses_is_told_of_and_written_once_it_does_not(
    redis: EmbeddedRedis, fault: tuple[str, ...], mend: tuple[str, ...], said: str
) -> None:
    async def refuse_then_take(publication: Publication) -> None:
        with Redis.from_url(redis.url) as client:
            client.execute_command(*fault)
            publication.offer(offer(7, 4))
            await _until(lambda: said in publication.trouble)
            assert publication.waiting == 1
            client.execute_command(*mend)
        await arrived(publication)
        assert publication.trouble == ""

    publish(redis.url, lambda to: to.offer(offer(7, 3)), refuse_then_take)
    assert field(redis.url, "revision") == b"4"


def test_a_release_that_redis_refuses_does_not_hold_up_the_others(redis: EmbeddedRedis) -> None:
    with Redis.from_url(redis.url) as client:
        client.set(weights_key("release-0"), "no hash")  # EVAL fails with WRONGTYPE

    async def offer_all(publication: Publication) -> None:
        for name in names(500):
            publication.offer(offer(7, 3, name))
        await _until(lambda: publication.waiting == 1)
        publication.withdraw(["release-0"])

    publish(redis.url, offer_all)
    with Redis.from_url(redis.url) as client:
        assert client.hget(weights_key("release-499"), "revision") == b"3"


def test_a_release_that_redis_refuses_does_not_keep_the_others_from_being_vouched_for(redis: EmbeddedRedis) -> None:
    with heard(redis.url) as told:

        async def refuse_one(publication: Publication) -> None:
            publication.offer(offer(7, 3))
            publication.offer(offer(7, 3, "release-0"))
            await arrived(publication)
            with Redis.from_url(redis.url) as client:
                client.delete(weights_key("release-0"))
                client.set(weights_key("release-0"), "no hash")  # EVAL fails with WRONGTYPE
            words = list[bytes]()
            async with asyncio.timeout(_STOP_S):
                while len(words) < 5:
                    await asyncio.sleep(0.005)  # between two looks, not instead of one
                    words += await asyncio.to_thread(told)

        publish(redis.url, refuse_one, repeat_s=0.1)


def test_a_half_open_connection_is_noticed_and_replaced_within_seconds(redis: EmbeddedRedis) -> None:
    with FaultProxy(redis.port) as proxy:

        async def black_hole(publication: Publication) -> None:
            await arrived(publication)
            proxy.black_hole()
            publication.offer(offer(7, 4))
            seconds = asyncio.create_task(asyncio.sleep(6))  # by the clock of the publication, which load holds up too
            await _until(lambda: publication.trouble or seconds.done())
            assert not seconds.done()
            seconds.cancel()
            proxy.heal()

        publish(f"redis://127.0.0.1:{proxy.port}/0", lambda to: to.offer(offer(7, 3)), black_hole)
    assert field(redis.url, "revision") == b"4"


def test_a_write_that_a_failover_lost_is_made_up_for_and_no_older_one_follows(redis: EmbeddedRedis) -> None:
    async def lose_the_last_write(publication: Publication) -> None:
        await arrived(publication)
        with Redis.from_url(redis.url) as client:
            client.hset(weights_key("checkout"), mapping={"revision": "2", "weights": "weights 7.2"})
            async with asyncio.timeout(_STOP_S):
                while client.hget(KEY, "revision") != b"3":
                    await asyncio.sleep(0.005)  # between two looks, not instead of one

    publish(redis.url, lambda to: to.offer(offer(7, 3)), lose_the_last_write, repeat_s=0.1)
    assert field(redis.url, "weights") == b"weights 7.3"


@pytest.mark.parametrize("turns", range(12))
def test_a_publication_that_is_cancelled_just_when_it_sends_ends_all_the_same(redis: EmbeddedRedis, turns: int) -> None:
    async def cancel_after(turns: int) -> None:
        publication = Publication(RedisSettings(url=redis.url), 0.0)
        publication.offer(offer(7, 3))
        publishing = asyncio.create_task(publication.publish_forever())
        while publication.waiting:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        publishing.cancel()
        _, going_on = await asyncio.wait([publishing], timeout=_STOP_S)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await publication.close()
        assert not going_on

    asyncio.run(cancel_after(turns))
