"""What viewers are sent: every decision of a release, in order and without a gap, or the newest of all releases."""

from collections.abc import AsyncGenerator, Sequence
from typing import Any, Final

import msgspec

from trimtab.control.api.hub import Hub, Viewer
from trimtab.control.api.newest import Newest
from trimtab.control.api.ring import Frame
from trimtab.control.api.stream import HEARTBEAT, HEARTBEAT_S, RETRY
from trimtab.control.api.summary import stuck, summary
from trimtab.control.api.threads import Threads
from trimtab.control.history import Found, History
from trimtab.control.kafka_log import KafkaLog
from trimtab.schemas.decision import encode
from trimtab.schemas.ids import Revision
from trimtab.schemas.sidecar import SidecarReport

_PAGE: Final = 200
"""Decisions that are read from Kafka at a time, for whoever was away longer than the rings go back."""
_MOST_CHUNK: Final = 64 * 1024
SIDECARS: Final = "sidecars"


class Watching:
    """Makes the events of streams."""

    def __init__(self, hub: Hub, newest: Newest, threads: Threads) -> None:
        self._hub, self._newest, self._threads = hub, newest, threads
        self._sidecars: dict[str, tuple[Sequence[SidecarReport], bytes]] = {}

    async def release(self, viewer: Viewer, name: str, last: Revision | None) -> AsyncGenerator[bytes]:
        """Gives the events of one release: after `last`, or from the newest on."""
        yield RETRY
        if last is None:
            last, event = await self._first(name)
            yield event
        told, is_news = b"", True
        while not viewer.is_over:
            async for frame in self._after(name, last) if is_news else _nothing():
                yield frame.event
                last = frame.id
            sidecars = self._sidecars.get(name, ((), b""))[1]
            if sidecars != told:
                yield (told := sidecars)
            is_news = bool(await viewer.wait(HEARTBEAT_S))
            if not is_news:
                yield HEARTBEAT

    async def all(self, viewer: Viewer) -> AsyncGenerator[bytes]:
        """Gives the summary of every release, and again of each that changes; a slow viewer gets the newest alone."""
        yield RETRY
        views = (await self._newest.all()).views
        for chunk in _joined([_event("release", summary(view)) for view in views.values()]):
            yield chunk
        while not viewer.is_over:
            changed = await viewer.wait(HEARTBEAT_S)
            if not changed:
                yield HEARTBEAT
                continue
            views = (await self._newest.all()).views
            told = [_event("release", summary(views[name])) for name in sorted(changed) if name in views]
            for chunk in _joined(told):
                yield chunk

    async def refresh_sidecars(self) -> None:
        """Reads the sidecars of releases that somebody looks at, and tells of those that changed."""
        watched = self._hub.watched()
        self._sidecars = {name: known for name, known in self._sidecars.items() if name in watched}
        if not watched:
            return
        for name, view in (await self._newest.all()).views.items():
            known = self._sidecars.get(name, ([], b""))[0]
            if name in watched and known != view.sidecars:
                self._sidecars[name] = (view.sidecars, _event(SIDECARS, {"items": msgspec.to_builtins(view.sidecars)}))
                self._hub.wake(name, lists=_counts(known) != _counts(view.sidecars))

    async def _first(self, name: str) -> tuple[Revision, bytes]:
        view = await self._newest.get(name)
        if view is None:  # it went while we were asked
            return (0, 0), b""
        frame = Frame.of(view.decision, encode(view.decision))
        return frame.id, frame.event

    async def _after(self, name: str, last: Revision) -> AsyncGenerator[Frame]:
        """Gives what came after a revision: from the ring, and from Kafka as long as that does not reach back."""
        while (frames := self._hub.rings.since(name, last)) is None:
            page = await self._threads.read_kafka(_read_after(name, last))
            for found in page:
                yield (frame := Frame.of(*found))
                last = frame.id
            if len(page) < _PAGE:  # all that is left; what the ring has beyond is all that there is
                frames = self._hub.rings.newer(name, last)
                break
        for frame in frames:
            yield frame


async def _nothing() -> AsyncGenerator[Frame]:
    none: tuple[Frame, ...] = ()
    for frame in none:
        yield frame


def _counts(sidecars: Sequence[SidecarReport]) -> tuple[int, int]:
    return len(sidecars), stuck(sidecars)


def _read_after(name: str, last: Revision) -> Any:
    def read(log: KafkaLog) -> list[Found]:
        return History(log, name).after(last, _PAGE)

    return read


def _event(name: str, data: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode(data))


def _joined(events: Sequence[bytes]) -> list[bytes]:
    """Gives the events in chunks, for each costs a write."""
    chunks: list[bytes] = []
    for event in events:
        if chunks and len(chunks[-1]) + len(event) <= _MOST_CHUNK:
            chunks[-1] += event
        else:
            chunks.append(event)
    return chunks
