"""The sidecar: its parts put together, from the first look at HAProxy to a clean end.

Weights come in from a thread of their own, the log goes out from another; all else lives on one event loop. Redis,
Kafka and HAProxy may come, go and come back at any time: HAProxy keeps the weights that it has, and its log waits.
"""

import asyncio
import contextlib
import signal
import threading
import time
from typing import Final

import structlog

from trimtab.client import Weights
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.tracing import open_tracing
from trimtab.sidecar.checkpoint import CheckpointTaken
from trimtab.sidecar.delivery import Delivery
from trimtab.sidecar.ending import end
from trimtab.sidecar.endpoint import SocketTaken, claim
from trimtab.sidecar.haproxy.governor import Governor
from trimtab.sidecar.haproxy.log_line import AccessLog
from trimtab.sidecar.haproxy.names import Files
from trimtab.sidecar.haproxy.options import HAProxySidecarOptions
from trimtab.sidecar.haproxy.ring import RingSource
from trimtab.sidecar.haproxy.sticky_script import SCRIPT
from trimtab.sidecar.log_file import FileSource
from trimtab.sidecar.metrics import SidecarMetrics
from trimtab.sidecar.pump import EVENTS_PER_LINE, Pump
from trimtab.sidecar.report import EVERY_S, ReportDesk

EXIT_REFUSED: Final = 1
"""The folder, the log or a socket in it cannot be used."""

_LAST_S: Final = 1.5
"""What Kafka and Redis are given at the end."""

_log = structlog.get_logger()


def run(options: HAProxySidecarOptions) -> int:
    """Serves HAProxy until SIGTERM or SIGINT, and gives the exit code. To be called from the main thread."""
    return asyncio.run(serve(options))


async def serve(options: HAProxySidecarOptions) -> int:
    """Serves HAProxy until SIGTERM or SIGINT, and gives the exit code."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        sidecar = Sidecar(options)
    except (SocketTaken, CheckpointTaken, InvalidRecord, OSError, ValueError) as error:
        _log.error("sidecar_refused", sidecar=options.id, reason=str(error))
        return EXIT_REFUSED
    _log.info("sidecar_started", sidecar=options.id, socket=str(options.socket), state=str(options.state))
    try:
        async with asyncio.TaskGroup() as tasks:
            working = [tasks.create_task(work) for work in (sidecar.govern_for_ever(), sidecar.report_for_ever())]
            await stop.wait()
            await asyncio.gather(*map(end, working))
    finally:
        await sidecar.stop()
    return 0


class Sidecar:
    """One sidecar, made on the event loop that it lives on.

    Raises `SocketTaken`, `CheckpointTaken`, `InvalidRecord` (a checkpoint that is none), `ValueError` (a log that is no
    file), or `OSError` for a folder that cannot be used.
    """

    def __init__(self, options: HAProxySidecarOptions) -> None:
        self._options, self._loop = options, asyncio.get_running_loop()
        self._metrics = SidecarMetrics(options.metrics)
        files = Files(options.state)
        _lay_out(files, options.releases)
        self._source = _source(options, files)
        self._stopping, self._ready = threading.Event(), threading.Event()
        note = self._source.note if isinstance(self._source, FileSource) else ""
        self._access_log = AccessLog()
        self._delivery = Delivery(options.kafka, options.id, note, stopping=self._stopping)
        self._pump = Pump(
            self._source, self._delivery, self._access_log.rows, ready=self._ready, stopping=self._stopping
        )
        self._governor = Governor(options.releases, options.socket, files)
        self._known: set[str] = set()
        self._weights = Weights(options.redis, options.releases, cache=options.cache, on_change=self._announce)
        self._metrics.follow(self._weights)
        self._desk = ReportDesk(options.redis, self._metrics, open_tracing(options.tracing, "trimtab-sidecar"))
        self._pump.start()

    async def govern_for_ever(self) -> None:
        """Keeps HAProxy to the newest weights."""
        await self._governor.govern_for_ever()

    async def report_for_ever(self) -> None:
        """Reports every second, whether Redis is there or not."""
        while True:
            await self._desk.write([self._of(release) for release in self._options.releases])
            await asyncio.sleep(EVERY_S)

    async def stop(self) -> None:
        """Publishes what was read of the log, and ends; HAProxy goes on with the weights that it has."""
        self._stopping.set()
        closing = threading.Thread(target=self._weights.close, daemon=True)
        closing.start()
        await asyncio.gather(
            asyncio.to_thread(self._pump.join, _LAST_S), asyncio.to_thread(closing.join, _LAST_S), self._desk.close()
        )
        with contextlib.suppress(OSError):
            self._source.close()
        self._metrics.close()
        _log.info("sidecar_stopped", sidecar=self._options.id)

    def _announce(self, record: WeightsRecord) -> None:
        """Hands weights to the event loop. Called by the thread that follows Redis."""
        self._access_log.name(record.release, record.targets)
        self._known.add(record.release)
        if self._known.issuperset(self._options.releases):
            self._ready.set()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._governor.update, record)

    def _of(self, release: str) -> SidecarReport:
        standing, log = self._governor.standing(release), self._access_log
        return SidecarReport(
            sidecar=self._options.id,
            proxy="haproxy",
            release=release,
            in_force=standing.in_force,
            offered=standing.offered,
            refused=standing.refused,
            refusals=standing.refusals,
            events=self._delivery.published,
            dropped=self._delivery.invalid + EVENTS_PER_LINE * self._governor.dropped_lines,
            unattributed=log.unattributed,
            shares=standing.shares,
            segment_shares=standing.segment_shares,
            routed={variant: count for (name, variant), count in dict(log.routed).items() if name == release},
            gaps=self._source.gaps if isinstance(self._source, FileSource) else self._source.broken,
            time_ms=time.time_ns() // 1_000_000,
            age_s=self._weights.age_s(release),
            stale=self._weights.is_stale(release),
            fallback=standing.fallback,
        )


def _lay_out(files: Files, releases: tuple[str, ...]) -> None:
    """Makes the folder and the files without which HAProxy would not start. It finds nothing in them as yet."""
    files.folder.mkdir(parents=True, exist_ok=True)
    for path in (files.map, files.servers, *(files.segments(release) for release in releases)):
        path.touch()
    files.script.write_text(SCRIPT)


def _source(options: HAProxySidecarOptions, files: Files) -> FileSource | RingSource:
    if options.log is not None:
        return FileSource(options.log, files.checkpoint)
    claim(files.log_socket)
    return RingSource(files.log_socket)
