"""One way of a connection that a fault proxy forwards: what comes in goes out later, in the same order."""

import asyncio
from contextlib import suppress
from typing import Final

_CHUNK: Final = 1 << 16
_MOST_HELD: Final = 1 << 22
"""Bytes under way at which no more are read, so that the sender is held up as by a full network."""


class Weather:
    """What befalls the chunks that come in. All connections of a proxy share it.

    `delay_s` may be set from any thread; the events belong to the event loop.
    """

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.passes = asyncio.Event()
        self.passes.set()
        self.cleared = asyncio.Event()
        """Set once what came in before is due, however long it was to be held back."""

    def clear_up(self) -> None:
        """Makes everything that is held back due now."""
        self.passes.set()
        self.cleared.set()
        self.cleared = asyncio.Event()


class DelayLine:
    """Each chunk is due at its arrival plus the delay of then, however many are under way: latency, not bandwidth.

    The end of what comes in, be it a farewell or a reset, travels like a chunk.
    """

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._under_way = asyncio.Queue[tuple[float, asyncio.Event, bytes | None]]()
        self._held_bytes = 0
        self._has_room = asyncio.Event()
        self._has_room.set()

    async def take_in(self, reader: asyncio.StreamReader) -> None:
        """Takes what comes in, until its end or as long as there is room."""
        chunk: bytes | None = b"none yet"
        while chunk:
            await self._has_room.wait()
            chunk = await _read(reader)
            due_s = asyncio.get_running_loop().time() + self._weather.delay_s
            self._under_way.put_nowait((due_s, self._weather.cleared, chunk))
            self._hold(len(chunk or b""))

    async def give_out(self, writer: asyncio.StreamWriter) -> None:
        """Passes on what was taken in, when it is due. Raises `OSError` when a reset came, or nobody takes it."""
        writer.transport.set_write_buffer_limits(high=0)  # so that what is drained has left
        while True:
            due_s, cleared, chunk = await self._under_way.get()
            await _until(due_s, cleared)
            await self._weather.passes.wait()
            if chunk is None:
                raise ConnectionResetError
            if not chunk:
                writer.write_eof()
                return
            writer.write(chunk)
            await writer.drain()
            self._hold(-len(chunk))

    def _hold(self, more_bytes: int) -> None:
        self._held_bytes += more_bytes
        if self._held_bytes < _MOST_HELD:
            self._has_room.set()
        else:
            self._has_room.clear()


async def _read(reader: asyncio.StreamReader) -> bytes | None:
    """The next bytes; none at a farewell, and None at a reset."""
    try:
        return await reader.read(_CHUNK)
    except OSError:
        return None


async def _until(due_s: float, cleared: asyncio.Event) -> None:
    if due_s > asyncio.get_running_loop().time():
        with suppress(TimeoutError):
            async with asyncio.timeout_at(due_s):
                await cleared.wait()
