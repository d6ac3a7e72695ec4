"""The watch on sidecars: reads what they report in Redis, and tells the releases of this worker what they diverge in.

It is told by a record of the evidence log, so that a decision may rest on it and replay sees it where the workers did.
A record is written when what is told changes, not when its numbers do. Reports that cannot be read say nothing, and
while Redis is away nothing changes: missing is not zero.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog
from redis.exceptions import ResponseError

from trimtab.schemas import sidecar
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import Sidecars
from trimtab.schemas.redis_client import REDIS_FAILURES, open_async_redis
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.redis_keys import ALL_SIDECARS
from trimtab.schemas.sidecar import SidecarReport
from trimtab.streams.decide import Decide
from trimtab.streams.lookout import Lookout

_EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 2.0
_PATIENCE_S: Final = 10.0
"""How long a record may take to be read, before it is written again."""
_log = structlog.get_logger()

_Told = tuple[tuple[str, str], ...]
"""(sidecar, kind) of what is told"""


class SidecarWatch:
    """Looks every second, for one event loop."""

    def __init__(self, redis: RedisConnection, decide: Decide) -> None:
        self._redis = open_async_redis(redis, _TIMEOUT_S)
        self._decide = decide
        self._lookout = Lookout()
        self._sent: dict[str, tuple[_Told, float]] = {}

    async def watch_forever(self) -> None:
        """Looks until it is cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                reports = await self._reports()
            except REDIS_FAILURES:
                continue  # which the publication logs
            await self._tell(reports, time.monotonic())

    async def close(self) -> None:
        """Closes the connections."""
        await self._redis.aclose()

    async def _reports(self) -> list[SidecarReport]:
        keys = [key async for key in self._redis.scan_iter(match=ALL_SIDECARS, count=1000)]
        if not keys:
            return []
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.get(key)
        read: list[SidecarReport] = []
        for payload in await pipeline.execute(raise_on_error=False):
            if isinstance(payload, Exception) and not isinstance(payload, ResponseError):
                raise payload
            try:  # a key of another type is an error of its own, and hides no other report
                read += [sidecar.decode(payload)] if isinstance(payload, bytes | str) else []
            except InvalidRecord:
                continue  # which `trimtab get sidecars` shows
        return read

    async def _tell(self, reports: Sequence[SidecarReport], now_s: float) -> None:
        wanted = self._decide.wanted()
        found = self._lookout.judge({name: one for name, (one, _) in wanted.items()}, reports, now_s)
        self._sent = {name: sent for name, sent in self._sent.items() if name in wanted}
        for name, divergences in found.items():
            told = _told(divergences)
            if told == _told(wanted[name][1]) or not self._is_due(name, told, now_s):
                continue
            self._sent[name] = (told, now_s)
            if divergences:
                _log.warning("sidecars_diverge", release=name, words=[one.words for one in divergences])
            else:
                _log.info("sidecars_follow", release=name, words=[])
            await self._decide.tell(Sidecars(release=name, divergences=divergences))

    def _is_due(self, release: str, told: _Told, now_s: float) -> bool:
        sent, since_s = self._sent.get(release, ((), 0.0))
        return sent != told or now_s - since_s > _PATIENCE_S


def _told(divergences: Sequence[Divergence]) -> _Told:
    return tuple((one.sidecar, one.kind) for one in divergences)
