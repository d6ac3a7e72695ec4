"""What nodes and figures may be, and how mistakes in files of the catalogue are told."""

from pathlib import Path

import pytest

from catalog.builders import digits
from trimtab.catalog.model_file import dump_nodes, load_nodes, read_nodes
from trimtab.catalog.node import RESTS_ON, decode_node, encode_node
from trimtab.schemas.errors import InvalidFile
from trimtab.schemas.model_ref import Kind


def told(text: str) -> list[str]:
    with pytest.raises(InvalidFile) as caught:
        load_nodes(text, "f.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_nodes_survive_a_file_and_a_store() -> None:
    assert load_nodes(dump_nodes(digits()), "f.yaml") == digits()
    without = [one for one in digits() if not one.figures]
    assert [decode_node(encode_node(one)) for one in without] == without


def test_every_kind_says_what_it_may_rest_on() -> None:
    assert set(RESTS_ON) == set(Kind)
    assert {target for targets in RESTS_ON.values() for target in targets} == set(Kind) - {Kind.DEPLOYMENT}


def test_figures_may_be_a_mapping_or_a_list() -> None:
    head = "kind: model\nname: digits\nversion: '1'\nperformance: "
    short = load_nodes(f"{head}{{accuracy: 0.9}}", "f")[0].figures
    long = load_nodes(f"{head}[{{metric: accuracy, value: 0.9}}]", "f")[0].figures
    assert short == long
    assert short[0].key == "accuracy"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f.yaml:1: (document): expected a node of the catalogue, found an empty file"),
        ("kind: modle\nname: a", "f.yaml:1: kind: expected one of"),
        ("name: a", "f.yaml:1: kind: expected a value, found none"),
        ("kind: dataset\nname: a b", "f.yaml:2: name: expected a name of letters, digits, dots, - and _"),
        ("kind: dataset\nname: a\nprivacy: secret", "f.yaml:3: privacy: expected 'public', 'internal'"),
        ("kind: dataset\nname: a\nlicense: MIT", "f.yaml:3: license: no such field"),
        ("kind: model\nname: a", "f.yaml:1: version: expected a value, found none"),
        ("kind: run\nname: a\nrestsOn:\n- deployment/x", "f.yaml:3: restsOn: a run rests on project, dataset"),
        ("kind: run\nname: a\nrestsOn: [x]", "f.yaml:3: restsOn: expected KIND/NAME, such as dataset/clicks"),
        ("kind: run\nname: a\nrestsOn: [datset/x]", "got 'datset/x'; did you mean dataset?"),
        ("kind: run\nname: a\nrestsOn: [dataset/x, dataset/x]", "'dataset/x' stands twice"),
        ("kind: model\nname: a\nversion: '1'\nperformance: {a: .nan}", "f.yaml:4: performance.value: expected a fin"),
        ("kind: model\nname: a\nversion: '1'\nperformance: {Accuracy: 1}", "performance"),
        ("kind: model\nname: a\nversion: '1'\nperformance: [{metric: a, value: 1, segment: EU}]", "a segment's name"),
        ("kind: deployment\nname: a\nrelease: r", "expected a release and its variant, or neither"),
        ("kind: deployment\nname: a\nrelease: R\nvariant: v", "expected names of a release and a variant, got R, v"),
        ("kind: deployment\nname: a\nrestsOn: ['model/a:1', 'model/a:2']", "restsOn: expected at most one model"),
        ("kind: project\nname: a\ntags: {'a b': c}", "f.yaml:3: tags: expected names of letters"),
        ("kind: dataset\nname: a\n---\nkind: dataset\nname: a", "f.yaml:5: name: 'dataset/a' names two nodes"),
        ("kind: project\nname: a\nrestsOn: [project/b]", "a project rests on nothing; got project/b"),
        ("- a", "f.yaml:1: (document): expected a mapping"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_field(text: str, problem: str) -> None:
    problems = told(text)
    assert len(problems) == 1
    assert problem in problems[0]


def test_the_mistakes_of_all_files_are_told(tmp_path: Path) -> None:
    wrong, binary = tmp_path / "a.yaml", tmp_path / "b.yaml"
    wrong.write_text("kind: dataset\nname: ''")
    binary.write_bytes(b"\xff")
    with pytest.raises(InvalidFile) as caught:
        read_nodes([wrong, binary, tmp_path / "none.yaml"])
    assert [problem.message.split(",")[0] for problem in caught.value.problems] == [
        "expected a name of letters", "not UTF-8: invalid start byte", "No such file or directory",
    ]  # fmt: skip
