"""What a store of the catalogue offers. `sqlite_store.py` and `arango_store.py` keep it, and pass the same tests."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

from trimtab.catalog.entry import Change, Changes, Entry, Written
from trimtab.catalog.figure import Figure
from trimtab.schemas.model_ref import ModelRef

Direction = Literal["down", "up"]
"""`down`: what something rests on, to its data. `up`: what rests on it, to the deployments."""

MAX_DEPTH: Final = 64


class Lineage(NamedTuple):
    """Everything that something rests on, or that rests on it."""

    start: ModelRef
    depths: Mapping[ModelRef, int]
    """node -> the fewest edges between it and the start, itself included with 0; by depth, then by name"""
    edges: Sequence[tuple[ModelRef, ModelRef]]
    """(what rests, on what), of all that was found"""
    revoked: frozenset[ModelRef]
    """those that must not be used any more"""


class Store(Protocol):
    """The models' catalogue. Safe to use from several threads, and by several processes at once.

    Every method raises `Unreachable` where a server that it needs does not answer.
    """

    def write(self, change: Change) -> Written:
        """Writes all of a change or, raising `CatalogError`, nothing."""

    def revision(self) -> int:
        """Gives a number that grows with every write that changed something."""

    def changes(self, since: int = 0) -> Changes:
        """Gives the nodes that changed after revision `since`; after 0 these are all."""

    def entry(self, ref: ModelRef) -> Entry:
        """Gives one node. Raises `UnknownNode`."""

    def history(self, ref: ModelRef) -> list[Figure]:
        """Gives all figures that are left of a node, by metric and segment, oldest first. Raises `UnknownNode`."""

    def lineage(self, ref: ModelRef, direction: Direction, depth: int = MAX_DEPTH) -> Lineage:
        """Gives what is within `depth` edges. Raises `UnknownNode`."""

    def close(self) -> None:
        """Ends its connections."""
