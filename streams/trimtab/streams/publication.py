"""Weights to Redis: newest revision only, key and notification together, whatever Redis goes through.

Everything is offered again every few seconds. A Redis that was restarted empty gets it back so; and what Redis has
already is announced again, by which those who hold it know that somebody stands behind it.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

import structlog

from trimtab.schemas.ids import Revision
from trimtab.schemas.redis_client import REDIS_FAILURES, open_async_redis, words_for
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.redis_keys import RELEASES, weights_channel, weights_key
from trimtab.schemas.stale_weights import VOUCHED_EVERY_S

_SCRIPT: Final = """
local held = redis.call('HMGET', KEYS[1], 'era', 'revision')
local ahead = ARGV[1] - (held[1] or -1)
if ahead == 0 then
  ahead = ARGV[2] - (held[2] or -1)
end
if ahead > 0 then
  redis.call('HSET', KEYS[1], 'era', ARGV[1], 'revision', ARGV[2],
             'weights', ARGV[3], 'decision', ARGV[4], 'spec', ARGV[5])
end
if ahead > 0 or (ahead == 0 and ARGV[7] == '1') then
  redis.call('PUBLISH', ARGV[6], ARGV[3])
end
return ahead > 0 and 1 or 0
"""
"""One script, so that no reader sees a key without its notification, and a worker that was asleep writes nothing."""

_TIMEOUT_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_MOST_DOUBLINGS: Final = 8
_BATCH: Final = 200
"""Releases that are written with one round trip; a slow Redis still takes hundreds a second."""
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
        repeat_s: float = VOUCHED_EVERY_S,
        *,
        on_visible: Callable[[str, Revision], None] = lambda *_: None,
        follows: Callable[[], bool] = lambda: True,
    ) -> None:
        """`repeat_s`: how often everything is offered again. `on_visible` is told of each revision that Redis took.

        `follows`: whether this worker follows the evidence at present. While it does not, nobody would notice that
        weights do harm, so it vouches for none.
        """
        self._on_visible = on_visible
        self._settings = settings
        self._repeat_s, self._again_at_s = repeat_s, time.monotonic() + repeat_s
        self._follows = follows
        self._redis = open_async_redis(settings, _TIMEOUT_S)
        self._newest: dict[str, Offer] = {}
        self._waiting: dict[str, Offer] = {}
        self._again: dict[str, Offer] = {}
        """what is to be offered once more, after what waits; never of the same releases"""
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
            self._again.pop(offer.release, None)
            self._is_waiting.set()

    def withdraw(self, releases: Iterable[str]) -> None:
        """Forgets releases that another worker speaks for from now on."""
        for release in releases:
            self._newest.pop(release, None)
            self._waiting.pop(release, None)
            self._again.pop(release, None)

    async def publish_forever(self) -> None:
        """Writes what waits, as soon as Redis lets it."""
        failures = 0
        while True:
            await self._wait()
            try:
                while batch := self._batch():
                    await self._write(batch)
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
        """Waits for something to write, at most until everything is to be offered again."""
        if self._waiting or self._again:
            return
        self._is_waiting.clear()
        with suppress(TimeoutError):  # not of `wait_for`, which may swallow that this task is cancelled
            async with asyncio.timeout(max(0.0, self._again_at_s - time.monotonic())):
                await self._is_waiting.wait()

    def _batch(self) -> list[Offer]:
        """Gives what is to be written now: what waits first, and everything again when it is time for that.

        However busy one release is, the others have their turn; and however slow Redis is, news does not wait for it.
        """
        now_s = time.monotonic()
        if now_s >= self._again_at_s:
            self._again_at_s = now_s + self._repeat_s
            self._again |= {name: offer for name, offer in self._newest.items() if name not in self._waiting}
        room = _BATCH - min(len(self._again), _BATCH // 4)
        return list(islice(chain(islice(self._waiting.values(), room), self._again.values()), _BATCH))

    async def _write(self, offers: Sequence[Offer]) -> None:
        """Writes offers with one round trip; what Redis refuses goes on waiting, and its error is raised.

        The script travels with each of them, so that a Redis that was restarted or failed over knows it.
        """
        pipeline, vouches = self._redis.pipeline(transaction=False), str(int(self._follows()))
        for offer in offers:
            pipeline.eval(
                _SCRIPT, 1, weights_key(offer.release), *map(str, offer.id), offer.weights, offer.decision,
                offer.document, weights_channel(offer.release), vouches,
            )  # fmt: skip
        pipeline.sadd(RELEASES, *[offer.release for offer in offers])
        *taken, listed = await pipeline.execute(raise_on_error=False)
        _end_if_cancelled()
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
        for queue in (self._waiting, self._again):
            if queue.get(offer.release) is offer:
                del queue[offer.release]

    def _put_last(self, release: str) -> None:
        """What is refused does not hold up the others."""
        for queue in (self._waiting, self._again):
            if release in queue:
                queue[release] = queue.pop(release)

    async def remember(self, key: str, value: bytes, expiry_s: int) -> None:
        """Sets a key that expires. Raises one of `REDIS_FAILURES` when Redis is away."""
        try:
            await self._redis.set(key, value, ex=expiry_s)
        except REDIS_FAILURES as error:
            self._note(words_for(error) or type(error).__name__)
            raise
        if not (self._waiting or self._again):
            self._note("")

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()


def _end_if_cancelled() -> None:
    """Raises `CancelledError` where redis-py has swallowed it: its `wait_for` does, if what it sends is sent just then.

    A publication that repeats itself has always something to send, and would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
