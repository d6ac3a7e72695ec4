"""Requests whose prediction or label waits for the other: a table in a file, so that memory is bounded.

SQLite keeps `CACHE_MIB` of it in memory and the rest on disk. What is taken from Kafka at once is one transaction, with
the offsets that it goes up to: what is in the file and what was read are never at odds, whatever is killed.

A request is known by 64 bits of its id's BLAKE2 hash: among 40 million of them two are alike once in 20,000 times.
"""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.label import Label, LabelEvent, Prediction

CACHE_MIB: Final = 64
_VERSION: Final = 1
_BATCH: Final = 500
"""Keys that are asked for at once."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS requests (
    key INTEGER PRIMARY KEY, at_s INTEGER NOT NULL, state INTEGER NOT NULL, events BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_by_age ON requests (at_s);
CREATE INDEX IF NOT EXISTS early_labels ON requests (at_s) WHERE state = 1;
CREATE TABLE IF NOT EXISTS offsets (part INTEGER PRIMARY KEY, next INTEGER NOT NULL);
"""


class State(IntEnum):
    """What of a request is there."""

    PREDICTED = 0
    LABELLED = 1
    """a label alone"""
    JOINED = 2


class Open(NamedTuple):
    """A request in the table."""

    at_s: int
    """when its first event came"""
    events: tuple[LabelEvent, ...]
    """its predictions, and its label if that is known, in the order in which they came"""

    @property
    def label(self) -> Label | None:
        """Its label."""
        return next((event for event in self.events if isinstance(event, Label)), None)

    @property
    def predictions(self) -> list[Prediction]:
        """Its predictions, one a variant."""
        return [event for event in self.events if isinstance(event, Prediction)]

    @property
    def state(self) -> State:
        """What of it is there."""
        if self.label is None:
            return State.PREDICTED
        return State.JOINED if self.predictions else State.LABELLED


class Unusable(TrimtabError):
    """The file is none of ours, or of a newer version."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[LabelEvent, ...]).decode


def key_of(request: str) -> int:
    """Gives what a request is known by."""
    return int.from_bytes(hashlib.blake2b(request.encode(), digest_size=8).digest(), "little", signed=True)


class OpenRequests:
    """The table, for one thread. Raises `Unusable`, and `sqlite3.Error` for a disk that fails."""

    def __init__(self, path: Path) -> None:
        """`path`: of the file, which is made where it is not there."""
        self._path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
            if version > _VERSION:
                raise Unusable(f"{path}: of version {version}, expected at most {_VERSION}: upgrade, or name another")
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", f"cache_size = -{CACHE_MIB * 1024}"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version = {_VERSION}")
        except sqlite3.DatabaseError as error:
            raise Unusable(f"{path}: not a file of open requests: {error}") from error

    def offsets(self) -> dict[int, int]:
        """Gives partition -> next offset to read."""
        return dict(self._db.execute("SELECT part, next FROM offsets"))

    def find(self, keys: Sequence[int]) -> dict[int, Open]:
        """Gives those of the requests that are in the table."""
        found: dict[int, Open] = {}
        for start in range(0, len(keys), _BATCH):
            part = keys[start : start + _BATCH]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT key, at_s, events FROM requests WHERE key IN ({marks})", part)  # noqa: S608 - marks alone
            for key, at_s, events in rows:
                found[key] = Open(at_s, _decode(events))
        return found

    def write(self, changed: Mapping[int, Open], offsets: Mapping[int, int], *, forget_before_s: int) -> None:
        """Writes what changed and how far was read, and forgets what is older, in one transaction."""
        rows = [(key, one.at_s, int(one.state), _encode(one.events)) for key, one in changed.items()]
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR REPLACE INTO requests VALUES (?, ?, ?, ?)", rows)
        self._db.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?)", offsets.items())
        self._db.execute("DELETE FROM requests WHERE at_s < ?", (forget_before_s,))
        self._db.execute("COMMIT")

    def waiting_labels(self, since_s: int, before_s: int) -> int:
        """Gives how many labels of that time wait for a prediction."""
        query = "SELECT count(*) FROM requests WHERE state = 1 AND at_s >= ? AND at_s < ?"
        return int(self._db.execute(query, (since_s, before_s)).fetchone()[0])

    @property
    def size(self) -> int:
        """How many requests it holds."""
        return int(self._db.execute("SELECT count(*) FROM requests").fetchone()[0])

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
