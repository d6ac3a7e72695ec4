"""Graphs over models: which of them answer a request, and what is made of their answers.

YAML or JSON, `apiVersion: trimtab.dev/v1`, `kind: ModelGraph`. A node is a `model`, a `switch` (one node, by conditions
on the request), a `splitter` (one node, by the weights of a release) or an `ensemble` (all nodes, and one answer by the
weights of a release). What a graph keeps to is decided here: every edge leads to a node, no node leads back to itself,
every node is reached from the entry, and no two nodes go by the weights of one release.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from trimtab.schemas.condition_text import ConditionText
from trimtab.schemas.nearest import near
from trimtab.schemas.part import Name, Part, PositiveDurationMs, ReleaseName
from trimtab.schemas.yaml_file import Reading
from trimtab.schemas.yaml_file import load as load_file

MAX_NODES: Final = 64
MAX_EDGES: Final = 16
"""Of one node: as many as an ensemble has members."""


class Model(Part):
    """A model server that is asked."""

    type: Literal["model"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    timeout: PositiveDurationMs = 1_000
    """after which it has not answered"""


class Case(Part):
    """Requests that go to one node of a switch."""

    when: ConditionText
    """as `trimtab.schemas.condition` describes it"""
    to: Name


class Switch(Part):
    """The first case whose condition holds for the request, else `otherwise`."""

    type: Literal["switch"]
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_EDGES)]
    otherwise: Name


Edges = Annotated[dict[Name, Name], Field(min_length=1, max_length=MAX_EDGES)]
"""variant of the release -> node"""


class Splitter(Part):
    """The node of one variant of a release: each request goes to one, by weight."""

    type: Literal["splitter"]
    release: ReleaseName
    to: Edges


class EnsembleNode(Part):
    """The nodes of all members of a release under the strategy `ensemble`: each request goes to all."""

    type: Literal["ensemble"]
    release: ReleaseName
    to: Edges


Weighed = Splitter | EnsembleNode
"""By the weights of a release"""
Node = Annotated[Model | Switch | Splitter | EnsembleNode, Field(discriminator="type")]


class GraphMetadata(Part):
    """What the graph is called."""

    name: Name


class Edge(NamedTuple):
    """A way from a node to another."""

    field: str
    """of the node, where it is said"""
    to: str


class GraphSpec(Part):
    """The nodes, and where a request begins."""

    entry: Name
    nodes: Annotated[dict[Name, Node], Field(min_length=1, max_length=MAX_NODES)]

    @model_validator(mode="after")
    def _edges_lead_somewhere(self) -> Self:
        self._check("entry", self.entry)
        for name, node in self.nodes.items():
            for edge in edges_of(node):
                self._check(f"nodes.{name}.{edge.field}", edge.to)
        reached = self._walked(self.entry, ())
        for name in self.nodes:
            if name not in reached:
                raise ValueError(f"nodes.{name}: expected a way to it from {self.entry}, found none")
        return self

    @model_validator(mode="after")
    def _releases_have_one_node(self) -> Self:
        seen: dict[str, str] = {}
        for name, node in self.nodes.items():
            if isinstance(node, Weighed) and (other := seen.setdefault(node.release, name)) != name:
                raise ValueError(f"nodes.{name}.release: {node.release!r} is that of {other}, expected another one")
        return self

    def _check(self, field: str, to: str) -> None:
        if to not in self.nodes:
            raise ValueError(f"{field}: expected a node, got {to!r}{near(to, self.nodes)}")

    def _walked(self, name: str, path: tuple[str, ...], done: frozenset[str] = frozenset()) -> frozenset[str]:
        """Gives the nodes that are reached from one, and `done`. Raises `ValueError` with the path of a cycle."""
        if name in path:
            cycle = (*path[path.index(name) :], name)
            raise ValueError(f"nodes.{name}: leads back to itself: {' -> '.join(cycle)}")
        if name in done:
            return done
        for edge in edges_of(self.nodes[name]):
            done = self._walked(edge.to, (*path, name), done)
        return done | {name}

    @property
    def releases(self) -> list[str]:
        """The releases whose weights it needs."""
        found = [node.release for node in self.nodes.values() if isinstance(node, Weighed)]
        return list(dict.fromkeys(found))


class ModelGraph(Part):
    """A graph over models, with a name."""

    api_version: Literal["trimtab.dev/v1"]
    kind: Literal["ModelGraph"]
    metadata: GraphMetadata
    spec: GraphSpec


def edges_of(node: Model | Switch | Splitter | EnsembleNode) -> Iterator[Edge]:
    """Gives the ways from a node, in the order of the file."""
    match node:
        case Model():
            return
        case Switch():
            yield from (Edge(f"cases.{place}.to", case.to) for place, case in enumerate(node.cases))
            yield Edge("otherwise", node.otherwise)
        case Splitter() | EnsembleNode():
            yield from _of_variants(node.to)


def _of_variants(to: Mapping[str, str]) -> Iterator[Edge]:
    return (Edge(f"to.{variant}", name) for variant, name in to.items())


_READING: Final = Reading(
    "a graph",
    "graphs",
    lambda document: ModelGraph.model_validate(document, by_alias=True, by_name=False),
    lambda graph: str(graph.metadata.name),
    ("metadata", "name"),
)


def load(text: str, file: str) -> list[ModelGraph]:
    """Gives the graphs of a YAML (or JSON) text; `file` is what to call it in errors.

    Raises `InvalidFile` with every mistake found, and gives nothing in that case.
    """
    return load_file(text, file, _READING)
