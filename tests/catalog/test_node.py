"""What nodes and figures may be, and how mistakes in files of the catalogue are told."""

from pathlib import Path

import pytest

from catalog.builders import digits
from trimtab.catalog.figure import is_possible
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


def test_a_figure_of_which_everybody_means_the_same_has_bounds_and_others_have_none() -> None:
    for metric, value, can_be in (
        ("accuracy", 1.0, True), ("accuracy", 1.01, False), ("share", -0.1, False), ("cost", 1e300, True),
        ("log_loss", -0.1, False), ("my_score", -1e300, True), ("my_score", float("nan"), False),
    ):  # fmt: skip
        assert is_possible(metric, value) is can_be


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
        ("kind: model\nname: a\nversion: '1'\nperformance: {accuracy: 96.9}", "expected 0 to 1 for accuracy, got 96.9"),
        ("kind: model\nname: a\nversion: '1'\nperformance: {p99_ms: -5}", "expected 0 or more for p99_ms, got -5"),
        ("kind: model\nname: a\nversion: '1'\nperformance: {a: true}", "value: expected a valid number, got True"),
        ("kind: model\nname: a\nversion: '1'\nperformance: [{metric: a, value: 1, timeS: 1767225600000}]",
         "f.yaml:4: performance[0].timeS: expected at most 253402300799, got 1767225600000"),
        (f"kind: model\nname: a\nversion: '1'\nperformance: [{{metric: a, value: 1, count: {10**20}}}]", "expected at"),
        (f"kind: run\nname: a\nstartedS: {10**20}", "f.yaml:3: startedS: expected at most 253402300799"),
        (f"kind: deployment\nname: a\nsince: [{10**20}, 1]", "f.yaml:3: since[0]: expected at most"),
        ("kind: deployment\nname: a\nsince: [1, -1]", "f.yaml:3: since[1]: expected at least 0, got -1"),
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
