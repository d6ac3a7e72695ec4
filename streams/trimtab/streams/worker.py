"""The composition root of a worker: everything is made here and handed down."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Final

import faust
import structlog

from trimtab.schemas.errors import Refused, TrimtabError, Unreachable
from trimtab.schemas.topics import EVIDENCE, TELEMETRY
from trimtab.streams.app import create_app
from trimtab.streams.chunk import ChunkSchema
from trimtab.streams.decide import Decide
from trimtab.streams.fold import Fold
from trimtab.streams.layout import SNAPSHOTS_TABLE, WrongLayout, ensure_topics
from trimtab.streams.publication import Publication
from trimtab.streams.reach import ping_redis, wait_for
from trimtab.streams.report import Report
from trimtab.streams.settings import Settings
from trimtab.streams.watchdog import Watchdog

EXIT_STOPPED: Final = 0
EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 2
EXIT_UNREACHABLE: Final = 3

_STOP_S: Final = 5.0
_log = structlog.get_logger()


def run(settings: Settings, wait_s: float) -> int:
    """Runs a worker until it is told to stop (SIGTERM, SIGINT); gives the exit code.

    0 stopped, 1 failed and in need of a restart, 2 the topics are not as the settings say, or Kafka or Redis does not
    let us in, 3 one of them did not answer within `wait_s`.
    """
    try:
        wait_for("kafka", lambda timeout_s: ensure_topics(settings.kafka, timeout_s), wait_s)
        wait_for("redis", lambda timeout_s: ping_redis(settings.redis, timeout_s), wait_s)
    except Unreachable as error:
        is_refusal = isinstance(error, Refused)
        _log.error("server_refused" if is_refusal else "server_unreachable", error=str(error), waited_s=wait_s)
        return EXIT_SETTINGS if is_refusal else EXIT_UNREACHABLE
    except WrongLayout as error:
        _log.error("wrong_layout", error=str(error))
        return EXIT_SETTINGS
    return asyncio.run(_Worker(settings).run())


class _Worker:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._failure: asyncio.Queue[BaseException] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> int:
        app = create_app(self._settings.kafka)
        publication = Publication(self._settings.redis)
        watchdog = self._assemble(app, publication)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self._start(watchdog.watch)
        self._start(publication.publish_forever)
        self._start(lambda: _started(app))
        code = await self._until(stop)
        await self._stop(app, publication, code)
        return code

    def _assemble(self, app: faust.App, publication: Publication) -> Watchdog:
        kafka = self._settings.kafka
        table = app.Table(SNAPSHOTS_TABLE, key_type=bytes, value_type=bytes, partitions=kafka.evidence_partitions)
        fold = Fold(app, self._settings.fold, kafka.evidence_partitions)
        decide = Decide(app, self._settings.decide, table, publication)
        self._agent(app, "fold", TELEMETRY, kafka.telemetry_partitions, fold.consume)
        self._agent(app, "decide", EVIDENCE, kafka.evidence_partitions, decide.consume)
        app.task(self._guarded(fold.flush_forever))
        app.task(self._guarded(decide.tick_forever))
        self._start(Report(fold, decide, publication).write_forever)
        return Watchdog(app, self._settings.watchdog_s)

    def _agent(
        self,
        app: faust.App,
        name: str,
        topic: str,
        partitions: int,
        consume: Callable[[faust.Stream], Coroutine[None, None, None]],
    ) -> None:
        channel = app.topic(topic, schema=ChunkSchema(), partitions=partitions, acks=False)

        async def agent(stream: faust.Stream) -> None:
            await self._guarded(lambda: consume(stream))()

        app.agent(channel, name=name)(agent)

    def _guarded(self, work: Callable[[], Coroutine[None, None, None]]) -> Callable[[], Coroutine[None, None, None]]:
        """Gives `work` such that whatever it raises ends the worker: Faust would skip the message and go on."""

        async def guarded() -> None:
            try:
                await work()
            except Exception as error:
                self._failure.put_nowait(error)
                raise

        return guarded

    def _start(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        self._tasks.append(asyncio.create_task(self._guarded(work)()))

    async def _until(self, stop: asyncio.Event) -> int:
        stopped = asyncio.create_task(stop.wait())
        failed = asyncio.create_task(self._failure.get())
        await asyncio.wait([stopped, failed], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not failed.done():
            failed.cancel()
            _log.info("worker_stopping")
            return EXIT_STOPPED
        error = failed.result()
        is_ours = isinstance(error, TrimtabError)
        _log.error("worker_failed", error=f"{type(error).__name__}: {error}", exc_info=None if is_ours else error)
        return EXIT_FAILED

    async def _stop(self, app: faust.App, publication: Publication, code: int) -> None:
        """Ends everything in `_STOP_S`; what has not ended by then is left to the end of the process."""
        for task in self._tasks:
            task.cancel()
        stopping = asyncio.gather(*self._tasks, app.stop(), publication.close(), return_exceptions=True)
        _, hanging = await asyncio.wait([stopping], timeout=_STOP_S)
        if hanging:
            # Faust waits without end for a producer that has lost Kafka, and swallows its cancellation.
            _log.warning("stop_timed_out", allowed_s=_STOP_S)
            sys.stderr.flush()
            os._exit(code)


async def _started(app: faust.App) -> None:
    await app.start()
    _log.info("worker_started", partitions=sorted(f"{tp.topic}/{tp.partition}" for tp in app.consumer.assignment()))
