"""Graphs over models: what they may say, and that each mistake is told with its line, its field and its path."""

from pathlib import Path

import pytest

from schemas.release_text import with_change
from trimtab.schemas.errors import InvalidFile
from trimtab.schemas.model_graph import EnsembleNode, Model, load

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "models-graph.yaml"
TEXT = """\
apiVersion: trimtab.dev/v1
kind: ModelGraph
metadata: {name: digits}
spec:
  entry: by-origin
  nodes:
    by-origin:
      type: switch
      cases:
        - {when: has header X-Beta, to: split}
      otherwise: all
    all:
      type: ensemble
      release: digits
      to: {v1: fast, v2: slow}
    split:
      type: splitter
      release: digits-beta
      to: {v1: fast, v2: slow}
    fast: {type: model, url: "http://127.0.0.1:8001/", timeout: 200ms}
    slow: {type: model, url: "http://127.0.0.1:8002/"}
"""


def test_a_graph_has_nodes_and_the_releases_whose_weights_it_goes_by() -> None:
    (graph,) = load(TEXT, "graph.yaml")
    assert graph.spec.nodes["fast"] == Model(type="model", url="http://127.0.0.1:8001/", timeout="200ms")
    assert graph.spec.nodes["all"] == EnsembleNode(type="ensemble", release="digits", to={"v1": "fast", "v2": "slow"})
    assert graph.spec.releases == ["digits", "digits-beta"]


def test_the_example_is_a_graph() -> None:
    (graph,) = load(EXAMPLE.read_text(), str(EXAMPLE))
    assert graph.spec.releases == ["digits", "digits-beta"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("otherwise: all", "otherwise: al",
         "11: spec.nodes.by-origin.otherwise: expected a node, got 'al'; did you mean all?"),
        ("to: split", "to: splt",
         "10: spec.nodes.by-origin.cases[0].to: expected a node, got 'splt'; did you mean split?"),
        ("release: digits\n      to: {v1: fast,", "release: digits\n      to: {v1: gone,",
         "15: spec.nodes.all.to.v1: expected a node, got 'gone'"),
        ("entry: by-origin", "entry: nowhere", "5: spec.entry: expected a node, got 'nowhere'"),
        ("release: digits-beta\n      to: {v1: fast,", "release: digits-beta\n      to: {v1: by-origin,",
         "7: spec.nodes.by-origin: leads back to itself: by-origin -> split -> by-origin"),
        ("release: digits\n      to: {v1: fast,", "release: digits\n      to: {v1: all,",
         "12: spec.nodes.all: leads back to itself: all -> all"),
        ("entry: by-origin", "entry: all", "7: spec.nodes.by-origin: expected a way to it from all, found none"),
        ("release: digits-beta", "release: digits",
         "18: spec.nodes.split.release: 'digits' is that of all, expected another one"),
        ("when: has header X-Beta", "when: has hat",
         "10: spec.nodes.by-origin.cases[0].when: column 5: expected header or cookie, found 'hat'"),
        ("timeout: 200ms", "timeout: 0s", "20: spec.nodes.fast.timeout: expected a duration above 0, got 0ms"),
        ("http://127.0.0.1:8002/", "ftp://x", "21: spec.nodes.slow.url: expected a text that matches"),
        ("type: splitter", "type: lottery",
         "17: spec.nodes.split.type: expected one of 'model', 'switch', 'splitter', 'ensemble', got 'lottery'"),
        ("      otherwise: all\n", "", "7: spec.nodes.by-origin.otherwise: expected a value, found none"),
        ("kind: ModelGraph", "kind: Release", "2: kind: expected 'ModelGraph', got 'Release'"),
        ("to: {v1: fast, v2: slow}\n    split", "to: {}\n    split", "15: spec.nodes.all.to: "),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_its_field_and_its_path(old: str, new: str, told: str) -> None:
    with pytest.raises(InvalidFile) as refused:
        load(with_change(old, new, TEXT), "graph.yaml")
    assert any(str(problem).startswith(f"graph.yaml:{told}") for problem in refused.value.problems), [
        str(problem) for problem in refused.value.problems
    ]


def test_an_empty_file_is_no_graph() -> None:
    with pytest.raises(InvalidFile, match="expected a graph, found an empty file"):
        load("", "graph.yaml")
