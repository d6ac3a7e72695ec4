"""A TCP proxy on loopback that makes the faults of a network: slow, cut, and black-holed connections."""

import asyncio
import socket
import struct
import threading
from types import TracebackType
from typing import Self

from faults.delay_line import DelayLine, Weather


class FaultProxy:
    """Forwards connections to a port of 127.0.0.1, ready inside the `with` block.

    All faults are switched at run time and hold for old connections as for new ones, except `cut`.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy")
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._weather = Weather()
        self._refuses = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def delay(self, seconds: float) -> None:
        """Holds back every chunk, in either direction, for that long after it came; any number may be under way."""
        self._weather.delay_s = seconds

    def cut(self) -> None:
        """Resets all connections that there are. What is under way in them is lost."""
        self._loop.call_soon_threadsafe(self._cut)

    def refuse(self, *, refuses: bool = True) -> None:
        """Resets new connections as soon as they are made."""
        self._refuses = refuses

    def black_hole(self) -> None:
        """Takes what either side sends and passes nothing on: half-open, as after a router lost its state."""
        self._loop.call_soon_threadsafe(self._weather.passes.clear)

    def heal(self) -> None:
        """Forwards again, at once. What was held back is passed on."""
        self._weather.delay_s, self._refuses = 0.0, False
        self._loop.call_soon_threadsafe(self._weather.clear_up)

    def _cut(self) -> None:
        for connection in self._connections:
            connection.cancel()

    async def _serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._accept, sock=self._listener)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """No coroutine, since asyncio's task around one logs an error when it is cancelled (Python 3.11)."""
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections[connection] = writer
        connection.add_done_callback(lambda done: _reset(self._connections.pop(done)))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refuses:
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            return
        there, back = DelayLine(self._weather), DelayLine(self._weather)
        try:
            async with asyncio.TaskGroup() as ends:
                ends.create_task(there.take_in(reader))
                ends.create_task(there.give_out(far_writer))
                ends.create_task(back.take_in(far_reader))
                ends.create_task(back.give_out(writer))
        except* OSError:
            pass  # which ends the connection, with a reset on both sides
        finally:
            _reset(far_writer)

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
        while others := asyncio.all_tasks() - {asyncio.current_task()}:  # a connection may be just made
            self._cut()
            await asyncio.wait(others)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Ends a connection without a farewell (RST)."""
    connection = writer.get_extra_info("socket")
    if connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
