"""The sidecar: its parts put together, from the first connection to a clean end.

Weights come in from a thread of their own; all else lives on one event loop. Redis and Kafka may come, go and come
back at any time: Envoy keeps the weights that it has, and events wait in bounded memory.
"""

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from trimtab.client import Weights
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.tracing import open_tracing
from trimtab.sidecar.checkpoint import CheckpointTaken
from trimtab.sidecar.ending import end
from trimtab.sidecar.endpoint import SocketTaken, claim
from trimtab.sidecar.envoy.base_routes import read_base_routes
from trimtab.sidecar.envoy.discovery import Discovery
from trimtab.sidecar.envoy.grpc_server import grpc_server
from trimtab.sidecar.envoy.log_source import log_source
from trimtab.sidecar.envoy.options import EnvoySidecarOptions
from trimtab.sidecar.metrics import SidecarMetrics
from trimtab.sidecar.report import EVERY_S, ReportDesk

EXIT_REFUSED: Final = 1
"""The socket cannot be listened on, the cache is no folder, or the log no file."""

_HANG_UP_S: Final = 1.5
"""What a connection that hangs is given at the end."""

_log = structlog.get_logger()


async def serve(options: EnvoySidecarOptions) -> int:
    """Serves Envoy until SIGTERM or SIGINT, and gives the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        claim(options.socket)
        sidecar = Sidecar(options)
    except (SocketTaken, CheckpointTaken, InvalidRecord, OSError, ValueError) as error:
        _log.error("sidecar_refused", sidecar=options.id, reason=str(error))
        return EXIT_REFUSED
    try:
        await sidecar.start()
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(sidecar.report_for_ever())
            await stop.wait()
            await end(reporting)
    finally:
        await sidecar.stop()
    return 0


class Sidecar:
    """One sidecar, made on the event loop that it lives on.

    Raises `SocketTaken`, `OSError` for a cache that is no folder or an address for metrics that is taken, and what
    `FileSource` does.
    """

    def __init__(self, options: EnvoySidecarOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._metrics = SidecarMetrics(options.metrics)
        base = read_base_routes(options.routes, options.virtual_host) if options.routes else None
        self._discovery = Discovery(options.releases, base, headers=options.headers)
        self._weights = Weights(options.redis, options.releases, cache=options.cache, on_change=self._announce)
        self._source = log_source(options)
        self._server = grpc_server(options.socket, self._discovery, self._source.access_log)
        self._metrics.follow(self._weights)
        self._desk = ReportDesk(options.redis, self._metrics, open_tracing(options.tracing, "trimtab-sidecar"))
        self._dropped = 0

    async def start(self) -> None:
        """Begins to listen."""
        await self._server.start()
        _log.info("sidecar_started", sidecar=self._options.id, socket=str(self._options.socket))

    async def stop(self) -> None:
        """Hangs up on Envoy, publishes the last events, and removes the socket; two seconds are enough."""
        await self._server.stop(grace=0)
        await asyncio.gather(
            _within(_HANG_UP_S, self._weights.close),
            _within(_HANG_UP_S, self._source.close),
            self._desk.close(),
        )
        self._metrics.close()
        self._options.socket.unlink(missing_ok=True)
        _log.info("sidecar_stopped", sidecar=self._options.id)

    async def report_for_ever(self) -> None:
        """Reports every second, whether Redis is there or not."""
        while True:
            await self._report()
            await asyncio.sleep(EVERY_S)

    def _announce(self, record: WeightsRecord) -> None:
        """Hands weights to the event loop. Called by the thread that follows Redis."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._discovery.update, record)

    async def _report(self) -> None:
        dropped = self._source.dropped
        await self._desk.write([self._of(release) for release in self._options.releases])
        if dropped > self._dropped:
            _log.warning("telemetry_dropped", sidecar=self._options.id, events=dropped - self._dropped)
        self._dropped = dropped

    def _of(self, release: str) -> SidecarReport:
        source, standing = self._source, self._discovery.standing(release)
        return SidecarReport(
            sidecar=self._options.id,
            proxy="envoy",
            release=release,
            in_force=standing.in_force,
            offered=standing.offered,
            refused=standing.refused,
            refusals=standing.refusals,
            events=source.events,
            dropped=source.dropped,
            unattributed=source.unattributed,
            entries=source.entries,
            routed={variant: count for (name, variant), count in source.routed.items() if name == release},
            answers=source.answers,
            gaps=source.gaps,
            time_ms=time.time_ns() // 1_000_000,
            age_s=self._weights.age_s(release),
            stale=self._weights.is_stale(release),
            fallback=standing.fallback,
        )


async def _within(timeout_s: float, close: Callable[[], None]) -> None:
    """Calls `close` in a thread, and leaves it behind if it takes longer."""
    thread = threading.Thread(target=close, daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, timeout_s)
