"""Following the weights of releases: always the newest, never back, with or without Redis.

Where nobody has stood behind weights for longer than their release file allows, and it says so, all weight is on the
baseline in what is given here, until somebody does again (`ages.py`).
"""

import asyncio
import contextlib
import logging
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from trimtab.client.ages import Ages
from trimtab.client.board import Board
from trimtab.client.cache import Cache
from trimtab.client.changes import Changes
from trimtab.client.subscription import Subscription
from trimtab.client.weights_stats import WeightsStats
from trimtab.schemas.decision import WeightsRecord, decode_weights
from trimtab.schemas.errors import InvalidRecord, NewerVersion, Unreachable
from trimtab.schemas.fallback import falls_back, on_baseline
from trimtab.schemas.ids import RELEASE_NAME, is_release_name
from trimtab.schemas.redis_client import REDIS_FAILURES, words_for
from trimtab.schemas.redis_connection import RedisConnection

_LOG: Final = logging.getLogger("trimtab.client")

_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 1.0
_LOOK_S: Final = 0.2
"""How soon it shows that weights are past their age."""


class Weights:
    """Follows the weights of `releases` in Redis, in threads of its own, and reconnects for as long as it is open.

    `redis` is a URL, or a `RedisConnection` for what a URL cannot say. With `cache`, a folder, each record is kept in a
    file; those are there at once at the next start. `on_change` is called from these threads, one call at a time, with
    each newer record, cached ones included; and with the same one where it makes way for the baseline (`fallback`), or
    is in force again. In the child of a fork nothing follows.

    `get`, `age_s` and `is_stale` never wait, so coroutines call them as they are; they have `wait_async`, `changes` and
    `async with` beside, and any number of event loops may use one object.
    """

    def __init__(
        self,
        redis: str | RedisConnection,
        releases: Sequence[str],
        *,
        cache: Path | None = None,
        on_change: Callable[[WeightsRecord], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock`: what ages are told by; seconds that never go back."""
        _check_names(releases)
        self._redis, self._releases = RedisConnection.of(redis), tuple(dict.fromkeys(releases))
        self._cache = Cache(cache) if cache is not None else None
        self._on_change = on_change
        self._readers: tuple[Changes, ...] = ()
        self._board, self._ages = Board(self._releases), Ages(clock)
        self._in_force: dict[str, WeightsRecord] = {}
        self._stats = WeightsStats()
        self._changed = threading.Condition()
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._stopping = threading.Event()
        self._is_connected = False
        self._told_newer: set[tuple[str, int]] = set()
        self._cached = self._load()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("trimtab weights", self._run), ("trimtab weights age", self._watch_ages))
        ]
        for thread in self._threads:
            thread.start()

    @property
    def connected(self) -> bool:
        """Whether the subscription stands, and the keys were read since."""
        return self._is_connected

    @property
    def stats(self) -> WeightsStats:
        """What was offered so far."""
        return self._stats

    def get(self, release: str) -> WeightsRecord | None:
        """Gives the weights of `release` to route by, or None before the first.

        They are the newest; or, where those are past their age and the release file says so, all is on the baseline.
        """
        return self._in_force.get(release)

    def age_s(self, release: str) -> float | None:
        """Gives the time since it was known last that the weights of `release` are the newest; None before any."""
        return self._ages.age_s(release)

    def is_stale(self, release: str) -> bool:
        """Whether the weights of `release` are past the age that the release file says."""
        return self._ages.is_stale(release)

    def wait(self, release: str, timeout_s: float) -> WeightsRecord:
        """Gives the newest weights of `release` as soon as there are any; raises `Unreachable` after `timeout_s`."""
        self._check_followed(release)
        with self._changed:
            self._changed.wait_for(lambda: self.get(release), timeout_s)
        return self._got(release, timeout_s)

    async def wait_async(self, release: str, timeout_s: float) -> WeightsRecord:
        """Does what `wait` does, for a coroutine: nothing else waits with it."""
        self._check_followed(release)
        with self._reader() as reader, contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                async for record in reader:
                    if record.release == release:
                        return record
        return self._got(release, timeout_s)

    async def changes(self) -> AsyncIterator[WeightsRecord]:
        """Gives the weights that are in force, and from then on each that comes into force, as `on_change` is told.

        Where its reader is slow, of each release the newest alone. Ends when this object is closed.
        """
        with self._reader() as reader:
            async for record in reader:
                yield record

    def close(self) -> None:
        """Ends the subscription; what was last known can still be read."""
        self._stopping.set()
        if threading.current_thread() not in self._threads:
            for thread in self._threads:
                thread.join()
        for reader in self._readers:
            reader.offer(None)

    async def close_async(self) -> None:
        """Does what `close` does, off the event loop."""
        await asyncio.to_thread(self.close)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Changes]:
        """Gives what is told of all that comes into force, what is in force already included."""
        reader = Changes()
        with self._changed:
            self._readers = (*self._readers, reader)
        for record in list(self._in_force.values()):
            reader.put(record)
        if self._stopping.is_set():
            reader.put(None)
        try:
            yield reader
        finally:
            with self._changed:
                self._readers = tuple(one for one in self._readers if one is not reader)

    def _check_followed(self, release: str) -> None:
        if release not in self._releases:
            raise ValueError(f"release {release!r}: expected one of {', '.join(self._releases)}")

    def _got(self, release: str, timeout_s: float) -> WeightsRecord:
        record = self.get(release)
        if record is None:
            state = self._state(release)
            raise Unreachable(f"release {release}: no weights from {self._redis.address} in {timeout_s} s ({state})")
        return record

    def _state(self, release: str) -> str:
        if any(name == release for name, _ in self._told_newer):
            return "those published are of a newer version: upgrade"
        return "connected, but none published" if self._is_connected else "not connected"

    def _load(self) -> list[WeightsRecord]:
        records, invalid = self._cache.load(self._releases) if self._cache else ([], 0)
        self._count(invalid=invalid)
        return [record for record in records if self._post(record)]

    def _run(self) -> None:
        for record in self._cached:
            with self._turn:
                self._tell(record)
        failures = 0
        while not self._stopping.is_set():
            connects = self._stats.connects
            self._follow_once()
            failures = 0 if self._stats.connects > connects else failures + 1
            self._stopping.wait(_backoff_s(failures))

    def _follow_once(self) -> None:
        subscription = None
        try:
            subscription = Subscription(self._redis, self._releases)
            for release, payload in subscription.open():
                if payload is not None:
                    self._take(release, payload, is_announced=False)
            self._is_connected = True
            self._count(connects=1)
            subscription.follow(self._take, self._stopping.is_set)
        except REDIS_FAILURES as error:
            if self._is_connected:
                _LOG.warning("weights_disconnected address=%s error=%r", self._redis.address, words_for(error))
        finally:
            self._is_connected = False
            if subscription is not None:
                subscription.close()

    def _take(self, release: str, payload: bytes, *, is_announced: bool = True) -> None:
        try:
            record = decode_weights(payload)
        except NewerVersion as error:
            self._keep_last(release, error)
            return
        except InvalidRecord:
            self._count(invalid=1)
            return
        if record.release != release:
            self._count(invalid=1)
        elif self._accept(record):
            self._store(record)
        elif is_announced and self._vouch(record):
            self._count(vouched=1)
        else:
            self._count(stale=1)

    def _keep_last(self, release: str, error: NewerVersion) -> None:
        if (release, error.version) not in self._told_newer:
            self._told_newer.add((release, error.version))
            _LOG.warning("weights_newer_version release=%s version=%d known=%d", release, error.version, error.known)
        self._count(newer=1)

    def _accept(self, record: WeightsRecord) -> bool:
        with self._turn:
            was_stale = self._ages.is_stale(record.release)
            if not self._post(record):
                return False
            if was_stale:
                _LOG.info("weights_fresh release=%s", record.release)
            self._tell(record)
        return True

    def _post(self, record: WeightsRecord) -> bool:
        with self._changed:
            is_newer = self._board.offer(record)
            if is_newer:
                self._ages.vouch(record.release)
                self._in_force[record.release] = record
            self._changed.notify_all()
        self._count(accepted=is_newer)
        return is_newer

    def _vouch(self, record: WeightsRecord) -> bool:
        """Takes note that a record is the newest, where it is the one held; gives whether it is."""
        with self._turn:
            held = self._board.get(record.release)
            if held is None or held.id != record.id:
                return False
            if self._ages.vouch(record.release):
                _LOG.info("weights_fresh release=%s", record.release)
                self._put_in_force(held)
        return True

    def _watch_ages(self) -> None:
        """Has a thread of its own: the other one may hang for long just where nobody vouches for anything."""
        while not self._stopping.wait(_LOOK_S):
            for release in self._releases:
                with self._turn:
                    held = self._board.get(release)
                    if held is not None and self._ages.turns_stale(held):
                        self._take_for_stale(held)

    def _take_for_stale(self, held: WeightsRecord) -> None:
        then = "baseline" if falls_back(held) else "keep"
        _LOG.warning("weights_stale release=%s after_s=%g then=%s", held.release, held.stale_after_ms / 1_000, then)
        self._put_in_force(on_baseline(held) if then == "baseline" else held)

    def _put_in_force(self, record: WeightsRecord) -> None:
        """Has the held weights or their fallback in force from now on, and tells of it where it is a change."""
        if record.replaces(self._in_force.get(record.release)):
            self._in_force[record.release] = record
            self._tell(record)

    def _tell(self, record: WeightsRecord) -> None:
        for reader in self._readers:
            reader.offer(record)
        if self._on_change is None:
            return
        try:
            self._on_change(record)
        except Exception:  # noqa: BLE001 - the loop outlives a fault of its caller's
            _LOG.exception("weights_callback_failed release=%s", record.release)
            self._count(callback_failures=1)

    def _store(self, record: WeightsRecord) -> None:
        if self._cache is None:
            return
        try:
            self._cache.store(record)
        except OSError as error:
            if not self._stats.cache_failures:
                _LOG.warning("weights_cache_failed release=%s error=%r", record.release, str(error))
            self._count(cache_failures=1)

    def _count(self, **changes: int) -> None:
        """Adds to the counters."""
        with self._counting:
            self._stats = replace(self._stats, **{name: getattr(self._stats, name) + n for name, n in changes.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()


def _check_names(releases: Sequence[str]) -> None:
    if isinstance(releases, str) or not releases:
        raise ValueError(f"releases {releases!r}: expected a list of one or more names")
    for release in releases:
        if not is_release_name(release):
            raise ValueError(f"release {release!r}: expected {RELEASE_NAME}")


def _backoff_s(failures: int) -> float:
    longest_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * (1 << min(failures, 10)))
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, no secret
