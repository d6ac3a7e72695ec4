"""What the catalogue holds of a node, and what a writer asks it to hold."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from trimtab.catalog.figure import Figure
from trimtab.catalog.node import Node
from trimtab.schemas.model_ref import ModelRef

Outcome = Literal["created", "configured", "unchanged"]


class Revocation(msgspec.Struct, frozen=True):
    """That a node must not be used any more."""

    reason: str
    actor: str = ""
    time_s: int = 0


encode_revocation: Final = msgspec.json.Encoder().encode
decode_revocation: Final = msgspec.json.Decoder(Revocation).decode


class Entry(NamedTuple):
    """A node as the catalogue has it."""

    node: Node
    revision: int
    """of the catalogue, when it changed last"""
    revoked: Revocation | None
    figures: Mapping[str, Figure]
    """key -> the newest of each metric and segment"""


class Change(NamedTuple):
    """What is written together, all of it or nothing."""

    nodes: tuple[Node, ...] = ()
    """new ones, or in place of those of the same names; their edges replace what those had"""
    figures: Mapping[ModelRef, tuple[Figure, ...]] = {}
    """further figures of nodes"""
    revoked: Mapping[ModelRef, str] = {}
    """node -> why it must not be used any more; empty: it may be again"""
    actor: str = ""
    time_s: int = 0
    """now, since the epoch"""


class Written(NamedTuple):
    """What became of a change."""

    revision: int
    """of the catalogue after it"""
    outcomes: Mapping[ModelRef, Outcome]
    """of each node that the change names"""


class Value(NamedTuple):
    """A figure, where its key is known."""

    value: float
    time_s: int
    samples: int | None = None
    """`Figure.count`"""


class Row(NamedTuple):
    """A node as stores keep it."""

    ref: ModelRef
    body: str
    """`trimtab.catalog.node.encode_node`"""
    edges: tuple[ModelRef, ...]
    revoked: str
    """`Revocation` as JSON; empty where it is not"""
    revision: int


class Changes(NamedTuple):
    """What is new in the catalogue since a revision."""

    revision: int
    """of the catalogue now"""
    rows: list[Row]
    """the nodes that changed, by name"""
    figures: Mapping[ModelRef, Mapping[str, Value]]
    """of those nodes: the newest of each metric and segment, by its key"""


def key_of(metric: str, segment: str) -> str:
    """Gives how a query calls a figure, without its stage.

    >>> key_of("accuracy", ""), key_of("accuracy", "eu")
    ('accuracy', 'accuracy[eu]')
    """
    return f"{metric}[{segment}]" if segment else metric
