"""The pump: lines from a source, as events to Kafka, in a thread of its own.

Lines are read only as fast as Kafka takes them. What waits, waits in the file, or with the proxy that sends them.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from trimtab.client.rows import Row
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.telemetry import MAX_EVENTS
from trimtab.sidecar.delivery import Delivery, Undelivered

EVENTS_PER_LINE: Final = 2
"""The request, and its response."""
_MAX_LINES: Final = MAX_EVENTS // EVENTS_PER_LINE
_HEARTBEAT_S: Final = 1.0
_WAIT_S: Final = 0.5

_log = structlog.get_logger()


class Source(Protocol):
    """Where lines come from: a file, or a stream."""

    @property
    def position(self) -> bytes:
        """The position after the lines read last, as it travels with them; empty where there is no such thing."""

    def begin(self, delivered: bytes | None, note: str) -> None:
        """Goes to where delivery stands."""

    def read(self, max_lines: int) -> list[bytes]:
        """Gives the next lines; may wait a moment for the first."""

    def settle(self, note: str) -> None:
        """Takes note that all that was read is delivered."""

    def last(self, max_lines: int) -> list[bytes]:
        """Gives, at the end, what would be lost with this process; none when that is all."""


class Pump:
    """Takes lines from `source` to `delivery`, as the events that `rows` makes of them, until `stopping` is set.

    Waits for `ready` first: before, it is not known whose lines they are.
    """

    def __init__(
        self, source: Source, delivery: Delivery, rows: Callable[[Sequence[bytes]], Sequence[Row]], *,
        ready: threading.Event, stopping: threading.Event,
    ) -> None:  # fmt: skip
        self._source, self._delivery, self._rows = source, delivery, rows
        self._ready, self._stopping = ready, stopping
        self._heartbeat_s = 0.0
        self._thread = threading.Thread(target=self._pump, name="trimtab pump", daemon=True)
        self._told = ""

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Waits for the end, which `stopping` brings."""
        self._thread.join(timeout_s)

    def _pump(self) -> None:
        while not self._stopping.is_set() and not self._ready.wait(_WAIT_S):
            pass
        while not self._stopping.is_set():
            try:
                self._source.begin(self._delivery.recover(), self._delivery.note)
                while not self._stopping.is_set():
                    self._turn()
                self._finish()
            except Undelivered as error:
                if self._is_news(error):
                    _log.warning("telemetry_undelivered", reason=str(error))
            except (OSError, ValueError, InvalidRecord) as error:
                if self._is_news(error):
                    _log.warning("log_unreadable", reason=str(error))
            self._stopping.wait(_WAIT_S)

    def _is_news(self, error: Exception) -> bool:
        """Whether something else was in the way before. What stays the same is told once."""
        before, self._told = self._told, str(error)
        return self._told != before

    def _finish(self) -> None:
        while lines := self._source.last(_MAX_LINES):
            self._delivery.send(self._rows(lines))

    def _turn(self) -> None:
        lines = self._source.read(_MAX_LINES)
        rows = self._rows(lines) if lines else ()
        now_s = time.monotonic()
        if rows or now_s >= self._heartbeat_s:
            self._delivery.send(rows, self._source.position if rows else b"")
            self._told = ""
            self._heartbeat_s = now_s + _HEARTBEAT_S
        if lines:
            self._source.settle(self._delivery.note)
