"""Weights to Redis: newest revision only, key and notification together, whatever Redis goes through."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
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
_BATCH: Final = 200
"""Releases that are written with one round trip; a slow Redis still takes hundreds a second."""
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

    def __init__(
        self,
        settings: RedisConnection,
        repeat_s: float = REPEAT_S,
        on_visible: Callable[[str, Revision], None] = lambda *_: None,
    ) -> None:
        """`repeat_s`: how often everything is offered again, so that a Redis that was restarted empty gets it back.

        `on_visible` is told of each revision that Redis took.
        """
        self._on_visible = on_visible
        self._settings = settings
        self._repeat_s = repeat_s
        self._redis = open_async_redis(settings, _TIMEOUT_S)
        self._newest: dict[str, Offer] = {}
        self._waiting: dict[str, Offer] = {}
        self._is_waiting = asyncio.Event()
        self.written = 0
        """revisions that Redis took from this worker"""
        self.trouble = "no answer yet"
        """why Redis could not be written to the last time; empty when it could"""

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
                    await self._write(list(islice(self._waiting.values(), _BATCH)))
            except REDIS_FAILURES as error:
                self._note(words_for(error) or type(error).__name__)
                await asyncio.sleep(min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S))
                failures = min(failures + 1, _MOST_DOUBLINGS)
            else:
                failures = 0

    def _note(self, trouble: str) -> None:
        """Remembers what Redis said, and logs it where it is news."""
        if trouble and trouble != self.trouble:
            _log.warning("redis_unreachable", address=str(self._settings.address), error=trouble, waiting=self.waiting)
        elif self.trouble and not trouble:
            _log.info("redis_reached", address=str(self._settings.address))
        self.trouble = trouble

    async def _wait(self) -> None:
        if self._waiting:
            return
        self._is_waiting.clear()
        try:
            await asyncio.wait_for(self._is_waiting.wait(), self._repeat_s)
        except TimeoutError:
            self._waiting.update(self._newest)

    async def _write(self, offers: Sequence[Offer]) -> None:
        """Writes offers with one round trip; what Redis refuses goes on waiting, and its error is raised.

        The script travels with each of them, so that a Redis that was restarted or failed over knows it.
        """
        pipeline = self._redis.pipeline(transaction=False)
        for offer in offers:
            pipeline.eval(
                _SCRIPT, 1, weights_key(offer.release), *map(str, offer.id), offer.weights, offer.decision,
                offer.document, weights_channel(offer.release),
            )  # fmt: skip
        pipeline.sadd(RELEASES, *[offer.release for offer in offers])
        *taken, listed = await pipeline.execute(raise_on_error=False)
        for offer, answer in zip(offers, taken, strict=True):
            if isinstance(answer, Exception):
                self._put_last(offer.release)
            else:
                self.written += answer
                if answer:
                    self._on_visible(offer.release, offer.id)
                self._settle(offer)
        for answer in (*taken, listed):
            if isinstance(answer, Exception):
                raise answer
        self._note("")

    def _settle(self, offer: Offer) -> None:
        if self._waiting.get(offer.release) is offer:
            del self._waiting[offer.release]

    def _put_last(self, release: str) -> None:
        """What is refused does not hold up the others."""
        if release in self._waiting:
            self._waiting[release] = self._waiting.pop(release)

    async def remember(self, key: str, value: bytes, expiry_s: int) -> None:
        """Sets a key that expires. Raises one of `REDIS_FAILURES` when Redis is away."""
        try:
            await self._redis.set(key, value, ex=expiry_s)
        except REDIS_FAILURES as error:
            self._note(words_for(error) or type(error).__name__)
            raise
        if not self._waiting:
            self._note("")

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()
