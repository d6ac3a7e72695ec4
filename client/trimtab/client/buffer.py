"""The account of every event, and the rows that wait to be sent.

An event is *pending* from its offer on until Kafka acknowledged it (published), a value in it turned out not to fit
(invalid), or it was given up (dropped). Offered = published + invalid + dropped + pending, at any time.
"""

import threading
from dataclasses import dataclass

from trimtab.client.rows import Row


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the events offered so far."""

    published: int
    dropped: int
    invalid: int
    pending: int


class Buffer:
    """Rows on their way, at most `max_pending` of them; safe for threads.

    `wake` is set when another `max_rows` rows are there, and when somebody waits for all to be settled.
    """

    def __init__(self, *, max_rows: int, max_pending: int) -> None:
        self.wake = threading.Event()
        self._max_rows, self._max_pending = max_rows, max_pending
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._rows: list[Row] = []
        self._published = self._dropped = self._invalid = self._pending = self._waiting = 0
        self._is_closed = False

    @property
    def account(self) -> Account:
        """What became of the events offered so far."""
        with self._lock:
            return Account(self._published, self._dropped, self._invalid, self._pending)

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for all to be settled."""
        return self._waiting > 0

    def offer(self, row: Row) -> None:
        """Takes a row, or counts it as dropped where too many are pending or the buffer is closed."""
        with self._lock:
            if self._pending >= self._max_pending or self._is_closed:
                self._dropped += 1
                return
            self._pending += 1
            self._rows.append(row)
            is_full = len(self._rows) == self._max_rows
        if is_full:
            self.wake.set()

    def close(self) -> None:
        """Drops every later offer."""
        with self._lock:
            self._is_closed = True

    def take(self, *, partial: bool) -> list[list[Row]]:
        """Gives the rows in batches of `max_rows`, and with `partial` the last ones even where they are fewer."""
        with self._lock:
            count = len(self._rows)
            if not partial:
                count -= count % self._max_rows
            rows = self._rows[:count]
            del self._rows[:count]
        return [rows[at : at + self._max_rows] for at in range(0, count, self._max_rows)]

    def settle(self, *, published: int = 0, dropped: int = 0, invalid: int = 0) -> None:
        """Books what became of pending events."""
        with self._lock:
            self._published += published
            self._dropped += dropped
            self._invalid += invalid
            self._pending -= published + dropped + invalid
            if self._pending == 0:
                self._settled.notify_all()

    def wait_settled(self, timeout_s: float) -> bool:
        """Gives whether no event was pending at some instant within `timeout_s`."""
        with self._lock:
            self._waiting += 1
            self.wake.set()
            try:
                return self._settled.wait_for(lambda: self._pending == 0, timeout_s)
            finally:
                self._waiting -= 1
