"""What comes into force, for the coroutines of an event loop: told in threads, read in the loop.

A reader that is slow holds up nobody and finds, of each release, the newest alone: weights are a state, not a log.
"""

import asyncio
import contextlib
from typing import Self

from trimtab.schemas.decision import WeightsRecord


class Changes:
    """An asynchronous iterator of records, each one in place of those before it; ends when `offer` is given None.

    To be made in the loop that reads it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, WeightsRecord] = {}
        self._newest: dict[str, WeightsRecord] = {}
        self._is_over = False
        self._there = asyncio.Event()

    def offer(self, record: WeightsRecord | None) -> None:
        """Tells of a record that came into force, or of the end. Safe for threads, and after the loop has ended."""
        with contextlib.suppress(RuntimeError):  # a loop that is closed has nobody to tell
            self._loop.call_soon_threadsafe(self.put, record)

    def put(self, record: WeightsRecord | None) -> None:
        """The same, from within the loop."""
        if record is None:
            self._is_over = True
        elif record.replaces(self._newest.get(record.release)):
            self._newest[record.release] = self._waiting[record.release] = record
        self._there.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WeightsRecord:
        while not self._waiting:
            if self._is_over:
                raise StopAsyncIteration
            self._there.clear()
            await self._there.wait()
        return self._waiting.pop(next(iter(self._waiting)))
