"""Following the weights of releases: always the newest, never back, with or without Redis."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from trimtab.client.board import Board
from trimtab.client.cache import Cache
from trimtab.client.subscription import Subscription
from trimtab.schemas.decision import WeightsRecord, decode_weights
from trimtab.schemas.errors import InvalidRecord, NewerVersion, Unreachable
from trimtab.schemas.ids import is_name
from trimtab.schemas.redis_client import REDIS_FAILURES, words_for
from trimtab.schemas.redis_connection import RedisConnection

_LOG: Final = logging.getLogger("trimtab.client")

_FIRST_WAIT_S: Final = 0.05
_LONGEST_WAIT_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class WeightsStats:
    """What was offered by Redis and by the cache so far."""

    accepted: int = 0
    stale: int = 0
    """not newer than what was held; every reconnect brings some"""
    invalid: int = 0
    """records and cache files that could not be read, or belong to another release"""
    newer: int = 0
    """records of a newer version than this client reads: it stays with the last weights until it is upgraded"""
    connects: int = 0
    cache_failures: int = 0
    """records that could not be written to the cache"""
    callback_failures: int = 0


class Weights:
    """Follows the weights of `releases` in Redis, in a thread of its own, and reconnects for as long as it is open.

    `redis` is a URL, or a `RedisConnection` for what a URL cannot say. With `cache`, a folder, each record is kept in a
    file; those are there at once at the next start. `on_change` is called from the thread with each newer record,
    cached ones included. In the child of a fork nothing follows.
    """

    def __init__(
        self,
        redis: str | RedisConnection,
        releases: Sequence[str],
        *,
        cache: Path | None = None,
        on_change: Callable[[WeightsRecord], None] | None = None,
    ) -> None:
        _check_names(releases)
        self._redis, self._releases = RedisConnection.of(redis), tuple(dict.fromkeys(releases))
        self._cache = Cache(cache) if cache is not None else None
        self._on_change = on_change
        self._board = Board(self._releases)
        self._stats = WeightsStats()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._is_connected = False
        self._told_newer: set[tuple[str, int]] = set()
        self._cached = self._load()
        self._thread = threading.Thread(target=self._run, name="trimtab weights", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """Whether the subscription stands, and the keys were read since."""
        return self._is_connected

    @property
    def stats(self) -> WeightsStats:
        """What was offered so far."""
        return self._stats

    def get(self, release: str) -> WeightsRecord | None:
        """Gives the newest weights of `release`, or None before the first."""
        return self._board.get(release)

    def wait(self, release: str, timeout_s: float) -> WeightsRecord:
        """Gives the newest weights of `release` as soon as there are any; raises `Unreachable` after `timeout_s`."""
        if release not in self._releases:
            raise ValueError(f"release {release!r}: expected one of {', '.join(self._releases)}")
        with self._changed:
            self._changed.wait_for(lambda: self._board.get(release), timeout_s)
        record = self._board.get(release)
        if record is None:
            state = self._state(release)
            raise Unreachable(f"release {release}: no weights from {self._redis.address} in {timeout_s} s ({state})")
        return record

    def close(self) -> None:
        """Ends the subscription; what was last known can still be read."""
        self._stopping.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

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
                    self._take(release, payload)
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

    def _take(self, release: str, payload: bytes) -> None:
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
        elif self._post(record):
            self._tell(record)
            self._store(record)
        else:
            self._count(stale=1)

    def _keep_last(self, release: str, error: NewerVersion) -> None:
        if (release, error.version) not in self._told_newer:
            self._told_newer.add((release, error.version))
            _LOG.warning("weights_newer_version release=%s version=%d known=%d", release, error.version, error.known)
        self._count(newer=1)

    def _post(self, record: WeightsRecord) -> bool:
        with self._changed:
            is_newer = self._board.offer(record)
            self._changed.notify_all()
        self._count(accepted=is_newer)
        return is_newer

    def _tell(self, record: WeightsRecord) -> None:
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
        """Adds to the counters. Called by the constructor, and then by the thread alone."""
        self._stats = replace(self._stats, **{name: getattr(self._stats, name) + n for name, n in changes.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check_names(releases: Sequence[str]) -> None:
    if isinstance(releases, str) or not releases:
        raise ValueError(f"releases {releases!r}: expected a list of one or more names")
    for release in releases:
        if not is_name(release):
            raise ValueError(f"release {release!r}: expected lower-case letters, digits and -, at most 63")


def _backoff_s(failures: int) -> float:
    longest_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * (1 << min(failures, 10)))
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects, no secret
