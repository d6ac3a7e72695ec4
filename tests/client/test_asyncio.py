"""The client in coroutines: what waits, waits without holding up the loop, and changes of weights come as they are."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from client.test_weights import absent_address, publish, weights_record, write
from sidecar.kafka_events import read_events
from trimtab.client import Assign, Outcome, Telemetry, Unreachable, Weights, WeightsRecord
from trimtab.client.changes import Changes
from trimtab.schemas.decision import encode
from trimtab.schemas.telemetry import Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis


async def until(weights: Weights, revision: int) -> list[int]:
    """What an iterator gives up to `revision`."""
    given = []
    async for record in weights.changes():
        given.append(record.revision)
        if record.revision == revision:
            break
    return given


def test_a_service_in_coroutines_follows_assigns_and_tells(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    async def serve() -> None:
        async with Weights(redis.url, ["checkout"]) as weights, Telemetry(kafka.bootstrap, publisher="p") as telemetry:
            first = asyncio.create_task(weights.wait_async("checkout", 60))
            await asyncio.to_thread(publish, redis, weights_record(3_000))
            assert await first == weights_record(3_000)
            assign, outcome = Assign(weights), Outcome(telemetry)
            got = assign.pick("checkout", "ann")
            telemetry.request(got.key)
            telemetry.response(got.key, duration_ms=1.5, status=200)
            assert outcome.by_token(got.token, "converted")
            assert await telemetry.flush_async(10)
            assert telemetry.stats.published == 3
        telemetry.request(got.key)
        assert telemetry.stats.dropped == 1  # it is closed

    asyncio.run(serve())
    assert {one.kind for one in read_events(kafka.bootstrap, 3)} == {
        Kind.REQUEST,
        Kind.RESPONSE,
        Kind.OUTCOME,
    }


def test_changes_begin_with_what_is_in_force_and_end_with_the_weights(redis: EmbeddedRedis) -> None:
    async def follow() -> None:
        write(redis, encode(weights_record(1)))
        async with Weights(redis.url, ["checkout"]) as weights:
            await weights.wait_async("checkout", 60)
            ahead = asyncio.create_task(until(weights, 9))
            other = asyncio.create_task(until(weights, 1))
            assert await other == [1]
            for revision in (2, 9):
                await asyncio.to_thread(publish, redis, weights_record(revision))
            given = await ahead
            assert given == sorted(set(given))
            assert (given[0], given[-1]) == (1, 9)
            rest = [record.revision async for record in _until_closed(weights)]
        assert rest == [9]
        assert [record async for record in weights.changes()] == [weights_record(9)]

    asyncio.run(follow())


async def _until_closed(weights: Weights) -> AsyncIterator[WeightsRecord]:
    async for record in weights.changes():
        yield record
        await weights.close_async()


def test_waiting_in_vain_names_the_release_and_holds_up_nobody(tmp_path: Path) -> None:
    async def wait() -> None:
        async with Weights(absent_address(), ["checkout"], cache=tmp_path) as weights:
            with pytest.raises(Unreachable, match=r"release checkout: no weights from .* in 0\.05 s \(not connected\)"):
                await weights.wait_async("checkout", 0.05)
            with pytest.raises(ValueError, match="release 'search': expected one of checkout"):
                await weights.wait_async("search", 1)
            waiting = asyncio.create_task(weights.wait_async("checkout", 3_600))
            for _ in range(100):
                await asyncio.sleep(0)  # the loop goes round meanwhile
            assert not waiting.done()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(wait())


def test_a_slow_reader_finds_the_newest_of_each_release_and_never_goes_back() -> None:
    async def read() -> list[WeightsRecord]:
        changes = Changes()
        for revision in (1, 2, 7, 3):
            changes.put(weights_record(revision))
        changes.put(weights_record(5, "search"))
        changes.offer(weights_record(4))
        changes.offer(None)
        return [record async for record in changes]

    assert asyncio.run(read()) == [weights_record(7), weights_record(5, "search")]


def test_a_reader_whose_loop_is_over_harms_nobody() -> None:
    async def make() -> Changes:
        return Changes()

    asyncio.run(make()).offer(weights_record(1))
