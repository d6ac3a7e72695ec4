"""Dead letters: what could not be counted, why, and where it stands in its source.

A crash may write a letter twice; readers count one `id` once. It is also the key of the Kafka message.
"""

from typing import Final

import msgspec

from trimtab.schemas.version import Reader, Version, peek_json

VERSION: Final = 1
MAX_PAYLOAD: Final = 256 * 1024
"""Longer payloads are cut here; the source offset still leads to the whole."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message, or the events of one message or pane that share a reason."""

    source: str
    """topic"""
    partition: int
    offset: int
    last_offset: int
    """equal to `offset` for one message; for a pane, the newest message that fed it"""
    reason: str
    code: str
    """the reason as one of a closed set: undecodable, newer-version, unknown-kind, unknown-key, unknown-release,
    unknown-variant, future, bad-value, undelivered"""
    events: int
    """how many events were refused; 1 for a message that could not be read at all"""
    release: str = ""
    time_ms: int
    """append time of the message"""
    payload: bytes = b""
    """the message as it came, at most MAX_PAYLOAD bytes (base64 in JSON); empty for panes"""
    v: Version = VERSION

    @property
    def id(self) -> str:
        """What is the same for a letter that was written again: its place in the source, and its reason."""
        return f"{self.source}/{self.partition}/{self.offset}: {self.reason}"


_encode = msgspec.json.Encoder().encode
_read = Reader("a dead letter", VERSION, msgspec.json.Decoder(DeadLetter).decode, peek_json)


def encode(letter: DeadLetter) -> bytes:
    """Gives the JSON form of a letter."""
    return _encode(letter)


def decode(payload: bytes) -> DeadLetter:
    """Gives the letter that `payload` holds. Raises `NewerVersion`, or `InvalidRecord` for anything else."""
    return _read(payload)
