"""The catalogue in a file of SQLite, embedded: write-ahead log, one writer at a time, any number of readers."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Final

from trimtab.catalog.entry import Change, Changes, Entry, Row, Value, Written, decode_revocation, key_of
from trimtab.catalog.errors import UnknownNode, WrongAddress
from trimtab.catalog.figure import Figure
from trimtab.catalog.graph import Edges
from trimtab.catalog.node import decode_node
from trimtab.catalog.sqlite_figures import add_figures
from trimtab.catalog.sqlite_schema import SCHEMA, VERSION
from trimtab.catalog.store import MAX_DEPTH, Direction, Lineage
from trimtab.catalog.writing import write
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.model_ref import Kind, ModelRef, ref

_BUSY_S: Final = 10.0
_OF_THE_FILE: Final = (sqlite3.OperationalError, sqlite3.DatabaseError)
"""Locked, full, read-only, malformed; what comes of wrong statements and constraints is of other classes."""
_NEWEST: Final = """
    SELECT node.ref, metric, segment, time_s, value, count FROM node JOIN newest ON newest.ref = node.ref
    WHERE revision > ? ORDER BY node.ref, metric, segment
"""
_EDGES: Final = """
    SELECT source, target FROM node JOIN edge ON source = ref WHERE revision > ? ORDER BY source, place
"""
_OWN_NEWEST: Final = "SELECT metric, segment, time_s, value, count FROM newest WHERE ref = ? ORDER BY metric, segment"
_WALK: Final = """
    WITH RECURSIVE walk(ref, depth) AS (
        SELECT ?, 0 UNION SELECT edge.{there}, depth + 1 FROM walk JOIN edge ON edge.{here} = walk.ref WHERE depth < ?
    ), found(ref, depth) AS (SELECT ref, min(depth) FROM walk GROUP BY ref)
    SELECT found.ref, depth, revoked, target FROM found JOIN node ON node.ref = found.ref
    LEFT JOIN edge ON edge.source = found.ref ORDER BY depth, found.ref, place
"""
"""Everything within a depth, with all its edges downward."""
_WALKS: Final = {
    "down": _WALK.format(here="source", there="target"),
    "up": _WALK.format(here="target", there="source"),
}


class SqliteStore:
    """A catalogue in one file. Raises `WrongAddress` where there is none, or a file that is none."""

    def __init__(self, path: str | Path, *, create: bool = True) -> None:
        """`create`: whether to make the file where there is none."""
        self._path = path
        self._lock = RLock()
        if not create and not Path(path).is_file():
            raise WrongAddress(f"{path}: there is no catalogue; `trimtab models register` makes one")
        try:
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=64
            )
        except sqlite3.Error as error:
            raise WrongAddress(f"{path}: {error}") from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise WrongAddress(f"{path}: expected a file of SQLite with a catalogue: {error}") from error
        except (WrongAddress, Unreachable):
            self._connection.close()
            raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA foreign_keys = ON")
        with self._transaction() as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if version == 0 and not tables:
                for statement in SCHEMA:
                    connection.execute(statement)
            elif version != VERSION or "node" not in tables:
                what = (
                    f"schema version {version}, expected {VERSION}"
                    if "node" in tables
                    else "a database of another kind"
                )
                raise WrongAddress(f"{self._path}: {what}")

    @contextmanager
    def _asked(self) -> Iterator[sqlite3.Connection]:
        """Raises `Unreachable` for what the file, or its disk, refuses; what we asked wrongly stays as it is."""
        try:
            with self._lock:
                yield self._connection
        except sqlite3.DatabaseError as error:
            if type(error) not in _OF_THE_FILE:
                raise
            raise Unreachable(f"catalogue {self._path}: {error}") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._asked() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """What is read in here is of one revision."""
        with self._asked() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("COMMIT")

    def write(self, change: Change) -> Written:
        """As `Store` says."""
        with self._transaction() as connection:
            return write(_Session(connection), change)

    def revision(self) -> int:
        """As `Store` says."""
        with self._asked() as connection:
            return _revision(connection)

    def changes(self, since: int = 0) -> Changes:
        """As `Store` says."""
        figures: dict[ModelRef, dict[str, Value]] = {}
        edges: dict[str, list[ModelRef]] = {}
        with self._reading() as connection:
            revision = _revision(connection)
            if revision <= since:
                return Changes(revision, [], figures)
            for name, metric, segment, time_s, value, count in connection.execute(_NEWEST, (since,)):
                figures.setdefault(name, {})[key_of(metric, segment)] = Value(value, time_s, count)
            for source, target in connection.execute(_EDGES, (since,)):
                edges.setdefault(source, []).append(target)
            found = connection.execute(
                "SELECT ref, body, revoked, revision FROM node WHERE revision > ? ORDER BY ref", (since,)
            )
            rows = [Row(name, body, tuple(edges.get(name, ())), revoked, at) for name, body, revoked, at in found]
        return Changes(revision, rows, figures)

    def entry(self, ref: ModelRef) -> Entry:
        """As `Store` says."""
        with self._reading() as connection:
            found = connection.execute("SELECT body, revoked, revision FROM node WHERE ref = ?", (ref,)).fetchone()
            if found is None:
                raise UnknownNode(f"there is no {ref} in the catalogue")
            body, revoked, revision = found
            return _entry(body, revoked, revision, _Session(connection).newest(ref))

    def history(self, ref: ModelRef) -> list[Figure]:
        """As `Store` says."""
        self.entry(ref)
        with self._asked() as connection:
            found = connection.execute(
                "SELECT metric, segment, time_s, value, count FROM figure WHERE ref = ?"
                " ORDER BY metric, segment, time_s", (ref,),
            )  # fmt: skip
            return [_figure(*columns) for columns in found]

    def lineage(self, ref: ModelRef, direction: Direction, depth: int = MAX_DEPTH) -> Lineage:
        """As `Store` says."""
        with self._reading() as connection:
            if connection.execute("SELECT 1 FROM node WHERE ref = ?", (ref,)).fetchone() is None:
                raise UnknownNode(f"there is no {ref} in the catalogue")
            found = connection.execute(_WALKS[direction], (ref, depth)).fetchall()
        depths = {ModelRef(one): depth for one, depth, _, _ in found}
        edges = [(ModelRef(one), ModelRef(target)) for one, _, _, target in found if target in depths]
        return Lineage(ref, depths, edges, frozenset(ModelRef(one) for one, _, revoked, _ in found if revoked))

    def close(self) -> None:
        """As `Store` says."""
        with self._lock:
            self._connection.close()


class _Session:
    """`trimtab.catalog.writing.Session` on one connection."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def revision(self) -> int:
        return _revision(self._connection)

    def rows(self, refs: Iterable[ModelRef]) -> dict[ModelRef, Row]:
        rows: dict[ModelRef, Row] = {}
        for one in refs:
            found = self._connection.execute(
                "SELECT body, revoked, revision FROM node WHERE ref = ?", (one,)
            ).fetchone()
            if found is not None:
                rows[one] = Row(one, found[0], self._targets(one), found[1], found[2])
        return rows

    def versions(self, name: str) -> list[ModelRef]:
        first, last = f"{ref(Kind.MODEL, name)}:", f"{ref(Kind.MODEL, name)};"  # `;` follows `:`
        found = self._connection.execute("SELECT ref FROM node WHERE ref > ? AND ref < ?", (first, last))
        return [ModelRef(one) for (one,) in found]

    def edges_of(self, refs: Iterable[ModelRef]) -> Edges:
        found = (self._connection.execute("SELECT ref FROM node WHERE ref = ?", (one,)).fetchone() for one in refs)
        return {ModelRef(one[0]): self._targets(one[0]) for one in found if one}

    def _targets(self, one: str) -> tuple[ModelRef, ...]:
        found = self._connection.execute("SELECT target FROM edge WHERE source = ? ORDER BY place", (one,))
        return tuple(ModelRef(target) for (target,) in found)

    def put(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._connection.execute(
                "INSERT INTO node VALUES (?, ?, ?, ?) ON CONFLICT (ref) DO UPDATE SET"
                " body = excluded.body, revoked = excluded.revoked, revision = excluded.revision",
                (row.ref, row.body, row.revoked, row.revision),
            )
            self._connection.execute("DELETE FROM edge WHERE source = ?", (row.ref,))
            self._connection.executemany(
                "INSERT INTO edge VALUES (?, ?, ?)", [(row.ref, target, at) for at, target in enumerate(row.edges)]
            )

    def newest(self, ref: ModelRef) -> dict[str, Figure]:
        found = [_figure(*columns) for columns in self._connection.execute(_OWN_NEWEST, (ref,))]
        return {figure.key: figure for figure in found}

    def add(self, ref: ModelRef, figures: Iterable[Figure]) -> None:
        add_figures(self._connection, ref, figures)

    def close(self, revision: int) -> None:
        self._connection.execute("UPDATE catalogue SET revision = ?", (revision,))


def _revision(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT revision FROM catalogue").fetchone()[0])


def _figure(metric: str, segment: str, time_s: int, value: float, count: int | None) -> Figure:
    # It was validated when it was written, and 10,000 models have many.
    return Figure.model_construct(metric=metric, segment=segment, time_s=time_s, value=value, count=count)


def _entry(body: str, revoked: str, revision: int, figures: dict[str, Figure]) -> Entry:
    return Entry(decode_node(body), revision, decode_revocation(revoked) if revoked else None, figures)
