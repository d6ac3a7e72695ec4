"""What a worker reports of itself: JSON under its key in Redis, with an expiry."""

from typing import Final

import msgspec

from trimtab.schemas.version import Reader, Version, peek_json

VERSION: Final = 1


class WorkerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The counters of one worker, since it started."""

    worker: str
    events: int
    """taken from telemetry, refused ones included; what a restart reads again is taken again"""
    refused: dict[str, int]
    """events that went to the dead letters, by code"""
    decisions: int
    written: int
    """revisions that Redis took from it"""
    time_ms: int
    v: Version = VERSION


_encode = msgspec.json.Encoder().encode
_read = Reader("a worker's report", VERSION, msgspec.json.Decoder(WorkerReport).decode, peek_json)


def encode(report: WorkerReport) -> bytes:
    """Gives the JSON form of a report."""
    return _encode(report)


def decode(payload: bytes | str) -> WorkerReport:
    """Gives the report that `payload` holds. Raises `NewerVersion`, or `InvalidRecord` for anything else."""
    return _read(payload)
