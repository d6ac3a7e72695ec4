"""A watch on the event loop from outside of it: one that is blocked can neither work nor say so."""

import asyncio
import faulthandler
import os
import sys
import threading
from typing import Final

import structlog

_BEAT_S: Final = 0.25
_log = structlog.get_logger()


class Pulse:
    """Ends the process when the event loop has not turned for too long."""

    def __init__(self, patience_s: float, exit_code: int) -> None:
        """`patience_s`: how long the loop may be blocked."""
        self._patience_s = patience_s
        self._exit_code = exit_code
        self._beats = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pulse", daemon=True)

    async def beat_forever(self) -> None:
        """Beats as long as the loop turns, until it is cancelled."""
        self._thread.start()
        try:
            while True:
                self._beats += 1
                await asyncio.sleep(_BEAT_S)
        finally:
            self._stopped.set()

    def _watch(self) -> None:
        # Looks are counted, not seconds: a process that was frozen as a whole has missed none.
        seen, missed = 0, 0
        while not self._stopped.wait(_BEAT_S):
            seen, missed = self._beats, missed + 1 if self._beats == seen else 0
            if missed * _BEAT_S > self._patience_s:
                self._end(missed * _BEAT_S)

    def _end(self, blocked_s: float) -> None:
        _log.error("worker_failed", error=f"the event loop is blocked for {blocked_s:.0f} s, stacks follow")
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
        sys.stderr.flush()
        os._exit(self._exit_code)
