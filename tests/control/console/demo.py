"""`trimtab demo --console` as a program."""

import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from sidecar.program import Program

READY_S = 60.0
LOOK_S = 0.1


class Running(NamedTuple):
    """The demo, and where its console is."""

    program: Program
    address: str


@contextmanager
def demo(*options: str, where: str = "checkout") -> Iterator[Running]:
    """Runs the demo of the release `where`; it ends with the block, if it has not ended before."""
    with tempfile.TemporaryDirectory(prefix="tt-", dir="/tmp") as folder:
        command = (sys.executable, "-m", "trimtab.control.cli", "demo", "--console", "--plain", *options)
        program = Program(Path(folder) / "demo.log", "/usr/bin/env", f"TMPDIR={folder}", *command)
        try:
            yield Running(program, _address(program, where))
        finally:
            if program.is_running:
                program.end()


def _address(program: Program, where: str) -> str:
    end_s = time.monotonic() + READY_S
    while not (found := re.search(rf"(http://127\.0\.0\.1:\d+)/#/releases/{where}", program.output)):
        assert program.is_running, program.output
        assert time.monotonic() < end_s, program.output
        time.sleep(LOOK_S)  # between two looks, not instead of one
    return found[1]
