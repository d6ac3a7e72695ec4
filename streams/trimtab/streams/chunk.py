"""Chunks: stretches of a partition, so that what Faust does for each message is done for hundreds at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import faust


class Record(Protocol):
    """One Kafka message, as the consumer read it."""

    @property
    def offset(self) -> int:
        """Its place in the partition."""

    @property
    def timestamp(self) -> int:
        """When the broker appended it, in milliseconds."""

    @property
    def value(self) -> bytes | None:
        """The payload."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """By name; a name may stand several times."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """All records of a partition from `start` up to, but not with, `stop`.

    Offsets without a record belong to nobody: transaction markers, for one.
    """

    start: int
    stop: int
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """A chunk in the shape of a single message of its topic, which is how Faust carries it."""

    topic: str
    partition: int
    value: Chunk
    timestamp_type: int = 0
    timestamp: int | None = None
    headers: None = None
    key: None = None
    checksum: None = None
    serialized_key_size: int = 0
    serialized_value_size: int = 0

    @property
    def offset(self) -> int:
        """Of the chunk's last record."""
        return self.value.stop - 1


class ChunkSchema(faust.Schema):  # type: ignore[misc]  # Faust is untyped
    """Leaves a message's value as it is: a `Chunk`."""

    def loads_key(self, *_args: object, **_options: object) -> None:
        """Gives no key: records keep theirs."""

    def loads_value(self, _app: faust.App, message: faust.types.Message, **_options: object) -> Chunk:
        """Gives the chunk."""
        chunk: Chunk = message.value
        return chunk
