"""The report: what a sidecar has in force, where people and programs can see it."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from trimtab.schemas.ids import Revision
from trimtab.schemas.redis_client import REDIS_FAILURES, open_async_redis
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.redis_keys import sidecar_key
from trimtab.schemas.sidecar import SidecarReport, encode
from trimtab.schemas.trace_context import context_of
from trimtab.schemas.tracing import Tracing
from trimtab.sidecar.metrics import SidecarMetrics

EVERY_S: Final = 1.0
EXPIRY_S: Final = 10
"""A report that old is gone: its sidecar is, too."""

_AWAITED: Final = 5
"""Reports without any weights of a release, after which that is told."""

_SOCKET_S: Final = 1.0

_log = structlog.get_logger()


class ReportDesk:
    """Writes reports to Redis, and logs when it goes and comes back. For one event loop."""

    def __init__(self, redis: str | RedisConnection, metrics: SidecarMetrics, tracing: Tracing | None = None) -> None:
        """`tracing`: tells when a revision came into force, to within the second between two reports."""
        self._metrics, self._tracing = metrics, tracing
        self._in_force: dict[str, Revision] = {}
        self._awaited = Counter[str]()
        connection = RedisConnection.of(redis)
        # Without retries: the next report is due before.
        self._redis = open_async_redis(connection, _SOCKET_S)
        self._address, self._answers = str(connection.address), True

    async def write(self, reports: Sequence[SidecarReport]) -> bool:
        """Writes `reports`, each under its key for ten seconds, and gives whether Redis took them."""
        self._metrics.take(reports)
        for report in reports:
            self._look_for_weights(report)
            if self._tracing:
                self._trace(report)
        answers = await self._takes(reports)
        if answers != self._answers:
            tell = _log.info if answers else _log.warning
            tell("redis_back" if answers else "redis_away", address=self._address)
        self._answers = answers
        return answers

    def _look_for_weights(self, report: SidecarReport) -> None:
        """Tells once of a release of which no weights come: its name may be a slip, and others wait for it."""
        if report.age_s is None:
            self._awaited[report.release] += 1
            if self._awaited[report.release] == _AWAITED:
                _log.warning("weights_awaited", sidecar=report.sidecar, release=report.release)

    def _trace(self, report: SidecarReport) -> None:
        """Tells of a revision that came into force since the report before; nothing of the first one."""
        known = self._in_force.get(report.release, report.in_force)
        self._in_force[report.release] = report.in_force
        if self._tracing and report.in_force > known:
            self._tracing.span(
                "trimtab.in_force", start_ms=report.time_ms, end_ms=report.time_ms,
                parent=context_of(report.release, report.in_force),
                attributes={
                    "trimtab.release": report.release, "trimtab.revision": report.in_force[1],
                    "trimtab.sidecar": report.sidecar, "trimtab.proxy": report.proxy,
                },
            )  # fmt: skip

    async def _takes(self, reports: Iterable[SidecarReport]) -> bool:
        pipeline = self._redis.pipeline(transaction=False)
        for report in reports:
            pipeline.set(sidecar_key(report.release, report.sidecar), encode(report), ex=EXPIRY_S)
        try:
            await pipeline.execute()
        except REDIS_FAILURES:
            return False
        return True

    async def close(self) -> None:
        """Closes the connection, and sends the last spans."""
        await self._redis.aclose()
        if self._tracing:
            await asyncio.to_thread(self._tracing.close)
