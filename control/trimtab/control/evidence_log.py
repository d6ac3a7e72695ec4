"""An evidence partition with the decisions that were made on it: from Kafka as it is now, or from a file.

A saved log is a gzip stream of frames. A frame is its length (unsigned 32 bit, big-endian) and as many bytes of
MessagePack. The first one is a map: `t` is "evidence-log", `v` the version, `partition`, and `start`, the offset of
the oldest record that was left. Each other is an array: kind ("decision" or "evidence"), offset, append time in
milliseconds since the epoch, and the bytes of the message as Kafka had them. Decisions come first, each kind by rising
offset.
"""

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol

import msgspec

from trimtab.control.kafka_log import Entry, KafkaLog
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.topics import DECISIONS, EVIDENCE
from trimtab.schemas.version import Reader, Version, peek_message_pack

_VERSION: Final = 1
_LENGTH_BYTES: Final = 4
_COMPRESSION: Final = 6
_UNREADABLE: Final = (EOFError, gzip.BadGzipFile, zlib.error)

Kind = Literal["decision", "evidence"]


class EvidenceLog(Protocol):
    """One partition of the evidence log."""

    @property
    def partition(self) -> int:
        """Its number."""

    @property
    def start(self) -> int:
        """The offset of the oldest record that is left; 0 where none is gone."""

    def records(self) -> Iterator[Entry]:
        """Gives the evidence records, by rising offset."""

    def decisions(self) -> Iterator[Entry]:
        """Gives the decisions that were recorded, in the order in which they were."""


class TopicLog:
    """A partition as Kafka has it at this moment: what comes later does not belong."""

    def __init__(self, log: KafkaLog, partition: int) -> None:
        self.partition = partition
        self._log = log
        self.start, self._stop = log.bounds(EVIDENCE, partition)

    def records(self) -> Iterator[Entry]:
        """As `EvidenceLog` says."""
        return self._log.read(EVIDENCE, self.partition, self.start, self._stop)

    def decisions(self) -> Iterator[Entry]:
        """As `EvidenceLog` says."""
        return self._log.read(DECISIONS, self.partition, *self._log.bounds(DECISIONS, self.partition))


class _Head(msgspec.Struct, frozen=True, tag_field="t", tag="evidence-log"):
    partition: int
    start: int
    v: Version = _VERSION


class _Frame(msgspec.Struct, frozen=True, array_like=True):
    kind: Kind
    offset: int
    time_ms: int
    value: bytes


_read_head: Reader[_Head] = Reader(
    "a saved evidence log", _VERSION, msgspec.msgpack.Decoder(_Head).decode, peek_message_pack
)
_read_frame: Final = msgspec.msgpack.Decoder(_Frame).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class SavedLog:
    """A partition from a file. Raises `InvalidRecord` for what is none, `OSError` where it cannot be read at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with gzip.open(path) as file:
            head = _read_head(_next(file) or b"")
        self.partition, self.start = head.partition, head.start

    def records(self) -> Iterator[Entry]:
        """As `EvidenceLog` says."""
        return self._entries("evidence")

    def decisions(self) -> Iterator[Entry]:
        """As `EvidenceLog` says."""
        return self._entries("decision")

    def _entries(self, kind: Kind) -> Iterator[Entry]:
        with gzip.open(self._path) as file:
            _next(file)
            while (payload := _next(file)) is not None:
                try:
                    frame = _read_frame(payload)
                except msgspec.DecodeError as error:
                    raise _wrong(error) from error
                if frame.kind == kind:
                    yield Entry(frame.offset, frame.time_ms, frame.value)


def _next(file: gzip.GzipFile) -> bytes | None:
    """Gives the next frame; None at the end."""
    try:
        length = file.read(_LENGTH_BYTES)
        payload = file.read(int.from_bytes(length, "big"))
    except _UNREADABLE as error:
        raise _wrong(error) from error
    if length and (len(length), len(payload)) != (_LENGTH_BYTES, int.from_bytes(length, "big")):
        raise _wrong("it ends within a frame")
    return payload if length else None


class Saved(NamedTuple):
    """How much was saved."""

    records: int
    decisions: int


def save(log: EvidenceLog, path: Path) -> Saved:
    """Writes a partition into a file, which is there only once it is whole. Raises `OSError` where that fails."""
    part = path.with_name(f"{path.name}.part")
    try:
        with gzip.open(part, "wb", compresslevel=_COMPRESSION) as file:
            _write(file, _encode(_Head(log.partition, log.start)))
            saved = Saved(
                decisions=_save(file, "decision", log.decisions), records=_save(file, "evidence", log.records)
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return saved


def _save(file: gzip.GzipFile, kind: Kind, entries: Callable[[], Iterator[Entry]]) -> int:
    count = 0
    for entry in entries():
        _write(file, _encode(_Frame(kind, *entry)))
        count += 1
    return count


def _write(file: gzip.GzipFile, payload: bytes) -> None:
    file.write(len(payload).to_bytes(_LENGTH_BYTES, "big"))
    file.write(payload)


def _wrong(why: object) -> InvalidRecord:
    return InvalidRecord(f"not a saved evidence log: {why}")
