"""Child processes that end with their parent, whatever ends it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from trimtab.schemas.errors import Unreachable
from trimtab.streams.embedded import launch

_TAIL: Final = 200
"""Lines of a child's output that are kept."""

# Linux sends the parent-death signal when the *thread* that forked ends. This one lasts as long as the interpreter.
_spawner: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trimtab-children")


class Child:
    """A running program, with a session of its own (so that Ctrl-C reaches the parent alone).

    Its output is read at all times, so that it never blocks on a full pipe; the newest lines are kept.
    """

    def __init__(self, name: str, command: Sequence[str | Path]) -> None:
        self._name = name
        self._lines: deque[str] = deque(maxlen=_TAIL)
        self._changed = threading.Condition()
        self._ended = False
        self._process = _spawner.submit(_spawn, command).result()
        self._reader = threading.Thread(target=self._read, name=f"{name} output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self._process.poll() is None

    def tell(self, line: str) -> None:
        """Writes `line` to the program's standard input."""
        if self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def await_line(self, pattern: str, timeout_s: float) -> re.Match[str]:
        """Gives the match of the first line of output that `pattern` is found in, and forgets the lines so far.

        Raises `Unreachable`, with what the program said last, when it ends before or says nothing like it in time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._find(pattern), timeout_s)
            match = self._find(pattern)
            if match is None:
                what = "it ended" if self._ended else f"not ready after {timeout_s} s"
                raise Unreachable(f"{self._name}: {what}; it said: {' | '.join(self._lines) or 'nothing'}")
            self._lines.clear()
            return match

    def tail(self) -> str:
        """Gives the newest lines of output."""
        with self._changed:
            return " | ".join(self._lines) or "nothing"

    def wait(self, timeout_s: float) -> int:
        """Gives the exit code. Raises `subprocess.TimeoutExpired` when the program does not end by itself."""
        code = self._process.wait(timeout_s)
        self._close()
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Sends the program a signal."""
        self._process.send_signal(number)

    def stop(self, timeout_s: float = 5.0, *, by: signal.Signals = signal.SIGTERM) -> None:
        """Asks the program to end, and kills it when it does not within `timeout_s`."""
        self._process.send_signal(by)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._reader.join()

    def _find(self, pattern: str) -> re.Match[str] | None:
        return next((match for line in self._lines if (match := re.search(pattern, line))), None)

    def _read(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        with output:
            for line in output:
                self._take(line.rstrip())
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _take(self, line: str) -> None:
        with self._changed:
            self._lines.append(line)
            self._changed.notify_all()


def _spawn(command: Sequence[str | Path]) -> subprocess.Popen[str]:
    through = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - programs of our own choice, without a shell
        [*through, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
