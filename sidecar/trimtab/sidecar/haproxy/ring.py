"""The log as a stream: HAProxy keeps lines in a ring and sends them over a unix socket, each with its length.

`log-proto octet-count` of a `ring`: the length in digits, a space, the line. Whatever is not read waits in the socket
and then in HAProxy's ring, so a sidecar that is slow, or away for a while, loses nothing as long as the ring has room.
"""

import contextlib
import os
import re
import selectors
import socket
from pathlib import Path
from typing import Final

_READ_BYTES: Final = 64 * 1024
_WAIT_S: Final = 0.05
_HEAD: Final = re.compile(rb"(\d{1,5}) ")
_MAX_HEAD: Final = 6


class BrokenFrame(ValueError):
    """Bytes that are no length and a space where one has to be."""


class Frames:
    """Lines from a stream of bytes that comes in pieces.

    >>> frames = Frames()
    >>> frames.take(b"5 hello3 w"), frames.take(b"ow")
    ([b'hello'], [b'wow'])
    """

    def __init__(self) -> None:
        self._rest = b""

    def take(self, piece: bytes) -> list[bytes]:
        """Gives the lines that are whole with `piece`. Raises `BrokenFrame` where no length stands."""
        data, at, lines = self._rest + piece, 0, []
        while (head := _HEAD.match(data, at)) is not None:
            end = head.end() + int(head[1])
            if end > len(data):
                break
            lines.append(data[head.end() : end].rstrip(b"\n"))
            at = end
        self._rest = data[at:]
        if head is None and (len(self._rest) >= _MAX_HEAD or not (self._rest + b"0").isdigit()):
            raise BrokenFrame(f"log stream: expected a length and a space, got {self._rest[:20]!r}")
        return lines


class RingSource:
    """The lines that come in on the socket at `path`, from however many HAProxys: a reload has two for a while."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[bytes] = []
        self._selector = selectors.DefaultSelector()
        self._server: socket.socket | None = None
        self.broken = 0
        """streams that were hung up on, because what came were no lines with lengths"""

    position = b""
    """nothing that a next life could go on from"""

    def read(self, max_lines: int) -> list[bytes]:
        """Gives the next lines, at most so many; waits for the first a twentieth of a second."""
        if not self._lines:
            for key, _ in self._selector.select(_WAIT_S):
                self._lines += self._receive(key)
        lines, self._lines = self._lines[:max_lines], self._lines[max_lines:]
        return lines

    def begin(self, _delivered: bytes | None, _note: str) -> None:
        """Begins to listen, if it does not yet. Before, HAProxy would send what nobody reads; now it keeps it."""
        if self._server is None:
            self._server = socket.socket(socket.AF_UNIX)
            self._server.bind(os.fspath(self._path))
            self._server.listen()
            self._server.settimeout(0)
            self._selector.register(self._server, selectors.EVENT_READ)

    def settle(self, _note: str) -> None:
        """Nothing: a stream has no position."""

    def last(self, max_lines: int) -> list[bytes]:
        """Gives what is left at the end, at most so many: nothing more is taken from HAProxy."""
        self._stop_listening()  # first, or HAProxy would send what comes next to where nobody reads
        for connection in self._connections():
            with contextlib.suppress(OSError):  # it has hung up by itself
                connection.shutdown(socket.SHUT_RD)  # what has come already can still be read
        return self.read(max_lines)

    def close(self) -> None:
        """Hangs up, and removes the socket."""
        self._stop_listening()
        for connection in self._connections():
            connection.close()
        self._selector.close()

    def _stop_listening(self) -> None:
        if self._server is None:
            return
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(BlockingIOError):
            while True:  # who is waiting already may have sent something
                self._accept(self._server)
        self._selector.unregister(self._server)
        self._server.close()
        self._server = None

    def _connections(self) -> list[socket.socket]:
        return [key.fileobj for key in self._selector.get_map().values() if isinstance(key.fileobj, socket.socket)]

    def _receive(self, key: selectors.SelectorKey) -> list[bytes]:
        frames, connection = key.data, key.fileobj
        if not isinstance(connection, socket.socket):
            return []
        if not isinstance(frames, Frames):
            self._accept(connection)
            return []
        try:
            piece = connection.recv(_READ_BYTES)
            lines = frames.take(piece)
        except BlockingIOError:
            return []
        except (BrokenFrame, OSError) as error:
            self.broken += isinstance(error, BrokenFrame)
            piece, lines = b"", []
        if not piece:
            self._selector.unregister(connection)
            connection.close()
        return lines

    def _accept(self, server: socket.socket) -> None:
        connection, _ = server.accept()
        connection.settimeout(0)
        self._selector.register(connection, selectors.EVENT_READ, Frames())
