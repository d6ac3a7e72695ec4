"""Whether an installation is well: servers, topics, clocks, workers, releases and sidecars, one after the other."""

import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Final

from trimtab.control.finding import Finding, failed, ok, warn
from trimtab.control.release_view import Releases, ReleaseView, told
from trimtab.schemas import worker
from trimtab.schemas.errors import InvalidRecord, Unreachable
from trimtab.schemas.redis_client import REDIS_FAILURES, open_redis
from trimtab.schemas.redis_keys import worker_key
from trimtab.streams.layout import topic_states
from trimtab.streams.redis_reach import redis_failure
from trimtab.streams.settings import Settings

_STUCK_MS: Final = 10_000
"""How old a decision may be that a proxy does not have yet."""
_SILENT_MS: Final = 5_000
"""How old a worker's newest report may be."""
SKEW_MS: Final = 500
"""How far clocks may be apart before it matters: the fold corrects publishers from a second on."""

Append = Callable[[], tuple[float, float, float]]
"""Publishes something, and gives when it was sent, when the broker says that it had it, and when that was known: ms."""


def here() -> Iterator[Finding]:
    """Gives what runs here."""
    yield ok("version", f"trimtab {version('trimtab')}, Python {platform.python_version()}")


def kafka(settings: Settings, timeout_s: float, append: Append) -> Iterator[Finding]:
    """Looks at Kafka. Raises `Unreachable` where it does not answer."""
    began_s = time.perf_counter()
    states = topic_states(settings.kafka, timeout_s)
    yield ok("kafka", f"{settings.kafka.bootstrap} answers in {(time.perf_counter() - began_s) * 1000:.0f} ms")
    missing = [state.name for state in states if state.partitions is None]
    problems = [problem for state in states for problem in state.problems]
    if missing:
        yield failed("topics", f"missing: {', '.join(missing)}", "trimtab topics create, or start a worker")
    for problem in problems:
        said, _, advice = problem.partition("; ")
        yield failed("topics", said, advice)
    if not missing and not problems:
        yield ok("topics", f"all {len(states)} are as the settings say")
        sent_ms, appended_ms, known_ms = append()
        yield _skew("clock of Kafka", appended_ms, sent_ms, known_ms)


def redis(settings: Settings, timeout_s: float) -> Iterator[Finding]:
    """Looks at Redis. Raises `Unreachable` where it does not answer."""
    connection = settings.redis
    try:
        client = open_redis(connection, timeout_s, decode_responses=True)
        client.ping()  # what follows is not to pay for the connection
        began_ms = _now_ms()
        seconds, micros = client.time()
        ended_ms = _now_ms()
        yield ok("redis", f"{connection.address} answers in {ended_ms - began_ms:.1f} ms")
        yield _skew("clock of Redis", seconds * 1000 + micros / 1000, began_ms, ended_ms)
        yield from _memory(client)
        yield from _workers(client)
    except REDIS_FAILURES as error:
        raise redis_failure(connection, error) from error


def _skew(subject: str, theirs_ms: float, before_ms: float, after_ms: float) -> Finding:
    """Compares a clock with ours: between the two instants theirs is ours where both are right."""
    off_ms = max(theirs_ms - after_ms, before_ms - theirs_ms, 0.0)
    ahead = "ahead of" if theirs_ms > after_ms else "behind"
    if off_ms <= SKEW_MS:
        return ok(subject, f"within {max(off_ms, 1):.0f} ms of the one here")
    return warn(
        subject, f"{off_ms / 1000:.1f} s {ahead} the one here", "keep clocks by NTP: reaction times rest on them"
    )  # fmt: skip


def _memory(client: Any) -> Iterator[Finding]:
    try:
        policy = client.config_get("maxmemory-policy").get("maxmemory-policy", "noeviction")
    except REDIS_FAILURES:  # where an ACL keeps it from us
        return
    if policy != "noeviction":
        yield warn("redis memory", f"maxmemory-policy is {policy}", "set it to noeviction: weights may vanish")


def _workers(client: Any) -> Iterator[Finding]:
    alive = 0
    for key in sorted(client.scan_iter(worker_key("*"), count=1000)):
        payload = client.get(key)
        if payload is None:  # it has expired in between
            continue
        name = str(key).removeprefix(worker_key(""))
        try:
            report = worker.decode(payload)
        except InvalidRecord as error:
            yield warn(f"worker {name}", told(error), "upgrade what is older")
            continue
        alive += 1
        yield _worker(name, report)
    if not alive:
        yield failed("workers", "none reports", "start one: trimtab worker")


def _worker(name: str, report: worker.WorkerReport) -> Finding:
    subject, silent_ms = f"worker {name}", _now_ms() - report.time_ms
    if silent_ms > _SILENT_MS:
        return warn(subject, f"silent for {silent_ms / 1000:.0f} s", "see its log, and /livez of its --health address")
    if report.refused:
        codes = ", ".join(f"{code} {events}" for code, events in report.refused.items())
        return warn(subject, f"refused events: {codes}", "docs/operations.md says what each code means")
    return ok(subject, f"{report.events} events, {report.decisions} decisions")


def releases(settings: Settings) -> Iterator[Finding]:
    """Looks at releases and their sidecars. Raises `Unreachable` where Redis does not answer."""
    known = Releases(settings.redis)
    names = known.names()
    if not names:
        yield ok("releases", "none is applied")
    for name in names:
        try:
            view = known.get(name)
        except InvalidRecord as error:
            yield failed(f"release {name}", told(error), "upgrade what is older")
        else:
            yield from _release(name, view) if view else ()


def _release(name: str, view: ReleaseView) -> Iterator[Finding]:
    decision = view.decision
    yield ok(f"release {name}", f"{decision.phase}, revision {decision.revision}")
    if not view.sidecars and not decision.phase.is_over:
        yield warn(f"sidecars of {name}", "none reports", "start one beside each proxy: trimtab sidecar")
    for report in view.sidecars:
        subject = f"sidecar {report.sidecar} of {name}"
        is_behind = report.in_force < decision.id and _now_ms() - decision.time_ms > _STUCK_MS
        if report.refused:
            yield failed(subject, f"refuses revision {report.offered[1]}: {report.refused}", "mend the proxy's targets")
        elif is_behind:
            said = f"stuck at revision {report.in_force[1]}, the newest is {decision.revision}"
            yield failed(subject, said, "see its log: does it reach Redis, and its proxy it?")
        elif report.stale:
            said = f"its weights are {report.age_s or 0:.0f} s old, past the age that the release file says"
            yield failed(subject, said, "does a worker run, and does the sidecar reach Redis?")
        elif report.dropped or report.gaps:
            yield warn(
                subject, f"{report.dropped} events dropped, {report.gaps} gaps in the log", "see whether Kafka was away"
            )
        else:
            yield ok(subject, f"revision {report.in_force[1]} in force")
    for line in view.unread:
        yield warn(f"sidecars of {name}", line, "upgrade what is older")


def looked(part: Callable[[], Iterator[Finding]], subject: str) -> tuple[list[Finding], bool]:
    """Gives what a part found, and whether its server was reached."""
    found: list[Finding] = []
    try:
        found.extend(part())
    except Unreachable as error:
        return [*found, failed(subject, str(error), "start it, or mend the settings: trimtab config show")], False
    return found, True


def _now_ms() -> float:
    return time.time() * 1000
