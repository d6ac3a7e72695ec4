"""A TCP proxy on loopback that makes the faults of a network: slow, cut, and black-holed connections."""

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_CHUNK = 1 << 16


class FaultProxy:
    """Forwards connections to a port of 127.0.0.1, ready inside the `with` block.

    All faults are switched at run time and hold for old connections as for new ones, except `cut`.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy")
        self._writers: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._delay_s = 0.0
        self._refuses = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def delay(self, seconds: float) -> None:
        """Holds back every chunk, in either direction, for that long."""
        self._delay_s = seconds

    def cut(self) -> None:
        """Resets all connections that there are."""
        self._loop.call_soon_threadsafe(self._cut)

    def refuse(self, *, refuses: bool = True) -> None:
        """Resets new connections as soon as they are made."""
        self._refuses = refuses

    def black_hole(self) -> None:
        """Takes what either side sends and passes nothing on: half-open, as after a router lost its state."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def heal(self) -> None:
        """Forwards again, at once. What was held back is passed on."""
        self._delay_s, self._refuses = 0.0, False
        self._loop.call_soon_threadsafe(self._passes.set)

    def _cut(self) -> None:
        for writer in self._writers:
            _reset(writer)

    async def _serve(self) -> asyncio.Server:
        self._passes.set()
        return await asyncio.start_server(self._connect, sock=self._listener)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            _reset(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            _reset(writer)
            return
        pair = {writer, far_writer}
        self._writers |= pair
        both = [asyncio.create_task(self._pump(*way)) for way in ((reader, far_writer), (far_reader, writer))]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        for task in both:
            task.cancel()
        self._writers -= pair
        for one in pair:
            _reset(one)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._passes.wait()
                writer.write(chunk)
                await writer.drain()

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection without a farewell (RST)."""
    connection = writer.get_extra_info("socket")
    if connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
