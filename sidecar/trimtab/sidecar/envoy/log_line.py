r"""Envoy's log in a file: one line at a request's start and one at its end, in the format that is decided here.

    trimtab/1 TYPE START_MS DURATION_MS ACTIVE_US STATUS FLAGS BYTES CLUSTER STAMP

with tabs between. Nothing in it comes from the client. Where models answer, lines begin with `trimtab/2` and go on with
what Envoy found in the answer, as JSON, and the request's path, which is last, for it is all that a client says. What
the lines mean is what `access_log.py` says of the entries that travel by gRPC: each names by its stamp the weights that
routed it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from trimtab.client.rows import Row
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.stamp import OUTSIDE, Stamped, read_stamp
from trimtab.schemas.telemetry import Failure, RoutingKey
from trimtab.sidecar.envoy.answer import FILTER, Answers, found

LOG_TAG: Final = "trimtab/1"
MODELS_TAG: Final = "trimtab/2"
_STAMP_OF_ROUTE: Final = "%METADATA(ROUTE:trimtab:stamp)%"
_FIELDS: Final = (
    "%ACCESS_LOG_TYPE%", "%START_TIME(%s%3f)%", "%DURATION%", "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "%RESPONSE_CODE%", "%RESPONSE_FLAGS%", "%DOWNSTREAM_WIRE_BYTES_SENT%", "%UPSTREAM_CLUSTER_RAW%",
)  # fmt: skip

_OF_ANSWER: Final = (f"%DYNAMIC_METADATA({FILTER})%", "%REQ(:PATH)%")

_TAG: Final = LOG_TAG.encode()
_MODELS_TAG: Final = MODELS_TAG.encode()
_PLAIN: Final = 1 + len(_FIELDS)
"""Fields before the stamp."""
_START: Final = b"DownstreamStart"
_END: Final = b"DownstreamEnd"
_MAX_STAMPS: Final = 1024
_MAX_BYTES: Final = (1 << 32) - 1
"""What the telemetry column holds."""
_NOBODY: Final = Stamped({}, is_sticky=False)

FAILURES: Final = {
    "UT": Failure.TIMEOUT, "UMSDR": Failure.TIMEOUT, "DT": Failure.TIMEOUT, "SI": Failure.TIMEOUT,
    "UF": Failure.CONNECT, "UH": Failure.CONNECT, "NC": Failure.CONNECT, "DF": Failure.CONNECT, "LH": Failure.CONNECT,
    "UO": Failure.OVERLOAD, "OM": Failure.OVERLOAD,
    "UR": Failure.RESET, "UC": Failure.RESET, "UPE": Failure.RESET,
    "DC": Failure.CLIENT, "DR": Failure.CLIENT, "DPE": Failure.CLIENT, "IH": Failure.CLIENT,
    "LR": Failure.RESET,
}  # fmt: skip
"""Envoy's short names of the flags in `failure.py`, in the same order: the first that is set decides."""


def log_format(stamp: str = _STAMP_OF_ROUTE, *, models: bool = False) -> str:
    """Gives the format, as Envoy is told it.

    `stamp`: where a line has its stamp from; `models`: whether they answer.
    """
    of_answer = _OF_ANSWER if models else ()
    return "\t".join([MODELS_TAG if models else LOG_TAG, *_FIELDS, stamp, *of_answer]) + "\n"


def failure(flags: str) -> Failure:
    """Gives the failure that flags tell of.

    >>> failure("UF,URX"), failure("DC"), failure("-")
    (<Failure.CONNECT: 2>, <Failure.CLIENT: 5>, <Failure.NONE: 0>)
    """
    if flags == "-":
        return Failure.NONE
    given = flags.split(",")
    return next((found for flag, found in FAILURES.items() if flag in given), Failure.NONE)


class LogLines:
    """Turns lines into events, and counts what was routed where, and what is not ours or names no variant.

    `answers` tells whose answers those of models are.
    """

    def __init__(self) -> None:
        self.answers = Answers()
        self._stamps: dict[bytes, Stamped] = {}
        self.unattributed = 0
        self.routed: Counter[tuple[str, str]] = Counter()
        """(release, variant) -> requests"""

    def rows(self, lines: Iterable[bytes]) -> list[Row]:
        """Gives the events of `lines`, for requests that a release routed."""
        rows: list[Row] = []
        for line in lines:
            fields = line.split(b"\t", _PLAIN)
            if len(fields) <= _PLAIN or fields[0] not in (_TAG, _MODELS_TAG):
                self.unattributed += 1
                continue
            fields[_PLAIN:], of_answer = _split(fields)
            if fields[1] not in (_START, _END) or fields[_PLAIN] == OUTSIDE.encode():
                continue
            try:
                rows += self._events(fields, of_answer)
            except ValueError:  # a number that is none
                self.unattributed += 1
        return rows

    def _events(self, fields: list[bytes], of_answer: Sequence[bytes]) -> list[Row]:
        _, kind, start, duration, active, status, flags, size, cluster, text = fields
        stamped = self._stamps.get(text) or self._read(text)
        key, is_sticky = stamped.keys.get(cluster.decode("utf-8", "replace")), stamped.is_sticky
        if key is None:
            self.unattributed += 1
            return []
        start_ms = int(start)
        if kind == _START:
            return [] if is_sticky else [self._routed(key, start_ms)]
        end_ms = start_ms + int(duration)
        duration_ms = int(active) / 1_000 if active != b"-" else float(duration)
        whose = self._whose(stamped, key, of_answer, int(status))
        response = (
            whose, end_ms, duration_ms, int(status), min(int(size), _MAX_BYTES), int(failure(flags.decode("ascii"))),
        )  # fmt: skip
        # What a sticky request's start does not know is told at the end, as of then: the start may be too long ago.
        return [self._routed(key, end_ms), response] if is_sticky else [response]

    def _routed(self, key: RoutingKey, time_ms: int) -> Row:
        self.routed[key.release, key.variant] += 1
        return key, time_ms

    def _whose(self, stamped: Stamped, routed: RoutingKey, of_answer: Sequence[bytes], status: int) -> RoutingKey:
        if not of_answer:
            return routed
        told, path = of_answer
        return self.answers.key(stamped, routed, found(told), path=path.decode("utf-8", "replace"), status=status)

    def _read(self, text: bytes) -> Stamped:
        if len(self._stamps) >= _MAX_STAMPS:
            self._stamps.clear()
        try:
            read = read_stamp(text.decode("utf-8", "replace"))
        except InvalidRecord:
            read = _NOBODY
        self._stamps[text] = read
        return read


def _split(fields: list[bytes]) -> tuple[list[bytes], Sequence[bytes]]:
    """Gives the stamp alone, and what a line has besides of the answer: findings and path, or nothing.

    A line of models that lacks them has no stamp either.
    """
    if fields[0] == _TAG:
        return fields[_PLAIN:], ()
    stamp, *of_answer = fields[_PLAIN].split(b"\t", len(_OF_ANSWER))
    return ([stamp], of_answer) if len(of_answer) == len(_OF_ANSWER) else ([b""], ())
