"""Clients of the HTTP API, as cheap as they can be: viewers of a stream, and reads at a fixed rate."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

_HEAD_END: Final = b"\r\n\r\n"
_CONNECTIONS: Final = 32


class Viewers:
    """Open streams, whose events are counted."""

    def __init__(self, port: int, path: str) -> None:
        self._port, self._path = port, path
        self._tasks: list[asyncio.Task[None]] = []
        self.events = 0
        """decisions that came, of all viewers"""
        self.ended = 0
        """streams that ended before they were to"""

    async def open(self, count: int) -> None:
        """Opens so many more."""
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(f"GET {self._path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
            await reader.readuntil(_HEAD_END)
            self._tasks.append(asyncio.create_task(self._read(reader, writer)))

    async def close(self) -> None:
        """Ends them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(1 << 16):
                self.events += chunk.count(b"event: decision\n")
            self.ended += 1
        finally:
            writer.close()


class Reads:
    """Requests at a fixed rate, whatever becomes of those before: waiting for a connection counts."""

    def __init__(self, port: int, paths: Sequence[str]) -> None:
        self._port, self._paths = port, itertools.cycle(paths)
        self._idle: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()
        self.latencies_ms: list[float] = []
        self.failed = 0

    async def run(self, rate: float, seconds: float) -> None:
        """Sends them, and returns when all are answered."""
        for _ in range(_CONNECTIONS):
            self._idle.put_nowait(await asyncio.open_connection("127.0.0.1", self._port))
        began_s, asked = time.perf_counter(), []
        for number in range(round(rate * seconds)):
            due_s = began_s + number / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            asked.append(asyncio.create_task(self._read(next(self._paths), due_s)))
        await asyncio.gather(*asked)
        while not self._idle.empty():
            self._idle.get_nowait()[1].close()

    async def _read(self, path: str, due_s: float) -> None:
        reader, writer = await self._idle.get()
        writer.write(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        head = await reader.readuntil(_HEAD_END)
        length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        self.latencies_ms.append((time.perf_counter() - due_s) * 1000)
        self.failed += not head.startswith(b"HTTP/1.1 200 ")
        with suppress(asyncio.QueueFull):
            self._idle.put_nowait((reader, writer))
