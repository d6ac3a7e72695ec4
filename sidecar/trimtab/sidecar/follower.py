"""Weights, brought to a proxy by whatever takes them: a command, a file, an API.

The rules, which are decided here and nowhere else:
  * One try at a time. Weights that come meanwhile are in the next one, and only the newest.
  * Where weights past their age make way for the baseline, that is brought as any change is, and so is their return.
  * Nothing is brought before every release has weights: a proxy that is told of one alone would forget the others.
  * What is refused is tried again, later each time, up to half a minute; newer weights do not hasten that. What the
    proxy had stays in force meanwhile.
  * What was taken is brought again after `again_s`, where somebody else may have changed it.
  * At most one try in each `interval_s`. The first of several changes goes at once, so that a rollback does not wait.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from trimtab.client import Weights
from trimtab.schemas.address import Address
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.tracing import NO_TRACING, TracingSettings, open_tracing
from trimtab.sidecar.edition import Edition
from trimtab.sidecar.ending import end
from trimtab.sidecar.metrics import SidecarMetrics
from trimtab.sidecar.releases import check_redis, check_releases
from trimtab.sidecar.report import EVERY_S, ReportDesk

_FIRST_RETRY_S: Final = 1.0
_LONGEST_RETRY_S: Final = 30.0

_log = structlog.get_logger()


class NotTaken(TrimtabError):
    """A proxy did not take weights; the message is what it said."""


Bring = Callable[[Sequence[WeightsRecord]], Awaitable[None]]
"""Brings weights to a proxy, the whole of them each time; raises `NotTaken`. The same weights may come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerOptions:
    """What is followed, and how often. Raises `ValueError`, with the field's name, for what cannot be followed."""

    releases: tuple[str, ...]
    redis: str | RedisConnection
    """URL, or more than that"""
    id: str
    """names it in its reports; of its own for each sidecar of a release"""
    proxy: str
    """what it brings weights to, as its reports say it"""
    cache: Path | None = None
    """folder for the last weights, so that a start without Redis has them"""
    interval_s: float = 0.0
    """time from one try to the next, at least"""
    metrics: Address | None = None
    """where Prometheus may ask; nowhere without one"""
    tracing: TracingSettings = NO_TRACING
    """where spans go, of weights that came into force"""
    again_s: float = 0.0
    """time after which weights are brought again although they are the same; 0 for never"""

    def __post_init__(self) -> None:
        check_releases(self.releases)
        check_redis(self.redis)
        if not 0.0 <= self.interval_s <= _LONGEST_RETRY_S:
            raise ValueError(f"interval: expected 0 to {_LONGEST_RETRY_S:g} s, got {self.interval_s:g}")


class Follower:
    """Follows weights and brings them, on the event loop that it is made on. Raises `OSError` for a cache no folder.

    It does so, too, for an address for metrics that is taken.
    """

    def __init__(self, options: FollowerOptions, bring: Bring) -> None:
        self._options, self._bring = options, bring
        self._loop = asyncio.get_running_loop()
        self._has_changed = asyncio.Event()
        self._in_force: dict[str, Edition] = {}
        self._offered: dict[str, Edition] = {}
        self._refused = ""
        self._refusals = 0
        self._wait_s = 0.0
        """until the next try of what was refused; 0 where nothing is"""
        self._metrics = SidecarMetrics(options.metrics)
        self._desk = ReportDesk(options.redis, self._metrics, open_tracing(options.tracing, "trimtab-sidecar"))
        self._weights = Weights(options.redis, options.releases, cache=options.cache, on_change=self._announce)
        self._metrics.follow(self._weights)

    async def run(self, stop: asyncio.Event) -> None:
        """Follows until `stop`. What is being tried then may end."""
        tasks = [asyncio.create_task(self._report_for_ever()), asyncio.create_task(self._follow(stop))]
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        await end(tasks[0])
        self._has_changed.set()
        await tasks[1]
        await asyncio.gather(asyncio.to_thread(self._weights.close), self._desk.close())
        self._metrics.close()
        for task in done & set(tasks):
            task.result()  # neither ends by itself, unless by an error

    def _announce(self, _: WeightsRecord) -> None:
        """Called by the thread that follows Redis."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._has_changed.set)

    async def _follow(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            is_again = not self._wait_s and not await _up_to(self._options.again_s or None, self._has_changed)
            self._has_changed.clear()
            began_s = time.monotonic()
            if not stop.is_set() and self._is_due(is_again=is_again):
                await self._try()
            rest_s = max(self._wait_s, self._options.interval_s - (time.monotonic() - began_s))
            if rest_s > 0.0:
                await _up_to(rest_s, stop)

    def _newest(self) -> list[WeightsRecord]:
        """Gives the weights of all releases; nothing while some have none."""
        found = [record for release in self._options.releases if (record := self._weights.get(release))]
        return found if len(found) == len(self._options.releases) else []

    def _is_due(self, *, is_again: bool) -> bool:
        records = self._newest()
        return bool(records) and (is_again or _editions(records) != self._in_force)

    async def _try(self) -> None:
        records = self._newest()
        self._offered = _editions(records)
        try:
            await self._bring(records)
        except NotTaken as error:
            self._refuse(str(error))
        else:
            if self._refused:
                _log.info("weights_taken_again", sidecar=self._options.id, refusals=self._refusals)
            self._in_force, self._refused, self._wait_s = self._offered, "", 0.0

    def _refuse(self, words: str) -> None:
        self._refusals += 1
        self._wait_s = min(_LONGEST_RETRY_S, 2.0 * self._wait_s or _FIRST_RETRY_S)
        if words != self._refused:
            _log.warning("weights_refused", sidecar=self._options.id, words=words, retry_s=self._wait_s)
        self._refused = words

    async def _report_for_ever(self) -> None:
        while True:
            await self._desk.write([self._report(release) for release in self._options.releases])
            await asyncio.sleep(EVERY_S)

    def _report(self, release: str) -> SidecarReport:
        in_force, offered = self._in_force.get(release, Edition()), self._offered.get(release, Edition())
        return SidecarReport(
            sidecar=self._options.id, proxy=self._options.proxy, release=release,
            in_force=in_force.revision, offered=offered.revision,
            refused=self._refused, refusals=self._refusals,
            interval_s=self._options.interval_s, time_ms=time.time_ns() // 1_000_000,
            age_s=self._weights.age_s(release), stale=self._weights.is_stale(release), fallback=in_force.fallback,
        )  # fmt: skip


def _editions(records: Sequence[WeightsRecord]) -> dict[str, Edition]:
    return {record.release: Edition.of(record) for record in records}


async def _up_to(timeout_s: float | None, event: asyncio.Event) -> bool:
    """Waits for so long, or for an event, and gives whether that came."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    return False
