"""What a sidecar reports of itself: JSON under its key in Redis, with an expiry."""

import re
from typing import Final

import msgspec

from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.schemas.version import Reader, Version, peek_json

VERSION: Final = 1

_ESCAPE: Final = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?)")
"""Control sequences and operating system commands (ECMA-48, sections 5.4 and 5.6)."""


class SidecarReport(msgspec.Struct, frozen=True, kw_only=True):
    """The weights in force at one proxy for one release."""

    sidecar: str
    proxy: str
    release: str
    in_force: Revision = NO_REVISION
    """the newest revision that the proxy acknowledged"""
    offered: Revision = NO_REVISION
    """the newest revision that it was sent"""
    refused: str = ""
    """the proxy's own words, while the newest revision offered stands refused"""
    refusals: int = 0
    events: int = 0
    """published since the sidecar started"""
    dropped: int = 0
    """events that it could not publish"""
    unattributed: int = 0
    """log entries that name no variant of ours"""
    time_ms: int = 0
    v: Version = VERSION
    interval_s: float = 0.0
    """how long the proxy rests between two changes of its weights, at least"""
    shares: dict[str, float] = {}
    """variant -> basis points of the traffic that goes by weight, as the proxy's own granularity really gives them and
    with what is down left out; empty where that is not told"""
    segment_shares: dict[str, dict[str, float]] = {}
    """the same of each segment that the proxy tells"""
    routed: dict[str, int] = {}
    """variant -> requests that the proxy's log told of since the sidecar started"""
    gaps: int = 0
    """times that part of the log was lost: a file gone before it was read, a stream that was none"""
    age_s: float | None = None
    """since it was announced last that the weights which the sidecar holds are the newest; null before any"""
    stale: bool = False
    """whether they are past the age that the release file says"""
    fallback: str = ""
    """`baseline` where the proxy sends everything there, because the weights in force are past their age"""
    answers: dict[str, int] = {}
    """what answers of models said of their version (`told`, `other`, `unknown`, `asked`, `missing`) -> how many, where
    the proxy looks into them"""
    entries: int = 0
    """of Envoy's log, that came over gRPC since the sidecar started, whoever they are of"""


_encode = msgspec.json.Encoder().encode
_read = Reader("a sidecar's report", VERSION, msgspec.json.Decoder(SidecarReport).decode, peek_json)


def encode(report: SidecarReport) -> bytes:
    """Gives the JSON form of a report."""
    return _encode(report)


def decode(payload: bytes | str) -> SidecarReport:
    """Gives the report that `payload` holds. Raises `NewerVersion`, or `InvalidRecord` for anything else.

    The proxy's words are those of whatever it runs; colours and other orders to a terminal are taken out of them.
    """
    report = _read(payload)
    words = printable(report.refused)
    return report if words == report.refused else msgspec.structs.replace(report, refused=words)


def printable(words: str) -> str:
    r"""Gives words without escape sequences, and with a blank for each other character that is not to be seen.

    >>> printable("\x1b[31m[emerg]\x1b[0m no upstream v2\x07")
    '[emerg] no upstream v2 '
    """
    return "".join(one if one.isprintable() else " " for one in _ESCAPE.sub("", words))
