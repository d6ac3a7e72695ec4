"""Nodes for tests, as short as can be."""

from typing import Any

from trimtab.catalog.entry import Change, Written
from trimtab.catalog.node import AnyNode, Node, decode_node, parse_node
from trimtab.catalog.store import Store
from trimtab.schemas.model_ref import parse_ref


def node(reference: str, *rests_on: str, **fields: Any) -> AnyNode:
    """Gives the node of that reference; a model's has its version in it."""
    kind, _, name = parse_ref(reference).partition("/")
    name, _, version = name.partition(":")
    document = {"kind": kind, "name": name, "restsOn": list(rests_on), **fields}
    return parse_node({**document, "version": version} if version else document)


def put(store: Store, *nodes: Node, time_s: int = 1_000) -> Written:
    return store.write(Change(nodes=nodes, time_s=time_s))


def digits() -> list[AnyNode]:
    """Two versions of a model on two datasets, and what they are deployed as."""
    return [
        node("project/post"),
        node("dataset/scans", privacy="internal"),
        node("dataset/labels", "dataset/scans"),
        node("featureset/pixels", "dataset/scans", features=["p0", "p1"]),
        node("parameters/forest", values={"trees": 200}),
        node("run/logistic", "dataset/labels", "project/post"),
        node("run/forest", "featureset/pixels", "parameters/forest", "project/post"),
        node("digits:1", "run/logistic", performance={"accuracy": 0.946, "p99_ms": 1}),
        node("digits:2", "run/forest", performance={"accuracy": 0.969, "p99_ms": 13}),
        node("deployment/digits-v1", "model/digits:1", release="digits", variant="v1"),
        node("deployment/digits-v2", "model/digits:2", release="digits", variant="v2", since=[7, 40]),
    ]


def nodes_of(store: Store, since: int = 0) -> list[AnyNode]:
    """Gives the nodes that changed after a revision, by name."""
    return [decode_node(row.body) for row in store.changes(since).rows]
