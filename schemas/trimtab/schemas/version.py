"""Versions of records: one rule for all that travels or is stored.

Every record carries `v`. Fields may be added to a version, with defaults: readers pass over what they do not know. Any
other change makes a new version, and a record of a newer version than the reader's is refused with `NewerVersion`,
also where its new kinds and fields could not be decoded: nothing of it is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final, Generic, Protocol, TypeVar

import msgspec

from trimtab.schemas.errors import InvalidRecord, NewerVersion

Version = Annotated[int, msgspec.Meta(ge=1)]
"""The version of one kind of record, counted from 1."""

REFUSALS: Final = (msgspec.DecodeError, ValueError, RecursionError)
"""What msgspec raises for bytes that are not what its decoder is for."""


class Versioned(msgspec.Struct):
    """As much of a record as tells its version; one that does not tell is of the first."""

    v: Version = 1


class _Record(Protocol):
    """Anything that tells its version."""

    @property
    def v(self) -> int:
        """The version."""


R = TypeVar("R", bound=_Record)

peek_json: Final = msgspec.json.Decoder(Versioned).decode
peek_message_pack: Final = msgspec.msgpack.Decoder(Versioned).decode


@dataclass(frozen=True, slots=True)
class Reader(Generic[R]):
    """Reads one kind of record of our own.

    >>> from trimtab.schemas.evidence import Tick
    >>> tick = Reader("a tick", 1, msgspec.msgpack.Decoder(Tick).decode, peek_message_pack)
    >>> tick(msgspec.msgpack.encode(Tick(v=1)))
    Tick(v=1)
    """

    what: str
    """with its article"""
    version: int
    """the newest that is known"""
    decode: Callable[..., R]
    peek: Callable[..., Versioned]

    def __call__(self, payload: bytes | str) -> R:
        """Gives the record. Raises `NewerVersion`, or `InvalidRecord` for anything else that it cannot be."""
        try:
            record = self.decode(payload)
        except REFUSALS as error:
            self._refuse_newer(payload)
            raise InvalidRecord(f"not {self.what}: {error}") from error
        if record.v > self.version:
            raise NewerVersion(self.what, record.v, self.version)
        return record

    def _refuse_newer(self, payload: bytes | str) -> None:
        """Raises `NewerVersion` where that is why the record could not be decoded."""
        try:
            version = self.peek(payload).v
        except REFUSALS:
            return
        if version > self.version:
            raise NewerVersion(self.what, version, self.version) from None
