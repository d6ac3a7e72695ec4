"""HAProxy's log: one line a request, when it has ended.

    trimtab/1 END_MS BACKEND SERVER REVISION STATUS TERMINATION ACTIVE_MS BYTES

Nothing in it comes from the client, so nothing has to be escaped. HAProxy tells of a request when it is over, and
when it began would often be too long ago for the engine, whose lateness is two seconds: so both events of a line, the
request and its response, are of the instant at which it ended.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from trimtab.client.rows import Row
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.sidecar.haproxy.names import LOG_TAG, place_of, revision_of, target_of

LOG_FORMAT: Final = f"{LOG_TAG} %[date(0,ms)] %b %s %[var(txn.trimtab_revision)] %ST %tsc %Ta %B"
"""As HAProxy is told it."""

_FIELDS: Final = 9
_MAX_BYTES: Final = (1 << 32) - 1
"""What the telemetry column holds."""

FAILURES: Final = {
    "SC": Failure.CONNECT,
    "sC": Failure.CONNECT,
    "SH": Failure.RESET,
    "SD": Failure.RESET,
    "SL": Failure.RESET,
    "sH": Failure.TIMEOUT,
    "sD": Failure.TIMEOUT,
    "sL": Failure.TIMEOUT,
    "sQ": Failure.OVERLOAD,
    "PH": Failure.RESET,
    "PD": Failure.RESET,
}
"""Of the two first characters of the termination state: what the server did, or what HAProxy blocked of it."""

_BY_FIRST: Final = {"C": Failure.CLIENT, "c": Failure.CLIENT, "R": Failure.OVERLOAD, "D": Failure.RESET}
"""Of the first alone: the client went away or was too slow, HAProxy lacked something, the server was taken down."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one line says."""

    end_ms: int
    backend: str
    server: str
    revision: Revision
    status: int
    failure: Failure
    active_ms: int
    size: int


def parse(line: bytes) -> Line | None:
    """Gives what a line says; None for one that is not ours.

    >>> parse(b"trimtab/1 1767225600123 checkout v2 1767225600.57 200 --NN 12 345").size
    345
    """
    fields = line.decode("ascii", "replace").split(" ")
    if len(fields) != _FIELDS or fields[0] != LOG_TAG:
        return None
    _, end_ms, backend, server, revision, status, termination, active_ms, size = fields
    try:
        return Line(
            int(end_ms), backend, server, revision_of(revision) or NO_REVISION, max(0, int(status)),
            failure(termination), max(0, int(active_ms)), min(int(size), _MAX_BYTES),
        )  # fmt: skip
    except ValueError:
        return None


def failure(termination: str) -> Failure:
    """Gives why a response did not come from the service, by HAProxy's termination state.

    >>> failure("SC--"), failure("CD--"), failure("----")
    (<Failure.CONNECT: 2>, <Failure.CLIENT: 5>, <Failure.NONE: 0>)
    """
    return FAILURES.get(termination[:2]) or _BY_FIRST.get(termination[:1], Failure.NONE)


class AccessLog:
    """Turns lines into events, counts what was routed where, and what is nobody's."""

    def __init__(self) -> None:
        self._variants: dict[tuple[str, str], str] = {}
        self.unattributed = 0
        """lines that are not ours, or name no variant"""
        self.routed: Counter[tuple[str, str]] = Counter()
        """(release, variant) -> requests"""

    def name(self, release: str, targets: Mapping[str, str]) -> None:
        """Takes the targets of a release's variants. Those of earlier revisions stay known: lines may be of them."""
        self._variants = self._variants | {(release, target): variant for variant, target in targets.items()}

    def rows(self, lines: Iterable[bytes]) -> list[Row]:
        """Gives the events of `lines`: two for each request that a release routed."""
        rows: list[Row] = []
        for text in lines:
            line = parse(text)
            place = place_of(line.backend) if line else None
            if line is None or place is None:
                self.unattributed += 1
            elif place.kind != "outside":
                rows += self._events(line, place.release, place.name if place.kind == "segment" else "")
        return rows

    def _events(self, line: Line, release: str, segment: str) -> list[Row]:
        variant = self._variants.get((release, target_of(line.server)))
        if variant is None:
            self.unattributed += 1
            return []
        self.routed[release, variant] += 1
        key = RoutingKey(release, variant, segment, *line.revision)
        response = (key, line.end_ms, float(line.active_ms), line.status, line.size, int(line.failure))
        return [(key, line.end_ms), response]
