"""Releases as they stand: Redis, read at most a few times a second, with what the decisions topic knows better."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from trimtab.control.api.ring import Rings
from trimtab.control.api.threads import Threads
from trimtab.control.release_view import Releases, ReleaseView
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.redis_connection import RedisConnection

_FRESH_S: Final = 0.25
"""How old what was read may be; sidecars report once a second."""
_MOST: Final = 1_000
"""Releases that are remembered one by one."""

T = TypeVar("T")


class _Fresh(Generic[T]):
    """A value that is read again when it is old, once for all who ask at that moment."""

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._read_at_s = float("-inf")
        self._reading: asyncio.Task[T] | None = None
        self._value: T

    async def get(self) -> T:
        if time.monotonic() - self._read_at_s <= _FRESH_S:
            return self._value
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self._refresh())
        return await asyncio.shield(self._reading)

    async def _refresh(self) -> T:
        began_s = time.monotonic()
        self._value = await self._read()
        self._read_at_s = began_s
        return self._value


@dataclass(frozen=True, slots=True)
class Everything:
    """All releases that can be read, by name, and a line for each other one."""

    views: dict[str, ReleaseView]
    unread: list[str]


class Newest:
    """Reads releases. Everything raises `Unreachable` where Redis does not answer."""

    def __init__(self, redis: RedisConnection, rings: Rings, threads: Threads) -> None:
        self._redis, self._rings, self._threads = redis, rings, threads
        self._releases: Releases | None = None
        self._all = _Fresh(self._read_all)
        self._each: dict[str, _Fresh[ReleaseView | None]] = {}

    async def get(self, name: str) -> ReleaseView | None:
        """Gives a release; None where there is none. Raises `InvalidRecord` for one that cannot be read."""
        if name not in self._each:
            if len(self._each) >= _MOST:
                self._each.clear()
            self._each[name] = _Fresh(lambda: self._threads.run(self._read, name))
        view = await self._each[name].get()
        return view and self._current(view)

    async def all(self) -> Everything:
        """Gives all releases."""
        found = await self._all.get()
        return Everything({name: self._current(view) for name, view in found.views.items()}, found.unread)

    def forget(self, name: str) -> None:
        """Has a release read anew, for it was just changed."""
        self._each.pop(name, None)

    def _current(self, view: ReleaseView) -> ReleaseView:
        """Gives a view with the newest decision that is known, for Redis follows the topic."""
        newer = self._rings.newest(view.decision.release)
        return replace(view, decision=newer) if newer is not None and newer.id > view.decision.id else view

    def _open(self) -> Releases:
        if self._releases is None:
            self._releases = Releases(self._redis)
        return self._releases

    def _read(self, name: str) -> ReleaseView | None:
        return self._open().get(name)

    async def _read_all(self) -> Everything:
        return await self._threads.run(self._read_everything)

    def _read_everything(self) -> Everything:
        releases = self._open()
        reports = releases.sidecars()
        views: dict[str, ReleaseView] = {}
        unread: list[str] = []
        for name in releases.names():
            try:
                view = releases.get(name, reports.get(name, {}))
            except InvalidRecord as error:
                unread.append(f"release {name}: {error}")
            else:
                views |= {name: view} if view else {}
        return Everything(views, unread)
