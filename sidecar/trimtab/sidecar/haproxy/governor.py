"""The governor: brings the newest weights of each release to HAProxy, and keeps them there.

The rules, which are decided here and nowhere else:
  * What is in force is what HAProxy says: the stamp in its map and the weights of its servers, looked at every second.
    So a reload, a restart or somebody else's command is noticed, and what should be is put back.
  * A release never goes back to an older revision than HAProxy has in force, be it from an earlier life of the sidecar.
    The fallback of a revision takes its place, and makes way for it again.
  * What HAProxy has not, or refuses, is found before any weight moves. Where it refuses in the middle all the same, the
    old weights are put back. It is tried again after 1 s, 2 s, 4 s, … up to 30 s; a newer revision at once.
  * One release's refusal does not hold up another.
  * After each change the state of the servers and the map are written to the files that HAProxy loads at a reload.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.sidecar.edition import Edition
from trimtab.sidecar.haproxy.dropped import DroppedLines
from trimtab.sidecar.haproxy.names import Files, edition_in, place_of, revision_text
from trimtab.sidecar.haproxy.plan import MissingAtProxy, Plan, plan, shares_at, way_back
from trimtab.sidecar.haproxy.runtime import ProxyRefused, Runtime, map_entries
from trimtab.sidecar.haproxy.servers import Servers, servers_of

LOOK_EVERY_S: Final = 1.0
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 30.0

_SHOW_SERVERS: Final = "show servers state"

_log = structlog.get_logger()


@dataclass(slots=True)
class Standing:
    """How far one release has come."""

    in_force: Revision = NO_REVISION
    """what HAProxy routes by; none while it does not answer"""
    fallback: str = ""
    """`baseline` where it sends everything there, for the weights in force are past their age"""
    offered: Revision = NO_REVISION
    refused: str = ""
    """why the newest revision is not in force, in HAProxy's words where it had some"""
    refusals: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    """variant -> basis points, as the servers' weights have them"""
    segment_shares: dict[str, dict[str, float]] = field(default_factory=dict)
    retry_s: float = 0.0
    """when it may be tried again, on the monotonic clock"""
    failures: int = 0

    def refuse(self, words: str, now_s: float) -> None:
        """Takes note of a refusal, and sets when to try again."""
        self.refused = words
        self.refusals += 1
        self.retry_s = now_s + min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(self.failures, 10))
        self.failures += 1

    def accept(self) -> None:
        """Takes note that the newest revision is in force."""
        self.refused, self.failures, self.retry_s = "", 0, 0.0


class Governor:
    """Holds the newest weights of `releases` and HAProxy to them. Lives on one event loop."""

    def __init__(
        self, releases: Sequence[str], socket: Path, files: Files, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._runtime, self._files, self._clock = Runtime(socket), files, clock
        self._newest: dict[str, WeightsRecord] = {}
        self._standings = {release: Standing() for release in releases}
        self._stirred = asyncio.Event()
        self._answers: bool | None = None
        self._dropped = DroppedLines()

    def update(self, record: WeightsRecord) -> None:
        """Takes weights that are newer than those held, or their fallback, or its end; older ones change nothing."""
        held = self._newest.get(record.release)
        if record.replaces(held):
            self._newest[record.release] = record
            if any(record.mirror.values()) and not (held and any(held.mirror.values())):
                _log.warning("mirror_unsupported", release=record.release, proxy="haproxy")
            standing = self._standings[record.release]
            standing.failures, standing.retry_s = 0, 0.0
            self._stirred.set()

    def standing(self, release: str) -> Standing:
        """Gives how far `release` has come."""
        return self._standings[release]

    @property
    def dropped_lines(self) -> int:
        """Lines of its log that HAProxy has dropped since the sidecar started."""
        return self._dropped.count

    async def govern_for_ever(self) -> None:
        """Looks after HAProxy every second, and at once where there are newer weights."""
        while True:
            self._stirred.clear()
            await self.govern()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stirred.wait(), LOOK_EVERY_S)

    async def govern(self) -> None:
        """Looks at HAProxy once, and changes what is not as it should be."""
        try:
            changed = [await self._govern(release) for release in self._standings]
            if any(changed) or self._answers is not True:
                await self._save()
            await self._count_dropped()
        except Unreachable as error:
            self._note_away(str(error))
        except (ProxyRefused, OSError) as error:
            _log.warning("haproxy_state_unsaved", reason=str(error))
        else:
            self._note_answer()

    async def _count_dropped(self) -> None:
        before, info = self._dropped.count, await self._runtime.ask("show info")
        if self._dropped.take(info) > before == 0:
            _log.warning("haproxy_drops_lines", lines=self._dropped.count)

    async def _govern(self, release: str) -> bool:
        """Gives whether anything was changed for the sake of `release`."""
        record, standing = self._newest.get(release), self._standings[release]
        try:
            servers, entries = await self._look()
            in_force, fallback = edition_in(entries, release)
            standing.in_force, standing.fallback = in_force, fallback
            if self._answers is False:
                standing.refused = ""
            if record is None:
                return False
            standing.offered = max(standing.offered, record.id)
            self._measure(record, servers)
            if record.id < in_force or self._clock() < standing.retry_s:
                return False
            planned = plan(record, servers)
            commands = planned.commands(servers, entries, self._files.map)
            if commands:
                await self._carry_out(planned, commands, servers, entries)
        except (MissingAtProxy, ProxyRefused) as error:
            self._refuse(release, str(error))
            return False
        standing.accept()
        standing.in_force, standing.fallback = record.id, record.fallback
        if commands:
            told = {"fallback": record.fallback} if record.fallback else {}
            _log.info("weights_in_force", release=release, revision=revision_text(record.id), **told)
            self._measure(record, servers_of(await self._runtime.ask(_SHOW_SERVERS)))
        return bool(commands)

    async def _look(self) -> tuple[Servers, dict[str, str]]:
        servers = servers_of(await self._runtime.ask(_SHOW_SERVERS))
        return servers, map_entries(await self._runtime.ask(f"show map {self._files.map}"))

    async def _carry_out(
        self, planned: Plan, commands: Sequence[str], servers: Servers, entries: Mapping[str, str]
    ) -> None:
        await self._runtime.tell(planned.probes(servers))
        try:
            await self._runtime.tell(commands)
        except ProxyRefused:
            await self._put_back(planned, servers, entries)
            raise

    async def _put_back(self, planned: Plan, before: Servers, entries: Mapping[str, str]) -> None:
        """Leads back to the state before a change that was refused in its middle, as far as HAProxy lets us."""
        own = {backend: before[backend] for backend in planned.weights}
        after, present = await self._look()
        undone = way_back(own, after)
        undone += [
            f"set map {self._files.map} {key} {entries[key]}"
            for key in (*planned.entries, planned.release)
            if key in entries and present.get(key) != entries[key]
        ]
        for command in undone:
            with contextlib.suppress(ProxyRefused):  # the refusal that led here is told
                await self._runtime.tell([command])

    def _measure(self, record: WeightsRecord, servers: Servers) -> None:
        standing = self._standings[record.release]
        if record.sticky is not None and (standing.in_force, standing.fallback) != Edition.of(record):
            return  # buckets of visitors are as wide as the weights; those in force are not known here
        standing.shares = shares_at(record, servers.get(record.release, {}), "")
        standing.segment_shares = {
            place.name: shares_at(record, each, place.name)
            for backend, each in servers.items()
            if (place := place_of(backend)).release == record.release and place.kind == "segment"
        }

    async def _save(self) -> None:
        """Writes what HAProxy has now to the files from which it starts the next time."""
        # Its last line has to end, or HAProxy takes the file for corrupt.
        _replace(self._files.servers, (await self._runtime.ask(_SHOW_SERVERS)).rstrip("\n") + "\n")
        entries = map_entries(await self._runtime.ask(f"show map {self._files.map}"))
        _replace(self._files.map, "".join(f"{key} {value}\n" for key, value in entries.items()))

    def _refuse(self, release: str, words: str) -> None:
        standing = self._standings[release]
        if standing.refused != words:
            _log.warning("weights_refused", release=release, revision=revision_text(standing.offered), words=words)
        standing.refuse(words, self._clock())

    def _note_away(self, words: str) -> None:
        for standing in self._standings.values():
            standing.in_force, standing.fallback, standing.refused = NO_REVISION, "", words
            standing.shares, standing.segment_shares = {}, {}
        if self._answers is not False:
            _log.warning("haproxy_away", words=words)
        self._answers = False

    def _note_answer(self) -> None:
        if self._answers is not True:
            _log.info("haproxy_answers")
        self._answers = True


def _replace(path: Path, text: str) -> None:
    """Replaces a file, so that whoever reads it finds it whole."""
    draft = path.with_name(f"{path.name}.tmp")
    draft.write_text(text)
    draft.replace(path)
