"""Evaluating a graph over models for one request, within a service.

`Graph` decides who is asked; how a model is asked is the caller's, as a function from its node to an `Answer` that may
raise. Members of an ensemble are asked at the same time, each in a thread of its own, and it waits for as long as the
slowest of them takes: a model's timeout is for that function to keep.

What was asked as of a variant of a release comes back beside the answer, for telemetry and labels: of an ensemble every
member, of a splitter the variant that was picked.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, assert_never

from trimtab.client.assign import Assign, Newest
from trimtab.client.combine import Answer
from trimtab.client.ensemble import Ensemble
from trimtab.schemas.condition import parse
from trimtab.schemas.errors import TrimtabError, Unreachable
from trimtab.schemas.model_graph import EnsembleNode, GraphSpec, Model, Splitter, Switch, Weighed
from trimtab.schemas.request_match import Request, matches
from trimtab.schemas.telemetry import RoutingKey

Ask = Callable[[Model], Answer]
"""Raises where the model does not answer in time, or no answer"""


class NoAnswer(TrimtabError):
    """There is nobody to ask for a variant; the message says which."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking one variant of a release."""

    key: RoutingKey
    answer: Answer | None
    """none where it did not answer"""
    duration_ms: float
    error: Exception | None = None
    """why it did not"""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What came of a request."""

    answer: Answer | None
    """none where nobody answered"""
    asked: tuple[Asked, ...]
    path: tuple[str, ...]
    """the nodes that it went through, those of an ensemble's members left out"""
    error: Exception | None = None
    """why there is no answer"""


class _Visit(NamedTuple):
    request: Request
    ask: Ask
    key: str | None


class Graph:
    """A graph over models, by the weights of the releases that it names. Safe for threads."""

    def __init__(self, spec: GraphSpec, weights: Newest) -> None:
        """`weights` follows `spec.releases`; before any have come the first variant of a node is taken."""
        self._nodes, self._entry = spec.nodes, spec.entry
        first = {node.release: next(iter(node.to)) for node in spec.nodes.values() if isinstance(node, Weighed)}
        self._assign = Assign(weights, default=first)
        self._ensembles = {release: Ensemble(weights, release, default=variant) for release, variant in first.items()}

    def evaluate(self, request: Request, ask: Ask, *, key: str | None = None) -> Evaluated:
        """Gives the answer to a request, or why there is none; `key`: by which splitters recognise who is asking."""
        return self._evaluated(self._entry, _Visit(request, ask, key))

    def _evaluated(self, name: str, visit: _Visit) -> Evaluated:
        node = self._nodes[name]
        match node:
            case Model():
                return _answered(name, node, visit)
            case Switch():
                found = self._evaluated(_chosen(node, visit.request), visit)
            case Splitter():
                found = self._split(node, visit)
            case EnsembleNode():
                return self._combined(name, node, visit)
            case _:
                assert_never(node)
        return Evaluated(found.answer, found.asked, (name, *found.path), found.error)

    def _split(self, node: Splitter, visit: _Visit) -> Evaluated:
        given, began_s = self._assign.pick(node.release, visit.key, request=visit.request), time.monotonic()
        found = self._of_variant(node, given.variant, visit)
        if not given.takes_part:
            return found
        asked = Asked(given.key, found.answer, _since_ms(began_s), found.error)
        return Evaluated(found.answer, (*found.asked, asked), found.path, found.error)

    def _combined(self, name: str, node: EnsembleNode, visit: _Visit) -> Evaluated:
        panel = self._ensembles[node.release].panel(request=visit.request)
        with ThreadPoolExecutor(len(panel.targets), "trimtab ensemble") as pool:
            found = dict(zip(panel.targets, pool.map(partial(self._timed, node, visit), panel.targets), strict=True))
        asked = list[Asked]()
        for member, (one, duration_ms) in found.items():
            asked += one.asked
            if panel.takes_part:
                asked.append(Asked(panel.keys[member], one.answer, duration_ms, one.error))
        answers = {member: one.answer for member, (one, _) in found.items() if one.answer is not None}
        try:
            return Evaluated(panel.combine(answers).answer, tuple(asked), (name,))
        except (ValueError, Unreachable) as error:
            return Evaluated(None, tuple(asked), (name,), error)

    def _timed(self, node: EnsembleNode, visit: _Visit, member: str) -> tuple[Evaluated, float]:
        """Gives what came of a member, and how many ms it took."""
        began_s = time.monotonic()
        return self._of_variant(node, member, visit), _since_ms(began_s)

    def _of_variant(self, node: Splitter | EnsembleNode, variant: str, visit: _Visit) -> Evaluated:
        if variant in node.to:
            return self._evaluated(node.to[variant], visit)
        told = f"release {node.release}: no node for {variant!r}, expected one of {', '.join(node.to)}"
        return Evaluated(None, (), (), NoAnswer(told))


def _answered(name: str, node: Model, visit: _Visit) -> Evaluated:
    try:
        return Evaluated(visit.ask(node), (), (name,))
    except Exception as error:  # noqa: BLE001 - whatever it raises, the model has not answered
        return Evaluated(None, (), (name,), error)


def _chosen(node: Switch, request: Request) -> str:
    return next((case.to for case in node.cases if matches(parse(case.when), request)), node.otherwise)


def _since_ms(began_s: float) -> float:
    return (time.monotonic() - began_s) * 1000
