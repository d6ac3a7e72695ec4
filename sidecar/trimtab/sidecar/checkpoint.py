"""The checkpoint of a log file: up to where its lines have been delivered, on disk, for the next life of the sidecar.

Written once what it tells of is delivered, never before. A sidecar that is killed between the two finds itself one
delivery behind; `note` is for what the deliverer needs to find that out.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from trimtab.schemas.errors import InvalidRecord, TrimtabError
from trimtab.schemas.version import Reader, Version, peek_json

VERSION: Final = 1


class CheckpointTaken(TrimtabError):
    """Another process writes this checkpoint; the message says which file."""


class Position(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A place in a log that is rotated: a file, known by its inode and by its first bytes, and an offset in it.

    An inode alone is not enough: a file system gives the number of a deleted file to the next one.
    """

    inode: int = 0
    """0: no file yet; the log begins with the first one that is written to later"""
    offset: int = 0
    """bytes; the next line begins there"""
    head_size: int = 0
    head: str = ""
    """a digest of the first `head_size` bytes"""
    written_ns: int = 0
    """when the file was last written to, as of the last look at it"""


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    position: Position
    note: str = ""
    v: Version = VERSION


_encode = msgspec.json.Encoder().encode
_encode_position = msgspec.json.Encoder().encode
_decode_position = msgspec.json.Decoder(Position).decode
_read = Reader("a checkpoint", VERSION, msgspec.json.Decoder(_Record).decode, peek_json)


def position_text(position: Position) -> bytes:
    """Gives a position as it may travel beside what was read up to it."""
    return _encode_position(position)


def position_of(text: bytes) -> Position:
    """Gives the position that `position_text` made a text of. Raises `msgspec.MsgspecError` for any other text."""
    return _decode_position(text)


class Checkpoint:
    """The file of one checkpoint, always whole: it is replaced, never written into. One process at a time has it.

    Raises `CheckpointTaken` where another one has, `InvalidRecord` where the file holds no checkpoint, `OSError` where
    its folder cannot be written to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = _locked(path.with_name(f"{path.name}.lock"))
        try:
            record = _read(path.read_bytes())
        except FileNotFoundError:
            record = None
        except InvalidRecord as error:
            os.close(self._lock)
            raise InvalidRecord(f"{path}: {error}") from error
        except BaseException:
            os.close(self._lock)
            raise
        self.position: Position | None = record.position if record else None
        """the last that was stored; None before the first"""
        self.note = record.note if record else ""

    def store(self, position: Position, note: str = "") -> None:
        """Puts down that all before `position` is delivered. Survives the machine's end, too."""
        draft = self._path.with_name(f"{self._path.name}.tmp")
        with draft.open("wb") as file:
            file.write(_encode(_Record(position=position, note=note)))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        self.position, self.note = position, note

    def close(self) -> None:
        """Lets another process have it."""
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _locked(path: Path) -> int:
    """Gives an open file that the system unlocks when this process ends, however it ends."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise CheckpointTaken(f"checkpoint {path.with_suffix('')}: another process uses it") from None
    return file
