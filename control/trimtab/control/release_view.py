"""What Redis knows of releases: newest decision, spec, and the sidecars that follow it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from trimtab.schemas import sidecar
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.errors import InvalidRecord, NewerVersion, Unreachable
from trimtab.schemas.redis_client import REDIS_FAILURES, open_redis
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.redis_keys import RELEASES, sidecar_key, sidecar_pattern, weights_channel, weights_key, worker_key
from trimtab.schemas.sidecar import SidecarReport
from trimtab.streams.redis_reach import redis_failure

_TIMEOUT_S: Final = 2.0
_ALL_SIDECARS: Final = sidecar_pattern("*")


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release as it stands."""

    decision: Decision
    document: bytes
    """the release file as JSON"""
    sidecars: list[SidecarReport]
    unread: list[str]
    """sidecars whose reports cannot be read, and why"""

    @property
    def labels(self) -> dict[str, str]:
        """Those of the release file."""
        return {str(name): str(value) for name, value in self._release()["metadata"].get("labels", {}).items()}

    def _release(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.document)
        return found

    def plain(self) -> dict[str, Any]:
        """Gives it as plain data, for JSON and YAML."""
        release = self._release()
        known = {"decision": self.decision, "sidecars": self.sidecars, "unread": self.unread}
        return {**release, "status": msgspec.to_builtins(known)}


class Releases:
    """Reads releases from Redis. Everything, also making one, raises `Unreachable` when Redis does not answer."""

    def __init__(self, redis: str | RedisConnection) -> None:
        self._connection = RedisConnection.of(redis)
        try:
            self._redis = open_redis(self._connection, _TIMEOUT_S, decode_responses=True)
        except REDIS_FAILURES as error:
            raise self._unreachable(error) from error

    def names(self) -> list[str]:
        """Gives the names of all releases, in order."""
        try:
            return sorted(map(str, self._redis.smembers(RELEASES)))
        except REDIS_FAILURES as error:
            raise self._unreachable(error) from error

    def document(self, name: str) -> bytes | None:
        """Gives the spec that the newest decision was made under; None where there is none."""
        try:
            document = self._redis.hget(weights_key(name), "spec")
        except REDIS_FAILURES as error:
            raise self._unreachable(error) from error
        return None if document is None else str(document).encode()

    def decisions(self, names: Iterable[str]) -> dict[str, Decision]:
        """Gives release -> newest decision, of those that have one that can be read."""
        found: dict[str, Decision] = {}
        for name in names:
            try:
                view = self.get(name, {})
            except InvalidRecord:
                continue
            found |= {name: view.decision} if view else {}
        return found

    def sidecars(self) -> dict[str, dict[str, str]]:
        """Gives release -> key -> report, of all releases, with one look through the keys."""
        found: dict[str, dict[str, str]] = {}
        try:
            for key in sorted(map(str, self._redis.scan_iter(_ALL_SIDECARS, count=1000))):
                if report := self._report(key):
                    found.setdefault(key[key.index("{") + 1 : key.index("}")], {})[key] = report
        except REDIS_FAILURES as error:
            raise self._unreachable(error) from error
        return found

    def strays(self) -> list[str]:
        """Gives a line for each sidecar that follows a release which is none."""
        known = set(self.names())
        return [
            f"sidecar {key.removeprefix(sidecar_key(release, ''))}: follows {release!r}, and there is no such release"
            for release, reports in self.sidecars().items() if release not in known for key in reports
        ]  # fmt: skip

    def has_worker(self) -> bool:
        """Whether any worker has reported within the ten seconds that a report is kept."""
        try:
            return next(iter(self._redis.scan_iter(worker_key("*"), count=1000)), None) is not None
        except REDIS_FAILURES as error:
            raise self._unreachable(error) from error

    def get(self, name: str, known: Mapping[str, str] | None = None) -> ReleaseView | None:
        """Gives a release; None where there is none. Raises `InvalidRecord` for a decision that cannot be read.

        `known`: its sidecars' reports, where they are at hand (`sidecars`).
        """
        try:
            decision, document = self._redis.hmget(weights_key(name), ["decision", "spec"])
            keys = sorted(self._redis.scan_iter(sidecar_pattern(name), count=1000)) if known is None else ()
            reports = {str(key): self._report(str(key)) for key in keys} if known is None else known
        except REDIS_FAILURES as error:
            if _is_of_another_type(error):
                raise InvalidRecord(f"{weights_key(name)} in Redis: expected a hash, got another type") from error
            raise self._unreachable(error) from error
        if decision is None or document is None:
            return None
        return ReleaseView(decode_decision(decision), str(document).encode(), *_read_reports(name, reports))

    def watch(self, name: str, pause_s: float) -> Iterator[ReleaseView | None]:
        """Gives a release now, and again whenever it may have changed, at least every `pause_s`."""
        with self._redis.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]  # redis-py
            try:
                channel.subscribe(weights_channel(name))
                while True:
                    yield self.get(name)
                    channel.get_message(timeout=pause_s)
            except RedisTimeout:
                pass
            except REDIS_FAILURES as error:
                raise self._unreachable(error) from error

    def _report(self, key: str) -> str | None:
        """Gives what stands under the key of a report; None where it has just expired."""
        try:
            report = self._redis.get(key)
        except ResponseError as error:
            if not _is_of_another_type(error):
                raise
            return "a key of another type"  # which is no report, as is told of it
        return None if report is None else str(report)

    def _unreachable(self, error: Exception) -> Unreachable:
        return redis_failure(self._connection, error)


def _is_of_another_type(error: Exception) -> bool:
    """Whether somebody has put something else under a key: of one release or sidecar, which hides no other."""
    return isinstance(error, ResponseError) and str(error).startswith("WRONGTYPE")


def _read_reports(release: str, reports: Mapping[str, str | bytes | None]) -> tuple[list[SidecarReport], list[str]]:
    """Gives the reports that can be read, and a line for each other one."""
    read: list[SidecarReport] = []
    unread: list[str] = []
    for key, report in reports.items():
        try:
            read += [sidecar.decode(report)] if report else []
        except InvalidRecord as error:
            unread.append(f"{key.removeprefix(sidecar_key(release, ''))}: {told(error)}")
    return read, unread


def told(error: InvalidRecord) -> str:
    """Gives why a record cannot be read, and what would help."""
    return f"{error}; upgrade trimtab here" if isinstance(error, NewerVersion) else str(error)
