"""What a write does, whichever store keeps it: the rules are here, and run within the store's transaction.

* A node that is written again stays revoked: whoever runs a pipeline anew does not undo what somebody decided.
* An alias belongs to one version of a model, the one that was given it last.
* A figure without a time is of now, and is not written again while it stays the same.
* What changed nothing makes no revision.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from trimtab.catalog.entry import Change, Outcome, Revocation, Row, Written, encode_revocation
from trimtab.catalog.errors import TooMuch, UnknownNode
from trimtab.catalog.figure import MAX_SERIES, Figure
from trimtab.catalog.graph import Edges, check_edges
from trimtab.catalog.node import Model, Node, decode_node, encode_node
from trimtab.schemas.model_ref import Kind, ModelRef, kind_of

MAX_REASON: Final = 1_000
"""Characters of a reason: it stands in orders and in decisions, which have to fit into a message."""
_HAVE_FIGURES = (Kind.MODEL, Kind.DEPLOYMENT)


class Session(Protocol):
    """One transaction of a store. What raises within it is undone as a whole."""

    def revision(self) -> int:
        """Gives the catalogue's revision before this write."""

    def rows(self, refs: Iterable[ModelRef]) -> dict[ModelRef, Row]:
        """Gives those of some nodes that exist, as written so far."""

    def versions(self, name: str) -> list[ModelRef]:
        """Gives all versions of a model."""

    def edges_of(self, refs: Iterable[ModelRef]) -> Edges:
        """Gives the edges of those of some nodes that exist, as written so far."""

    def put(self, rows: Iterable[Row]) -> None:
        """Writes nodes with their edges in place of those of the same names."""

    def newest(self, ref: ModelRef) -> dict[str, Figure]:
        """Gives the newest figure of each key of a node."""

    def add(self, ref: ModelRef, figures: Iterable[Figure]) -> None:
        """Writes figures; of each metric and segment only the newest `MAX_TIMES` stay."""

    def close(self, revision: int) -> None:
        """Makes `revision` that of the catalogue."""


def write(session: Session, change: Change) -> Written:
    """Writes a change. Raises `CatalogError` for what the catalogue refuses."""
    before = session.revision()
    revision = before + 1
    outcomes: dict[ModelRef, Outcome] = {}
    _put_nodes(session, change.nodes, revision, outcomes)
    for node in change.nodes:
        if _add_figures(session, node.ref, node.figures, change.time_s) and outcomes[node.ref] == "unchanged":
            outcomes[node.ref] = "configured"
    _require(session, [*change.figures, *change.revoked])
    for ref, figures in change.figures.items():
        outcomes[ref] = "configured" if _add_figures(session, ref, figures, change.time_s) else "unchanged"
    for ref, reason in change.revoked.items():
        outcomes[ref] = _revoke(session, ref, reason, change, revision)
    changed = [ref for ref, outcome in outcomes.items() if outcome != "unchanged"]
    if not changed:
        return Written(before, outcomes)
    session.put([row._replace(revision=revision) for row in session.rows(changed).values() if row.revision != revision])
    session.close(revision)
    return Written(revision, outcomes)


def _put_nodes(session: Session, nodes: tuple[Node, ...], revision: int, outcomes: dict[ModelRef, Outcome]) -> None:
    had = session.rows([node.ref for node in nodes])
    rows: list[Row] = []
    for node in nodes:
        row, old = Row(node.ref, encode_node(node), node.edges, "", revision), had.get(node.ref)
        row = row._replace(revoked=old.revoked) if old else row
        outcomes[node.ref] = "created" if old is None else "unchanged" if old.body == row.body else "configured"
        if outcomes[node.ref] != "unchanged":
            rows.append(row)
    session.put(rows)
    check_edges([node for node in nodes if outcomes[node.ref] != "unchanged"], session.edges_of)
    for node in nodes:
        if isinstance(node, Model) and node.aliases:
            _take_aliases(session, node, revision, outcomes)


def _take_aliases(session: Session, model: Model, revision: int, outcomes: dict[ModelRef, Outcome]) -> None:
    """Takes a model's aliases from its other versions."""
    for ref, row in session.rows(session.versions(model.name)).items():
        other = decode_node(row.body)
        if ref != model.ref and isinstance(other, Model) and set(other.aliases) & set(model.aliases):
            left = tuple(alias for alias in other.aliases if alias not in model.aliases)
            session.put([row._replace(body=encode_node(other.model_copy(update={"aliases": left})), revision=revision)])
            outcomes[ref] = outcomes.get(ref, "configured")


def _require(session: Session, refs: Iterable[ModelRef]) -> None:
    wanted = list(dict.fromkeys(refs))
    found = session.rows(wanted)
    for ref in wanted:
        if ref not in found:
            raise UnknownNode(f"there is no {ref} in the catalogue")


def _add_figures(session: Session, ref: ModelRef, figures: Iterable[Figure], time_s: int) -> bool:
    """Writes those figures that say something new, and tells whether there were any."""
    figures = tuple(figures)
    if not figures:
        return False
    if kind_of(ref) not in _HAVE_FIGURES:
        raise TooMuch(f"{ref}: figures are of models and deployments, got some of a {kind_of(ref)}")
    newest = session.newest(ref)
    timed = [_timed(figure, time_s) for figure in figures if not _is_known(figure, newest)]
    new = list({(figure.key, figure.time_s): figure for figure in timed}.values())  # of the same time the last counts
    if len(newest.keys() | {figure.key for figure in new}) > MAX_SERIES:
        raise TooMuch(f"{ref}: expected at most {MAX_SERIES} metrics and segments")
    session.add(ref, new)
    return bool(new)


def _timed(figure: Figure, time_s: int) -> Figure:
    return figure if figure.time_s else figure.model_copy(update={"time_s": time_s})


def _is_known(figure: Figure, newest: Mapping[str, Figure]) -> bool:
    known = newest.get(figure.key)
    if known is None:
        return False
    same = (known.value, known.count) == (figure.value, figure.count)
    return same and figure.time_s in (0, known.time_s)


def _revoke(session: Session, ref: ModelRef, reason: str, change: Change, revision: int) -> Outcome:
    if len(reason) > MAX_REASON:
        raise TooMuch(f"{ref}: expected a reason of at most {MAX_REASON} characters, got {len(reason)}")
    row = session.rows([ref])[ref]
    if bool(reason) == bool(row.revoked):
        return "unchanged"
    revoked = encode_revocation(Revocation(reason, change.actor, change.time_s)).decode() if reason else ""
    session.put([row._replace(revoked=revoked, revision=revision)])
    return "configured"
