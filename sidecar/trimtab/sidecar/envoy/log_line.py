r"""Envoy's log in a file: one line at a request's start and one at its end, in the format that is decided here.

    trimtab/1 TYPE START_MS DURATION_MS ACTIVE_US STATUS FLAGS BYTES CLUSTER STAMP

with tabs between. Nothing in it comes from the client. What the lines mean is what `access_log.py` says of the entries
that travel by gRPC: each names by its stamp the weights that routed it.
"""

from collections.abc import Iterable
from typing import Final

from trimtab.client.rows import Row
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.telemetry import Failure
from trimtab.sidecar.envoy.stamp import OUTSIDE, Stamped, read_stamp

LOG_TAG: Final = "trimtab/1"
_STAMP_OF_ROUTE: Final = "%METADATA(ROUTE:trimtab:stamp)%"
_FIELDS: Final = (
    LOG_TAG, "%ACCESS_LOG_TYPE%", "%START_TIME(%s%3f)%", "%DURATION%", "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    "%RESPONSE_CODE%", "%RESPONSE_FLAGS%", "%DOWNSTREAM_WIRE_BYTES_SENT%", "%UPSTREAM_CLUSTER_RAW%",
)  # fmt: skip

_TAG: Final = LOG_TAG.encode()
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


def log_format(stamp: str = _STAMP_OF_ROUTE) -> str:
    """Gives the format, as Envoy is told it; `stamp`: where a line has its stamp from."""
    return "\t".join([*_FIELDS, stamp]) + "\n"


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
    """Turns lines into events, and counts those that are not ours or name no variant."""

    def __init__(self) -> None:
        self._stamps: dict[bytes, Stamped] = {}
        self.unattributed = 0

    def rows(self, lines: Iterable[bytes]) -> list[Row]:
        """Gives the events of `lines`, for requests that a release routed."""
        rows: list[Row] = []
        for line in lines:
            fields = line.split(b"\t", len(_FIELDS))
            if len(fields) <= len(_FIELDS) or fields[0] != _TAG:
                self.unattributed += 1
                continue
            if fields[1] not in (_START, _END) or fields[-1] == OUTSIDE.encode():
                continue
            try:
                rows += self._events(fields)
            except ValueError:  # a number that is none
                self.unattributed += 1
        return rows

    def _events(self, fields: list[bytes]) -> list[Row]:
        _, kind, start, duration, active, status, flags, size, cluster, text = fields
        keys, is_sticky = self._stamps.get(text) or self._read(text)
        key = keys.get(cluster.decode("utf-8", "replace"))
        if key is None:
            self.unattributed += 1
            return []
        start_ms = int(start)
        if kind == _START:
            return [] if is_sticky else [(key, start_ms)]
        end_ms = start_ms + int(duration)
        duration_ms = int(active) / 1_000 if active != b"-" else float(duration)
        response = (
            key, end_ms, duration_ms, int(status), min(int(size), _MAX_BYTES), int(failure(flags.decode("ascii"))),
        )  # fmt: skip
        # What a sticky request's start does not know is told at the end, as of then: the start may be too long ago.
        return [(key, end_ms), response] if is_sticky else [response]

    def _read(self, text: bytes) -> Stamped:
        if len(self._stamps) >= _MAX_STAMPS:
            self._stamps.clear()
        try:
            read = read_stamp(text.decode("utf-8", "replace"))
        except InvalidRecord:
            read = _NOBODY
        self._stamps[text] = read
        return read
