"""The report: what a sidecar has in force, where people and programs can see it."""

from collections.abc import Iterable
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from trimtab.schemas.redis_keys import sidecar_key
from trimtab.schemas.sidecar import SidecarReport, encode

EVERY_S: Final = 1.0
EXPIRY_S: Final = 10
"""A report that old is gone: its sidecar is, too."""

_SOCKET_S: Final = 1.0


class ReportDesk:
    """Writes reports to Redis. For one event loop."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=_SOCKET_S,
            socket_connect_timeout=_SOCKET_S,
            retry=Retry(NoBackoff(), 0),  # the next report is due before a retry would be
        )

    async def write(self, reports: Iterable[SidecarReport]) -> bool:
        """Writes `reports`, each under its key for ten seconds, and gives whether Redis took them."""
        pipeline = self._redis.pipeline(transaction=False)
        for report in reports:
            pipeline.set(sidecar_key(report.release, report.sidecar), encode(report), ex=EXPIRY_S)
        try:
            await pipeline.execute()
        except (RedisError, OSError):
            return False
        return True

    async def close(self) -> None:
        """Closes the connection."""
        await self._redis.aclose()
