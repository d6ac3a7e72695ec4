"""What edges of the catalogue keep to: each ends somewhere, and none leads back to where it came from.

Both are looked at within the transaction that writes, so that two writers together cannot make what neither may.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from trimtab.catalog.errors import Cycle, DanglingEdge
from trimtab.catalog.node import Node
from trimtab.schemas.model_ref import ModelRef

Edges = Mapping[ModelRef, tuple[ModelRef, ...]]
"""node -> what it rests on, in the order of its file; a node that does not exist is not there"""

EdgesOf = Callable[[Iterable[ModelRef]], Edges]
"""Gives the edges of several nodes at once."""

_SHOWN: Final = 12
"""Steps of a path that a message has, at each end."""


def check_edges(written: Iterable[Node], edges_of: EdgesOf) -> None:
    """Raises `DanglingEdge` or `Cycle` where nodes that are being written make one. `edges_of` already has them.

    What was there before has neither: only what is within reach of the written nodes is looked at.
    """
    starts = [node.ref for node in written]
    reached = _reach(starts, edges_of)
    for start in starts:
        for target in reached[start]:
            if target not in reached:
                raise DanglingEdge(
                    f"{start} -> {target}: there is no {target} in the catalogue, nor in what is written"
                )
    if path := _cycle(starts, reached):
        raise Cycle(f"{_text(path)}: {path[0]} would rest on itself")


def _reach(starts: Iterable[ModelRef], edges_of: EdgesOf) -> dict[ModelRef, tuple[ModelRef, ...]]:
    """Gives the edges of all that is within reach, level by level."""
    reached: dict[ModelRef, tuple[ModelRef, ...]] = {}
    level = set(starts)
    while level:
        reached.update(edges_of(level))
        level = {target for one in level if one in reached for target in reached[one]} - reached.keys() - level
    return reached


def _cycle(starts: Iterable[ModelRef], edges: Edges) -> list[ModelRef]:
    """Gives a path that ends where it begins, or nothing: a walk in depth, without recursion."""
    done: set[ModelRef] = set()
    for start in starts:
        if start in done:
            continue
        path = {start: None}
        stack = [iter(edges[start])]
        while stack:
            target = next(stack[-1], None)
            if target is None:
                stack.pop()
                done.add(path.popitem()[0])
            elif target in path:
                nodes = list(path)
                return [*nodes[nodes.index(target) :], target]
            elif target not in done:
                path[target] = None
                stack.append(iter(edges[target]))
    return []


def _text(path: list[ModelRef]) -> str:
    if len(path) > 2 * _SHOWN:
        return f"{' -> '.join(path[:_SHOWN])} -> ({len(path) - 2 * _SHOWN} more) -> {' -> '.join(path[-_SHOWN:])}"
    return " -> ".join(path)
