"""The composition root of a worker: everything is made here and handed down."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Final

import faust
import structlog
from prometheus_client import CollectorRegistry

from trimtab.engine.policy.build import Factories
from trimtab.engine.warm import warm
from trimtab.schemas.address import Address
from trimtab.schemas.errors import Refused, TrimtabError, Unreachable
from trimtab.schemas.ids import Revision
from trimtab.schemas.topics import EVIDENCE, TELEMETRY
from trimtab.schemas.tracing import open_tracing
from trimtab.streams.app import create_app
from trimtab.streams.chunk import ChunkSchema
from trimtab.streams.decide import Decide
from trimtab.streams.fold import Fold
from trimtab.streams.guest_policies import guest_policies
from trimtab.streams.health import Health, Trouble, Unserved
from trimtab.streams.latency import Latency
from trimtab.streams.layout import SNAPSHOTS_TABLE, WrongLayout, ensure_topics
from trimtab.streams.metrics import WorkerMetrics, register_process
from trimtab.streams.progress import Progress
from trimtab.streams.publication import Publication
from trimtab.streams.pulse import Pulse
from trimtab.streams.reach import ping_redis, wait_for
from trimtab.streams.reaction_watch import ReactionWatch
from trimtab.streams.report import Report
from trimtab.streams.settings import Settings
from trimtab.streams.sidecar_watch import SidecarWatch
from trimtab.streams.traces import Traces
from trimtab.streams.watchdog import Abandoned, Watchdog

EXIT_STOPPED: Final = 0
EXIT_FAILED: Final = 1
EXIT_SETTINGS: Final = 2
EXIT_UNREACHABLE: Final = 3

_GC_THRESHOLDS: Final = (50_000, 20, 20)
_COMMIT_S: Final = 1.0
_STOP_S: Final = 3.0
_log = structlog.get_logger()

_Work = Callable[[], Coroutine[None, None, None]]


def run(settings: Settings, wait_s: float, health: Address | None = None) -> int:
    """Runs a worker until it is told to stop (SIGTERM, SIGINT); gives the exit code.

    0 stopped, 1 failed and in need of a restart, 2 the topics are not as the settings say, or Kafka or Redis does not
    let us in, or the address for health is taken, or a policy that was brought cannot be used, 3 one of them did not
    answer within `wait_s`. A second signal ends the process at once, with 1; once everything is handed over, it changes
    nothing.
    """
    for number in _SIGNALS:
        signal.signal(number, _stop_waiting)
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
    try:
        factories = guest_policies()
    except (ValueError, TypeError, ImportError, AttributeError) as error:
        _log.error("policy_unusable", error=str(error))
        return EXIT_SETTINGS
    warm()  # else the first decision waits for it, and everybody else for the decision
    try:
        return asyncio.run(_Worker(settings, health, factories).run())
    except Unserved as error:
        _log.error("health_unserved", error=str(error))
        return EXIT_SETTINGS


_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def _stop_waiting(*_: object) -> None:
    """Ends a worker that has not begun: there is nothing to hand over."""
    _log.info("worker_stopping")
    sys.exit(EXIT_STOPPED)


class _Worker:
    def __init__(self, settings: Settings, address: Address | None, factories: Factories) -> None:
        self._settings = settings
        tracing = open_tracing(settings.tracing, "trimtab-worker")
        self._traces = Traces(tracing) if tracing else None
        self._factories = factories
        self._address = address
        self._failure: asyncio.Queue[BaseException] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_asked = asyncio.Event()
        self._is_started = False

    async def run(self) -> int:
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._on_signal)
        self._assemble()
        if self._address is not None:
            await self._health.serve(self._address)
        pulse = Pulse(self._settings.stall_s, EXIT_FAILED)
        for work in (
            pulse.beat_forever, self._watchdog.watch, self._progress.watch, self._publication.publish_forever,
            self._report.write_forever, self._watch.watch_forever, self._reactions.tell_forever,
        ):  # fmt: skip
            self._start(self._guarded(work))
        self._start(self._started)
        code = await self._until_stopped()
        await self._stop(code)
        _ignore_signals()
        return code

    def _on_signal(self) -> None:
        if self._stop_asked.is_set():
            _end_at_once("stop_cut_short", EXIT_FAILED)
        self._stop_asked.set()

    def _assemble(self) -> None:
        kafka, patience_s = self._settings.kafka, self._settings.stall_s
        self._app = app = create_app(kafka)
        registry = CollectorRegistry()
        latency = Latency(registry)
        self._publication = Publication(
            self._settings.redis, on_visible=_telling(latency, self._traces), follows=lambda: not self._progress.trouble
        )
        table = app.Table(SNAPSHOTS_TABLE, key_type=bytes, value_type=bytes, partitions=kafka.evidence_partitions)
        self._fold = fold = Fold(app, self._settings.fold, kafka.evidence_partitions, latency, self._traces)
        decide = Decide(
            app, self._settings.decide, table, self._publication, self._factories, latency=latency,
            traces=self._traces,
        )  # fmt: skip
        self._agent("fold", TELEMETRY, kafka.telemetry_partitions, fold.consume)
        self._agent("decide", EVIDENCE, kafka.evidence_partitions, decide.consume)
        app.task(self._guarded(fold.flush_forever))
        app.task(self._guarded(decide.tick_forever))
        self._watch = SidecarWatch(self._settings.redis, decide)
        self._reactions = ReactionWatch(latency, decide)
        self._report = Report(fold, decide, self._publication)
        self._progress = progress = Progress(app, {TELEMETRY: fold.positions, EVIDENCE: decide.positions}, patience_s)
        self._watchdog = Watchdog(app, self._settings.watchdog_s, lambda: not progress.trouble)
        register_process(registry)
        registry.register(WorkerMetrics(fold, decide, self._publication, progress, self._watchdog))
        self._health = Health({"moving": lambda: "; ".join(progress.stalled)}, self._readiness(), registry)

    def _readiness(self) -> dict[str, Trouble]:
        app, progress = self._app, self._progress
        return {
            "started": lambda: "" if self._is_started else "still starting",
            "not_stopping": lambda: "told to stop" if self._stop_asked.is_set() else "",
            "assigned": lambda: _assignment_trouble(app, self._watchdog),
            "recovered": lambda: "reading snapshots" if app.in_recovery else "",
            "kafka": lambda: progress.trouble,
            "reading": lambda: "; ".join(progress.waiting) if progress.is_known else "not looked yet",
            "redis": lambda: self._publication.trouble,
        }

    def _agent(
        self,
        name: str,
        topic: str,
        partitions: int,
        consume: Callable[[faust.Stream], Coroutine[None, None, None]],
    ) -> None:
        channel = self._app.topic(topic, schema=ChunkSchema(), partitions=partitions, acks=False)

        async def agent(stream: faust.Stream) -> None:
            await self._guarded(lambda: consume(stream))()

        self._app.agent(channel, name=name)(agent)

    def _guarded(self, work: _Work) -> _Work:
        """Gives `work`, which is never to end, such that its end ends the worker, whatever it raises.

        Faust would skip the message and go on, or go on without the agent.
        """

        async def guarded() -> None:
            error: BaseException = Abandoned(f"{work.__qualname__} has ended")
            try:
                await work()
            except Exception as raised:
                error = raised
                raise
            finally:
                self._failure.put_nowait(error)

        return guarded

    def _start(self, work: _Work) -> None:
        self._tasks.append(asyncio.create_task(work()))

    async def _started(self) -> None:
        try:
            await self._app.start()
        except Exception as error:
            self._failure.put_nowait(error)
            raise
        self._is_started = True
        _spare_collections()
        assignment = self._app.consumer.assignment()
        _log.info("worker_started", partitions=sorted(f"{tp.topic}/{tp.partition}" for tp in assignment))

    async def _until_stopped(self) -> int:
        stopped = asyncio.create_task(self._stop_asked.wait())
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

    async def _stop(self, code: int) -> None:
        """Ends everything within seconds; what has not ended by then is left to the end of the process."""
        self._stop_asked.set()
        with suppress(Exception):  # what is not committed is read again
            await asyncio.wait_for(self._fold.commit(), _COMMIT_S)
        for task in self._tasks:
            task.cancel()
        stopping = asyncio.gather(
            *self._tasks,
            self._app.stop(),
            self._publication.close(),
            self._watch.close(),
            self._health.close(),
            asyncio.to_thread(self._traces.close if self._traces else lambda: None),
            return_exceptions=True,
        )
        _, hanging = await asyncio.wait([stopping], timeout=_STOP_S)
        if hanging:
            # Faust waits without end for a producer that has lost Kafka, and swallows its cancellation.
            _end_at_once("stop_timed_out", code)
        _log.info("worker_stopped")


def _telling(latency: Latency, traces: Traces | None) -> Callable[[str, Revision], None]:
    """Gives what is told of each revision that Redis took."""
    if traces is None:
        return latency.visible

    def tell(release: str, revision: Revision) -> None:
        latency.visible(release, revision)
        traces.visible(release, revision)

    return tell


def _spare_collections() -> None:
    """Has the garbage collector look less often at what a worker keeps: panes and windows live long and have no cycles.

    With its own thresholds it costs a seventh of the time at 1,000 releases.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


def _ignore_signals() -> None:
    """Lets a worker that has stopped end with its own exit code: its loop, once closed, would leave signals to kill."""
    for number in _SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)


def _assignment_trouble(app: faust.App, watchdog: Watchdog) -> str:
    if not watchdog.is_assigned:
        return "the consumer group has given no partitions yet"
    return "a rebalance is under way" if app.rebalancing else ""


def _end_at_once(event: str, code: int) -> None:
    _log.warning(event)
    sys.stderr.flush()
    os._exit(code)
