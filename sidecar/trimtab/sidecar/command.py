"""A command that takes weights: it finds them on its standard input, and takes them by exiting with 0.

Whatever else it does, it is started anew for each change, and once when the sidecar starts. What it prints is kept off
the sidecar's own output; the last line of it says why weights were not taken.
"""

import asyncio
import os
import signal
import tempfile
from collections.abc import Sequence
from typing import IO, Final

from trimtab.schemas.decision import WeightsRecord
from trimtab.sidecar.follower import NotTaken
from trimtab.sidecar.handover import document

_TAIL_BYTES: Final = 4096
_MAX_WORDS: Final = 500


class Command:
    """Runs a command with each change of weights, one at a time."""

    def __init__(self, words: Sequence[str], timeout_s: float) -> None:
        """Raises `ValueError` for no words, or no time."""
        if not words:
            raise ValueError("command: expected at least one word")
        if timeout_s <= 0:
            raise ValueError(f"timeout: expected more than 0 s, got {timeout_s:g}")
        self._words, self._timeout_s = tuple(words), timeout_s

    async def bring(self, records: Sequence[WeightsRecord]) -> None:
        """Runs it once. Raises `NotTaken` where it cannot be started, does not end in time, or exits with another code.

        Input and output are files: a child that it leaves behind, as a reloaded proxy may be, holds up nobody.
        """
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
            given.write(document(records))
            given.seek(0)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self._words, stdin=given, stdout=said, stderr=said, start_new_session=True
                )
            except OSError as error:
                raise NotTaken(f"cannot run {self._words[0]}: {error.strerror}") from error
            code = await self._end_of(process)
            if code:
                raise NotTaken(f"{self._words[0]}: {_ending(code)}{_last_line(said)}")

    async def _end_of(self, process: asyncio.subprocess.Process) -> int:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await process.wait()
        except TimeoutError:
            # With all that it started: it has a session of its own.
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            raise NotTaken(f"{self._words[0]}: ended by force after {self._timeout_s:g} s") from None


def _ending(code: int) -> str:
    return f"exit code {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"


def _last_line(said: IO[bytes]) -> str:
    """Gives the last line of what was printed, after a colon; nothing where there is none."""
    size = said.seek(0, os.SEEK_END)
    said.seek(max(0, size - _TAIL_BYTES))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return f": {lines[-1][:_MAX_WORDS]}" if lines else ""
