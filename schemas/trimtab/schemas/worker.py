"""What a worker reports of itself: JSON under its key in Redis, with an expiry."""

import msgspec


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
    v: int = 1


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(WorkerReport).decode
