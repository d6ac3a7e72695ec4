"""Who is told of what: one wake-up for each viewer of a release, and one for each of all releases.

A viewer has no queue of its own. It knows the last revision that it was sent, and asks the ring what came after: what a
slow one costs is its place in a set.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from trimtab.control.api.ring import Rings
from trimtab.schemas.decision import Decision
from trimtab.schemas.errors import TrimtabError

MAX_VIEWERS: Final = 1_000
ALL: Final = ""
"""In place of a release: all of them."""


class TooManyViewers(TrimtabError):
    """No further stream can be opened now."""


class Viewer:
    """One open stream."""

    def __init__(self) -> None:
        self.changed: set[str] = set()
        """releases with news since it last looked"""
        self.is_over = False
        """whether it is to end"""
        self._news = asyncio.Event()

    def wake(self, release: str) -> None:
        """Tells of news."""
        self.changed.add(release)
        self._news.set()

    def end(self) -> None:
        """Has it end."""
        self.is_over = True
        self._news.set()

    async def wait(self, timeout_s: float) -> set[str]:
        """Gives the releases with news, as soon as there are any; none after `timeout_s`."""
        if not self._news.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._news.wait()
            except TimeoutError:
                return set()
        self._news.clear()
        changed, self.changed = self.changed, set()
        return changed


class Hub:
    """All viewers."""

    def __init__(self, rings: Rings) -> None:
        self.rings = rings
        self._viewers: defaultdict[str, set[Viewer]] = defaultdict(set)
        self.count = 0
        """of open streams"""

    def publish(self, decisions: Iterable[tuple[Decision, bytes]]) -> None:
        """Takes decisions with their JSON, in the order of the topic, and wakes who looks at their releases."""
        for release in {made.release for made, payload in decisions if self.rings.add(made, payload)}:
            self.wake(release)

    def wake(self, release: str, *, lists: bool = True) -> None:
        """Wakes who looks at a release, and with `lists` who looks at all."""
        for viewer in (*self._viewers.get(release, ()), *(self._viewers.get(ALL, ()) if lists else ())):
            viewer.wake(release)

    def watched(self) -> set[str]:
        """Gives the releases that somebody looks at; `ALL` among them where somebody looks at all."""
        return set(self._viewers)

    @contextmanager
    def watch(self, release: str) -> Iterator[Viewer]:
        """Gives a viewer for as long as the block runs. Raises `TooManyViewers`."""
        if self.count >= MAX_VIEWERS:
            raise TooManyViewers(f"{MAX_VIEWERS} streams are open, expected fewer")
        viewer = Viewer()
        self._viewers[release].add(viewer)
        self.count += 1
        try:
            yield viewer
        finally:
            self.count -= 1
            self._viewers[release].discard(viewer)
            if not self._viewers[release]:
                del self._viewers[release]

    def close(self) -> None:
        """Ends all streams: the server goes, and those who looked come back to the next one."""
        for viewer in [one for viewers in self._viewers.values() for one in viewers]:
            viewer.end()
