"""Weights to Redis: newest revision only, key and notification together, whatever Redis goes through."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from trimtab.schemas.ids import Revision
from trimtab.schemas.redis_client import REDIS_FAILURES, open_async_redis, words_for
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.redis_keys import RELEASES, weights_channel, weights_key

_SCRIPT: Final = """
local era = tonumber(redis.call('HGET', KEYS[1], 'era') or '-1')
local revision = tonumber(redis.call('HGET', KEYS[1], 'revision') or '-1')
local new_era, new_revision = tonumber(ARGV[1]), tonumber(ARGV[2])
if new_era < era or (new_era == era and new_revision <= revision) then
  return 0
end
redis.call('HSET', KEYS[1], 'era', ARGV[1], 'revision', ARGV[2],
           'weights', ARGV[3], 'decision', ARGV[4], 'spec', ARGV[5])
redis.call('PUBLISH', ARGV[6], ARGV[3])
return 1
"""
"""One script, so that no reader sees a key without its notification, and a worker that was asleep writes nothing."""

_TIMEOUT_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_MOST_DOUBLINGS: Final = 8
REPEAT_S: Final = 5.0
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Offer:
    """What is to be visible of a release."""

    release: str
    id: Revision
    weights: bytes
    decision: bytes
    document: bytes


class Publication:
    """Offers the newest decision of each release to Redis until it is there."""

    def __init__(self, settings: RedisConnection, repeat_s: float = REPEAT_S) -> None:
        """`repeat_s`: how often everything is offered again, so that a Redis that was restarted empty gets it back."""
        self._settings = settings
        self._repeat_s = repeat_s
        self._redis = open_async_redis(settings, _TIMEOUT_S)
        self._script = self._redis.register_script(_SCRIPT)
        self._newest: dict[str, Offer] = {}
        self._waiting: dict[str, Offer] = {}
        self._is_waiting = asyncio.Event()
        self.written = 0
        """revisions that Redis took from this worker"""

    @property
    def waiting(self) -> int:
        """How many releases have a revision that is not in Redis yet."""
        return len(self._waiting)

    def offer(self, offer: Offer) -> None:
        """Takes a decision to publish; an older one of the same release that still waits is passed over."""
        known = self._newest.get(offer.release)
        if known is None or known.id <= offer.id:
            self._newest[offer.release] = self._waiting[offer.release] = offer
            self._is_waiting.set()

    def withdraw(self, releases: Iterable[str]) -> None:
        """Forgets releases that another worker speaks for from now on."""
        for release in releases:
            self._newest.pop(release, None)
            self._waiting.pop(release, None)

    async def publish_forever(self) -> None:
        """Writes what waits, as soon as Redis lets it."""
        failures = 0
        while True:
            await self._wait()
            try:
                while self._waiting:
                    await self._write(next(iter(self._waiting.values())))
            except REDIS_FAILURES as error:
                if failures == 0:
                    _log.warning("redis_unreachable", address=str(self._settings.address), error=words_for(error))
                await asyncio.sleep(min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S))
                failures = min(failures + 1, _MOST_DOUBLINGS)
            else:
                if failures:
                    _log.info("redis_reached", address=str(self._settings.address))
                failures = 0

    async def _wait(self) -> None:
        if self._waiting:
            return
        self._is_waiting.clear()
        try:
            await asyncio.wait_for(self._is_waiting.wait(), self._repeat_s)
        except TimeoutError:
            self._waiting.update(self._newest)

    async def _write(self, offer: Offer) -> None:
        values: list[int | bytes | str] = [
            *offer.id,
            offer.weights,
            offer.decision,
            offer.document,
            weights_channel(offer.release),
        ]
        self.written += await self._script(keys=[weights_key(offer.release)], args=values)
        await self._redis.sadd(RELEASES, offer.release)
        if self._waiting.get(offer.release) is offer:
            del self._waiting[offer.release]

    async def remember(self, key: str, value: bytes, expiry_s: int) -> None:
        """Sets a key that expires. Raises one of `REDIS_FAILURES` when Redis is away."""
        await self._redis.set(key, value, ex=expiry_s)

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()
