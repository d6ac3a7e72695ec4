"""Publishing what a service saw: off the caller's path, within bounded memory, with an account of every event."""

import asyncio
import atexit
import logging
import math
import os
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self
from weakref import WeakSet

from trimtab.client.buffer import Buffer
from trimtab.client.outlet import SETTINGS, Config, Outlet
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.schemas.telemetry import MAX_EVENTS, RoutingKey
from trimtab.schemas.trace_context import parsed

_LOG: Final = logging.getLogger("trimtab.client")

_TURN_S: Final = 0.05
"""How often the thread looks for answers of Kafka at least."""

_FLUSH_TURN_S: Final = 0.01

_AT_EXIT_S: Final = 1.0

_BYTES_PER_EVENT: Final = 128
"""Room for an event in librdkafka's queue; one takes about 20 bytes, and its share of the keys."""


@dataclass(frozen=True, slots=True)
class TelemetryStats:
    """What became of the events offered so far, and the number of messages sent (heartbeats included)."""

    published: int
    dropped: int
    invalid: int
    pending: int
    batches: int


class Telemetry:
    """Publishes events: a batch at each `max_events` events or `linger_ms`, an empty one after `heartbeat_s` without.

    `request`, `response` and `outcome` are safe for threads, never wait for IO and never raise. Where `max_buffered`
    events are pending, further ones are dropped and counted. `kafka` is HOST:PORT,… or a `KafkaConnection` for TLS and
    SASL; `config` overrides librdkafka's settings. In the child of a fork it is closed: make a new one there.

    Coroutines tell events as any code does, for that never waits; they have `flush_async`, `close_async` and `async
    with` for what does. Raises `ValueError` for settings that nothing can be published with.
    """

    def __init__(  # noqa: PLR0913 - settings, all but the first by name
        self,
        kafka: str | KafkaConnection,
        *,
        publisher: str,
        linger_ms: float = 50,
        max_events: int = MAX_EVENTS,
        max_buffered: int = 100_000,
        heartbeat_s: float = 1.0,
        config: Config = {},  # noqa: B006 - never written to
    ) -> None:
        if not 1 <= max_events <= MAX_EVENTS:
            raise ValueError(f"max_events {max_events}: expected 1 to {MAX_EVENTS}")
        _check(publisher, linger_ms=linger_ms, max_buffered=max_buffered, heartbeat_s=heartbeat_s)
        room = {"queue.buffering.max.kbytes": max(1024, max_buffered * _BYTES_PER_EVENT // 1024)}
        self._linger_s, self._heartbeat_s = linger_ms / 1000, heartbeat_s
        self._max_events, self._max_buffered = max_events, max_buffered
        self._is_stopping = False
        self._open_buffer()
        self._outlet = Outlet(
            {**librdkafka_config(KafkaConnection.of(kafka)), **SETTINGS, **room, **config}, publisher, self._buffer
        )
        self._thread = threading.Thread(target=self._run, name="trimtab telemetry", daemon=True)
        self._thread.start()
        _open.add(self)
        atexit.register(self.close, _AT_EXIT_S)

    def request(self, key: RoutingKey, time_ms: int | None = None) -> None:
        """Tells that a request was routed, now or at `time_ms`."""
        self._offer((key, _now_ms() if time_ms is None else time_ms))

    def response(  # noqa: PLR0913 - one argument a field, on the hot path
        self,
        key: RoutingKey,
        duration_ms: float,
        status: int,
        *,
        size: int = 0,
        failure: int = 0,
        time_ms: int | None = None,
    ) -> None:
        """Tells that a request ended, now or at `time_ms`. `size` is in bytes, `failure` a `Failure`."""
        self._offer((key, _now_ms() if time_ms is None else time_ms, duration_ms, status, size, failure))

    def outcome(  # noqa: PLR0913 - one argument a field
        self,
        key: RoutingKey,
        metric: str,
        value: float,
        *,
        time_ms: int | None = None,
        started_ms: int = 0,
        request: str = "",
    ) -> None:
        """Tells what came of a request, as known now or at `time_ms`. `value` is finite.

        `started_ms`: when the request was routed; without it, when the outcome became known. `request`: its id, by
        which outcomes that are told again are known. A release whose objective has an `attribution` needs both.
        """
        now_ms = _now_ms() if time_ms is None else time_ms
        if started_ms or request:
            self._offer((key, now_ms, metric, value, (started_ms, request)))
        else:
            self._offer((key, now_ms, metric, value))

    def trace(self, traceparent: str | None) -> None:
        """Has the next message name the trace of a request that is in it, by its header `traceparent` (W3C).

        The worker's spans link to it, where it makes any (docs/operations.md). A message names sixteen at most; what is
        not sampled, or is no `traceparent`, is passed over.
        """
        if traceparent and parsed(traceparent) is not None:
            self._outlet.trace(traceparent.encode())

    @property
    def stats(self) -> TelemetryStats:
        """The account of all events offered so far."""
        account = self._buffer.account
        return TelemetryStats(
            account.published, account.dropped, account.invalid, account.pending, batches=self._outlet.sent
        )

    def flush(self, timeout_s: float) -> bool:
        """Sends what is buffered, and gives whether within `timeout_s` no event was pending any more."""
        return self._buffer.wait_settled(timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Flushes for `timeout_s` at most, counts what is left as dropped, and ends. Later events are dropped."""
        atexit.unregister(self.close)
        self._buffer.close()
        if self._is_stopping:
            return
        self.flush(timeout_s)
        self._is_stopping = True
        self._buffer.wake.set()
        self._thread.join()
        _open.discard(self)

    async def flush_async(self, timeout_s: float) -> bool:
        """Does what `flush` does, off the event loop."""
        return await asyncio.to_thread(self.flush, timeout_s)

    async def close_async(self, timeout_s: float = 5.0) -> None:
        """Does what `close` does, off the event loop."""
        await asyncio.to_thread(self.close, timeout_s)

    def close_in_child(self) -> None:
        """Closes the copy that a forked child has; its threads, librdkafka's included, exist in the parent alone."""
        atexit.unregister(self.close)
        self._is_stopping = True
        self._open_buffer()
        self._buffer.close()
        self._outlet.disown()

    def _open_buffer(self) -> None:
        self._buffer = Buffer(max_rows=self._max_events, max_pending=self._max_buffered)
        self._offer = self._buffer.offer

    def _run(self) -> None:
        due_s = beat_s = time.monotonic()
        while not self._is_stopping:
            is_flush = self._buffer.is_awaited
            self._buffer.wake.wait(0 if is_flush else min(_TURN_S, max(0.0, due_s - time.monotonic())))
            self._buffer.wake.clear()
            now_s = time.monotonic()
            is_due = is_flush or now_s >= due_s
            if self._send_all(partial=is_due, beat=now_s >= beat_s):
                beat_s = now_s + self._heartbeat_s
            if is_due:
                due_s = now_s + self._linger_s
            self._outlet.serve(_FLUSH_TURN_S if is_flush else 0)
        self._outlet.abandon()
        self._buffer.settle(dropped=self._buffer.account.pending)

    def _send_all(self, *, partial: bool, beat: bool) -> bool:
        """Sends what is there, else a heartbeat if it is time; gives whether anything was sent."""
        batches = self._buffer.take(partial=partial) or ([[]] if beat else [])
        for rows in batches:
            try:
                self._outlet.send(rows)
            except Exception:  # noqa: BLE001 - the loop outlives what nobody thought of, and the account adds up
                _LOG.exception("telemetry_batch_failed events=%d", len(rows))
                self._buffer.settle(dropped=len(rows))
            self._outlet.serve(0)
        return bool(batches)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()


def _check(publisher: str, **positive: float) -> None:
    if not publisher:
        raise ValueError("publisher '': expected a name that no other process has")
    for name, value in positive.items():
        if not (value > 0 and math.isfinite(value)):
            raise ValueError(f"{name} {value!r}: expected a number above 0")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_open: Final[WeakSet[Telemetry]] = WeakSet()


def _close_all_in_child() -> None:
    for telemetry in list(_open):
        telemetry.close_in_child()


os.register_at_fork(after_in_child=_close_all_in_child)
