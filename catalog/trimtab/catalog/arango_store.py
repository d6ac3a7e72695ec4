"""The catalogue in ArangoDB: the same graph in collections of its own, written in transactions over several of them.

Collections begin with `trimtab_`. One that writes holds `trimtab_catalogue` for itself, so that writers take turns and
each sees what the one before wrote. The database has to exist; its collections are made by the first that writes.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import SplitResult, unquote

from arango import ArangoClient
from arango.exceptions import ArangoError
from requests import RequestException

from trimtab.catalog.entry import Change, Changes, Entry, Row, Value, Written, decode_revocation, key_of
from trimtab.catalog.errors import UnknownNode, WrongAddress
from trimtab.catalog.figure import MAX_TIMES, Figure
from trimtab.catalog.graph import Edges
from trimtab.catalog.node import decode_node
from trimtab.catalog.store import MAX_DEPTH, Direction, Lineage
from trimtab.catalog.writing import write
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.model_ref import Kind, ModelRef, ref

VERSION: Final = 1
_PORT: Final = 8529
_HEAD, _NODES, _EDGES, _FIGURES = "trimtab_catalogue", "trimtab_node", "trimtab_edge", "trimtab_figure"
_ALL: Final = [_HEAD, _NODES, _EDGES, _FIGURES]
_LOCK_S: Final = 10
_ROW: Final = "{ref: n.ref, body: n.body, edges: n.edges, revoked: n.revoked, revision: n.revision}"
_NEWEST: Final = f"""
    FOR n IN {_NODES} FILTER n.revision > @since
        FOR f IN {_FIGURES} FILTER f.ref == n.ref
            COLLECT ref = f.ref, metric = f.metric, segment = f.segment
                INTO found = [f.time_s, f.value, f.count]
            LET newest = LAST(FOR one IN found SORT one[0] RETURN one)
            RETURN [ref, metric, segment, newest]
"""
_WALK: Final = f"""
    WITH {_NODES}
    FOR v, e, p IN 0..@depth %s @start {_EDGES} OPTIONS {{order: "bfs", uniqueVertices: "global"}}
        RETURN {{ref: v.ref, depth: LENGTH(p.edges), revoked: v.revoked, edges: v.edges}}
"""

T = TypeVar("T")


class ArangoStore:
    """A catalogue in one database of ArangoDB."""

    def __init__(self, address: SplitResult, *, password: str = "", create: bool = True) -> None:
        """`create`: whether to make the collections where they are not there."""
        scheme = "https" if address.scheme == "arangos" else "http"
        self._host = f"{address.hostname}:{address.port or _PORT}"
        self._client = ArangoClient(hosts=f"{scheme}://{self._host}", resolver_max_tries=1)
        self._database = self._asked(
            lambda: self._client.db(
                address.path.strip("/"), unquote(address.username or "root"),
                password or unquote(address.password or ""), verify=True,
            )
        )  # fmt: skip
        self._asked(lambda: self._prepare(create=create))

    def _prepare(self, *, create: bool) -> None:
        database = self._database
        if not database.has_collection(_HEAD):
            if not create:
                raise WrongAddress(
                    f"arango at {self._host}: there is no catalogue; `trimtab models register` makes one"
                )
            for name in _ALL[1:]:
                if not database.has_collection(name):
                    database.create_collection(name, edge=name == _EDGES)
            database.collection(_NODES).add_index({"type": "persistent", "fields": ["revision"]})
            fields = ["ref", "metric", "segment", "time_s"]
            database.collection(_FIGURES).add_index({"type": "persistent", "fields": fields, "unique": True})
            database.create_collection(_HEAD)  # the last, for it says that the others are there
        head = database.collection(_HEAD)
        if not head.has("head"):
            head.insert({"_key": "head", "revision": 0, "version": VERSION}, overwrite_mode="ignore", silent=True)
        version = head.get("head")["version"]
        if version != VERSION:
            raise WrongAddress(f"arango at {self._host}: schema version {version}, expected {VERSION}")

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (ArangoError, RequestException, ConnectionError) as error:
            raise Unreachable(f"arango at {self._host}: {error}") from error

    @contextmanager
    def _transaction(self, *, writes: bool) -> Iterator["_Session"]:
        of = {"write": _ALL[1:], "exclusive": [_HEAD]} if writes else {"read": _ALL}
        transaction = self._asked(lambda: self._database.begin_transaction(**of, lock_timeout=_LOCK_S))
        try:
            yield _Session(transaction)
            transaction.commit_transaction()
        except BaseException as error:
            if transaction.transaction_status() == "running":
                transaction.abort_transaction()
            if isinstance(error, (ArangoError, RequestException, ConnectionError)):
                raise Unreachable(f"arango at {self._host}: {error}") from error
            raise

    def write(self, change: Change) -> Written:
        """As `Store` says."""
        with self._transaction(writes=True) as session:
            return write(session, change)

    def revision(self) -> int:
        """As `Store` says."""
        return int(self._asked(lambda: self._database.collection(_HEAD).get("head"))["revision"])

    def changes(self, since: int = 0) -> Changes:
        """As `Store` says."""
        figures: dict[ModelRef, dict[str, Value]] = {}
        with self._transaction(writes=False) as session:
            rows = session.query(f"FOR n IN {_NODES} FILTER n.revision > @since SORT n.ref RETURN {_ROW}", since=since)
            for name, metric, segment, (time_s, value, count) in session.query(_NEWEST, since=since):
                figures.setdefault(name, {})[key_of(metric, segment)] = Value(value, time_s, count)
            return Changes(session.revision(), [_row(one) for one in rows], figures)

    def entry(self, ref: ModelRef) -> Entry:
        """As `Store` says."""
        with self._transaction(writes=False) as session:
            row = session.rows([ref]).get(ref)
            figures = session.newest(ref)
        if row is None:
            raise UnknownNode(f"there is no {ref} in the catalogue")
        revoked = decode_revocation(row.revoked) if row.revoked else None
        return Entry(decode_node(row.body), row.revision, revoked, figures)

    def history(self, ref: ModelRef) -> list[Figure]:
        """As `Store` says."""
        self.entry(ref)
        with self._transaction(writes=False) as session:
            return session.figures(ref)

    def lineage(self, ref: ModelRef, direction: Direction, depth: int = MAX_DEPTH) -> Lineage:
        """As `Store` says."""
        self.entry(ref)
        walk = _WALK % ("OUTBOUND" if direction == "down" else "INBOUND")
        with self._transaction(writes=False) as session:
            found = session.query(walk, start=f"{_NODES}/{_key(ref)}", depth=depth)
        found.sort(key=lambda one: (one["depth"], one["ref"]))
        depths = {ModelRef(one["ref"]): int(one["depth"]) for one in found}
        edges = [
            (ModelRef(one["ref"]), ModelRef(target)) for one in found for target in one["edges"] if target in depths
        ]
        return Lineage(ref, depths, edges, frozenset(ModelRef(one["ref"]) for one in found if one["revoked"]))

    def close(self) -> None:
        """As `Store` says."""
        self._client.close()


class _Session:
    """`trimtab.catalog.writing.Session` in one transaction."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def query(self, text: str, **bound: object) -> list[Any]:
        """Gives all that a query in AQL returns."""
        return list(self._transaction.aql.execute(text, bind_vars=bound))

    def revision(self) -> int:
        return int(self._transaction.collection(_HEAD).get("head")["revision"])

    def rows(self, refs: Iterable[ModelRef]) -> dict[ModelRef, Row]:
        keys = [_key(one) for one in refs]
        found = self.query(f"FOR n IN {_NODES} FILTER n._key IN @keys RETURN {_ROW}", keys=keys)
        return {one.ref: one for one in map(_row, found)}

    def versions(self, name: str) -> list[ModelRef]:
        start = f"{_key(ref(Kind.MODEL, name))}:"
        found = self.query(
            f"FOR n IN {_NODES} FILTER n._key > @first AND n._key < @last RETURN n.ref",
            first=start, last=f"{start[:-1]};",
        )  # fmt: skip
        return [ModelRef(one) for one in found]

    def edges_of(self, refs: Iterable[ModelRef]) -> Edges:
        return {row.ref: row.edges for row in self.rows(refs).values()}

    def put(self, rows: Iterable[Row]) -> None:
        written = list(rows)
        nodes = [{"_key": _key(row.ref), **row._asdict()} for row in written]
        places = [f"{_NODES}/{_key(row.ref)}" for row in written]
        edges = [
            {"_from": f"{_NODES}/{_key(row.ref)}", "_to": f"{_NODES}/{_key(target)}"}
            for row in written
            for target in row.edges
        ]
        self.query(f"FOR n IN @nodes INSERT n INTO {_NODES} OPTIONS {{overwriteMode: 'replace'}}", nodes=nodes)
        self.query(f"FOR e IN {_EDGES} FILTER e._from IN @places REMOVE e IN {_EDGES}", places=places)
        self.query(f"FOR e IN @edges INSERT e INTO {_EDGES}", edges=edges)

    def newest(self, ref: ModelRef) -> dict[str, Figure]:
        return {figure.key: figure for figure in self.figures(ref)}  # the oldest come first

    def figures(self, ref: ModelRef) -> list[Figure]:
        """Gives all figures of a node, by metric and segment, oldest first."""
        found = self.query(
            f"FOR f IN {_FIGURES} FILTER f.ref == @ref SORT f.metric, f.segment, f.time_s"
            " RETURN {metric: f.metric, segment: f.segment, time_s: f.time_s, value: f.value, count: f.count}",
            ref=ref,
        )
        return [Figure.model_construct(**one) for one in found]

    def add(self, ref: ModelRef, figures: Iterable[Figure]) -> None:
        documents = [{"ref": ref, **figure.model_dump()} for figure in figures]
        self.query(
            "FOR f IN @figures UPSERT {ref: f.ref, metric: f.metric, segment: f.segment, time_s: f.time_s}"
            f" INSERT f UPDATE {{value: f.value, count: f.count}} IN {_FIGURES}",
            figures=documents,
        )
        self.query(
            f"FOR f IN {_FIGURES} FILTER f.ref == @ref SORT f.time_s DESC"
            " COLLECT metric = f.metric, segment = f.segment INTO keys = [f.time_s, f._key]"
            " LET old = (FOR one IN keys SORT one[0] DESC LIMIT @most, 1000000 RETURN one[1])"
            f" FOR key IN old REMOVE key IN {_FIGURES}",
            ref=ref, most=MAX_TIMES,
        )  # fmt: skip

    def close(self, revision: int) -> None:
        self._transaction.collection(_HEAD).update({"_key": "head", "revision": revision}, silent=True)


def _key(one: ModelRef) -> str:
    """Gives the key of a node, in which ArangoDB lets no slash stand, and names of ours have no `$`."""
    return one.replace("/", "$", 1)


def _row(found: dict[str, Any]) -> Row:
    return Row(
        ModelRef(found["ref"]), found["body"], tuple(map(ModelRef, found["edges"])), found["revoked"], found["revision"]
    )  # fmt: skip
