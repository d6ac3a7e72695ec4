"""A worker's counters: in Redis for whoever watches, and in the log when events are refused."""

import asyncio
import os
import socket
import time
from collections import Counter
from contextlib import suppress
from typing import Final

import structlog

from trimtab.schemas import worker
from trimtab.schemas.redis_client import REDIS_FAILURES
from trimtab.schemas.redis_keys import worker_key
from trimtab.schemas.worker import WorkerReport
from trimtab.streams.decide import Decide
from trimtab.streams.fold import Fold
from trimtab.streams.publication import Publication

_INTERVAL_S: Final = 1.0
_EXPIRY_S: Final = 10
_log = structlog.get_logger()


class Report:
    """Reports every second; a Redis that is away costs nothing but the report."""

    def __init__(self, fold: Fold, decide: Decide, publication: Publication) -> None:
        self._fold = fold
        self._decide = decide
        self._publication = publication
        self._worker = f"{socket.gethostname()}-{os.getpid()}"
        self._logged: Counter[str] = Counter()

    def counters(self) -> WorkerReport:
        """Gives the counters as they stand."""
        return WorkerReport(
            worker=self._worker, events=self._fold.events, refused=dict(self._fold.refused + self._decide.refused),
            decisions=self._decide.decided.total(), written=self._publication.written, time_ms=int(time.time() * 1000),
        )  # fmt: skip

    async def write_forever(self) -> None:
        """Reports until it is cancelled."""
        while True:  # and at once: until there is a report, nobody seems to decide
            counters = self.counters()
            self._log_refused(Counter(counters.refused))
            with suppress(*REDIS_FAILURES):
                await self._publication.remember(worker_key(self._worker), worker.encode(counters), _EXPIRY_S)
            await asyncio.sleep(_INTERVAL_S)

    def _log_refused(self, refused: Counter[str]) -> None:
        for code, events in (refused - self._logged).items():
            _log.warning("events_refused", code=code, events=events, in_all=refused[code])
        self._logged = refused
