"""Follows the release's decisions in Redis, as any console would."""

import asyncio
from collections.abc import Callable
from typing import Final

import redis.asyncio
from redis.exceptions import RedisError
from trimtab.control.demo.chronicle import Chronicle
from trimtab.schemas.decision import decode_decision
from trimtab.schemas.redis_keys import weights_key

_PERIOD_S: Final = 0.1
"""Between two looks: often enough for an eye, and for guardrails that act within a second."""


class Feed:
    """Brings each decision on `release` into `chronicle` while it is followed."""

    def __init__(self, url: str, release: str, chronicle: Chronicle, clock: Callable[[], float]) -> None:
        self._url = url
        self._key = weights_key(release)
        self._chronicle = chronicle
        self._clock = clock

    async def follow(self) -> None:
        """Looks at Redis until it is cancelled. A server that does not answer is asked again."""
        async with redis.asyncio.Redis.from_url(self._url, socket_timeout=1.0) as client:
            while True:
                try:
                    await self._look(client)
                except RedisError:
                    await asyncio.sleep(_PERIOD_S)
                await asyncio.sleep(_PERIOD_S)

    async def look(self) -> None:
        """Looks once. Raises `RedisError` where the server does not answer."""
        async with redis.asyncio.Redis.from_url(self._url, socket_timeout=1.0) as client:
            await self._look(client)

    async def _look(self, client: "redis.asyncio.Redis") -> None:
        payload = await client.hget(self._key, "decision")
        if payload is not None:
            self._chronicle.add(decode_decision(payload), self._clock())
