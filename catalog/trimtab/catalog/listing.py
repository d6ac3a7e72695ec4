"""What people ask of a catalogue as a whole: lists, the model behind an answer, lineage as plain data."""

import re
from typing import Final

from trimtab.catalog.choice import matching_refs
from trimtab.catalog.entry import Changes, Entry, decode_revocation
from trimtab.catalog.errors import UnknownNode
from trimtab.catalog.figure import Figure
from trimtab.catalog.node import decode_node
from trimtab.catalog.store import Lineage, Store
from trimtab.catalog.view import Snapshot
from trimtab.schemas.ids import Revision
from trimtab.schemas.model_ref import Kind, ModelRef, kind_of

_ANSWER: Final = re.compile(r"answer/([^/@\s]+)/([^/@\s]+)(?:@(?:([0-9]+)\.)?([0-9]+))?")
_KEY: Final = re.compile(r"([^\[]+)(?:\[([^\]]+)\])?")


def entries_of(store: Store, kind: Kind) -> list[Entry]:
    """Gives all nodes of a kind, by name."""
    changes = store.changes()
    return _entries(changes, {row.ref for row in changes.rows if kind_of(row.ref) is kind})


def matching(store: Store, where: str = "") -> list[Entry]:
    """Gives the models that a query means, by name, whether they are revoked or not. Raises `QueryError`."""
    changes = store.changes()
    return _entries(changes, set(matching_refs(Snapshot().after(changes), where)))


def _entries(changes: Changes, refs: set[ModelRef]) -> list[Entry]:
    return [
        Entry(
            decode_node(row.body), row.revision, decode_revocation(row.revoked) if row.revoked else None,
            {key: _figure(key, *value) for key, value in changes.figures.get(row.ref, {}).items()},
        )
        for row in changes.rows
        if row.ref in refs
    ]  # fmt: skip


def _figure(key: str, value: float, time_s: int, count: int | None) -> Figure:
    found = _KEY.fullmatch(key)
    metric, segment = found.groups() if found else (key, None)
    return Figure.model_construct(metric=metric, segment=segment or "", value=value, time_s=time_s, count=count)


def answered_by(store: Store, answer: str) -> ModelRef:
    """Gives the deployment behind `answer/RELEASE/VARIANT@ERA.REVISION`; without a revision the newest one's.

    A revision without an era is of the newest era. Raises `UnknownNode` where no deployment is known to have given it.
    """
    found = _ANSWER.fullmatch(answer)
    if found is None:
        raise UnknownNode(f"expected answer/RELEASE/VARIANT@REVISION, got {answer!r:.120}")
    release, variant, era, revision = found.groups()
    at: Revision = (int(era) if era else _ANY, int(revision) if revision else _ANY)
    deployment = Snapshot().after(store.changes()).deployment(release, variant, at)
    if deployment is None:
        raise UnknownNode(f"{answer}: no deployment of the catalogue gave it")
    return deployment


_ANY: Final = 1 << 62


def plain_lineage(found: Lineage) -> dict[str, object]:
    """Gives lineage as plain data."""
    return {
        "start": found.start,
        "nodes": [{"ref": ref, "depth": depth, "revoked": ref in found.revoked} for ref, depth in found.depths.items()],
        "edges": [{"from": upper, "to": lower} for upper, lower in found.edges],
    }
