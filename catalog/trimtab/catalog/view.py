"""The catalogue in memory: what a choice among thousands of models has to look at, kept in step with a store.

A view asks its store for what has changed since it last looked, so that a choice costs no reading. A state of it is a
`Snapshot`, which does not change any more; the next one is made from it and the changes.
"""

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any, Final

from trimtab.catalog.candidate import Candidate, candidate_of, deployed
from trimtab.catalog.entry import Changes, Row, Value, decode_revocation
from trimtab.catalog.store import Store
from trimtab.schemas.ids import Revision
from trimtab.schemas.model_ref import ModelRef

_MODEL: Final = "model/"
_DEPLOYMENT: Final = "deployment/"


class Snapshot:
    """One state of the catalogue."""

    __slots__ = ("_above", "_answering", "_candidates", "_coded", "_columns", "_figures", "_lock", "_resting", "_rows",
                 "candidates", "out", "revision")  # fmt: skip

    def __init__(self) -> None:
        """Of an empty catalogue."""
        self.revision = 0
        self._rows: dict[ModelRef, Row] = {}
        self._figures: dict[ModelRef, Mapping[str, Value]] = {}
        self._above: dict[ModelRef, tuple[ModelRef, ...]] = {}
        self._answering: dict[tuple[str, str], tuple[tuple[Revision, ModelRef], ...]] = {}
        self._candidates: dict[ModelRef, Candidate] = {}
        self._resting: dict[ModelRef, frozenset[ModelRef]] = {}
        self._columns: dict[str, list[float | None]] = {}
        self._coded: dict[str, tuple[list[Any], list[int]]] = {}
        self._lock = Lock()
        self.candidates: tuple[Candidate, ...] = ()
        """all models, by name and version"""
        self.out: dict[ModelRef, str] = {}
        """models that must not be used -> why: they, or what they rest on, are revoked"""

    def after(self, changes: Changes) -> "Snapshot":
        """Gives the state that follows."""
        later = Snapshot()
        later.revision = changes.revision
        later._rows = {**self._rows, **{row.ref: row for row in changes.rows}}
        later._figures = {**self._figures, **changes.figures}
        moved = [row for row in changes.rows if row.ref not in self._rows or self._rows[row.ref].edges != row.edges]
        later._above = self._above_with(moved)
        later._resting = {} if moved else self._resting
        later._answering = self._answering_with(row for row in changes.rows if row.ref.startswith(_DEPLOYMENT))
        touched = {row.ref for row in changes.rows}
        for row in (*changes.rows, *(self._rows[ref] for ref in touched & self._rows.keys())):
            if row.ref.startswith(_DEPLOYMENT):
                touched.update(row.edges)
        fresh = {ref: later._candidate(ref) for ref in touched if ref.startswith(_MODEL)}
        later._candidates = {**self._candidates, **fresh}
        names = later._candidates if fresh.keys() <= self._candidates.keys() else sorted(later._candidates)
        later._candidates = {ref: later._candidates[ref] for ref in names}
        later.candidates = tuple(later._candidates.values())
        later.out = later._revoked()
        return later

    def _above_with(self, moved: Iterable[Row]) -> dict[ModelRef, tuple[ModelRef, ...]]:
        """Gives what rests on each node, once the edges of some have changed."""
        grown: dict[ModelRef, dict[ModelRef, None]] = {}
        for row in moved:
            was = self._rows.get(row.ref)
            for target in was.edges if was else ():
                grown.setdefault(target, dict.fromkeys(self._above.get(target, ()))).pop(row.ref)
            for target in row.edges:
                grown.setdefault(target, dict.fromkeys(self._above.get(target, ())))[row.ref] = None
        return {**self._above, **{target: tuple(refs) for target, refs in grown.items()}}

    def _candidate(self, ref: ModelRef) -> Candidate:
        """Gives a model with the newest figures of its deployments."""
        serving: dict[str, Value] = {}
        for above in sorted(self._above.get(ref, ())):
            if above.startswith(_DEPLOYMENT):
                for key, value in self._figures.get(above, {}).items():
                    if key not in serving or value.time_s >= serving[key].time_s:
                        serving[key] = value
        return candidate_of(self._rows[ref], self._figures.get(ref, {}), serving)

    def _revoked(self) -> dict[ModelRef, str]:
        out: dict[ModelRef, str] = {}
        for ref in sorted(ref for ref, row in self._rows.items() if row.revoked):
            why = f"{ref} is revoked: {decode_revocation(self._rows[ref].revoked).reason}"
            out = {**{model: why for model in (ref, *self.resting_on(ref)) if model.startswith(_MODEL)}, **out}
        return out

    def has(self, ref: ModelRef) -> bool:
        """Whether there is such a node."""
        return ref in self._rows

    def refs(self) -> Iterable[ModelRef]:
        """Gives all nodes."""
        return self._rows.keys()

    def edges(self, ref: ModelRef) -> tuple[ModelRef, ...]:
        """Gives what a node rests on; nothing for what is not there."""
        return self._rows[ref].edges if ref in self._rows else ()

    def column(self, figure: str) -> list[float | None]:
        """Gives a figure of each of `candidates`."""
        if figure not in self._columns:
            self._columns[figure] = [model.figures.get(figure) for model in self.candidates]
        return self._columns[figure]

    def coded(self, field: str) -> tuple[list[Any], list[int]]:
        """Gives the different values of a field of `candidates`, and for each of these which one it has."""
        if field not in self._coded:
            places: dict[Any, int] = {}
            column = [places.setdefault(getattr(model, field), len(places)) for model in self.candidates]
            self._coded[field] = (list(places), column)
        return self._coded[field]

    def resting_on(self, ref: ModelRef) -> frozenset[ModelRef]:
        """Gives what rests on a node, at whatever distance; nothing for what is not there, and not the node itself."""
        with self._lock:
            if ref not in self._resting:
                self._resting[ref] = self._walk(ref)
            return self._resting[ref]

    def _walk(self, ref: ModelRef) -> frozenset[ModelRef]:
        found: set[ModelRef] = set()
        ahead, above = [ref], self._above
        while ahead:
            for upper in above.get(ahead.pop(), ()):
                if upper not in found:
                    found.add(upper)
                    ahead.append(upper)
        return frozenset(found)

    def _answering_with(self, changed: Iterable[Row]) -> dict[tuple[str, str], tuple[tuple[Revision, ModelRef], ...]]:
        """Gives the deployments of each variant of a release, once some have changed."""
        answering = dict(self._answering)
        for row in changed:
            if row.ref in self._rows:
                release, variant, _ = deployed(self._rows[row.ref])
                answering[release, variant] = tuple(one for one in answering[release, variant] if one[1] != row.ref)
            release, variant, since = deployed(row)
            answering[release, variant] = (*answering.get((release, variant), ()), (since, row.ref))
        return answering

    def deployment(self, release: str, variant: str, revision: Revision) -> ModelRef | None:
        """Gives the deployment that an answer came from, by its attribution; None where none is known."""
        theirs = [one for one in self._answering.get((release, variant), ()) if one[0] <= revision]
        return max(theirs)[1] if theirs and release else None


class View:
    """The newest state of a store that was looked at."""

    def __init__(self, store: Store) -> None:
        """Nothing is read before somebody asks."""
        self._store = store
        self._lock = Lock()
        self._snapshot = Snapshot()

    def now(self) -> Snapshot:
        """Gives the catalogue as it is now. Raises `Unreachable` where the store's server does not answer."""
        with self._lock:
            if self._store.revision() != self._snapshot.revision:
                self._snapshot = self._snapshot.after(self._store.changes(self._snapshot.revision))
            return self._snapshot
