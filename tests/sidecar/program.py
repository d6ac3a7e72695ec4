"""Programs that a test starts, and that end with it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from trimtab.streams.embedded import launch


class Program:
    """A running program whose output goes to a file. It is killed when this process ends, whatever ends it."""

    def __init__(self, log: Path, *command: str | Path) -> None:
        self._log = log
        through = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid())]
        with log.open("ab") as output:
            self._process = subprocess.Popen([*through, *command], stdout=output, stderr=output)

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def send_signal(self, by: signal.Signals) -> None:
        self._process.send_signal(by)

    def end(self, by: signal.Signals = signal.SIGTERM, timeout_s: float = 60) -> int:
        """Sends the signal, and gives the exit code once the program has ended; kills it when it does not."""
        self._process.send_signal(by)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 60) -> int:
        try:
            return self._process.wait(timeout_s)
        finally:
            if self.is_running:
                self._process.kill()
                self._process.wait()
