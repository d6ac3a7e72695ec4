"""`trimtab models`, as a person or a pipeline calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from trimtab.control.cli import app

EXAMPLE = Path(__file__).parents[2] / "examples" / "models-digits.yaml"


class Models:
    """Calls `trimtab models` on one catalogue."""

    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, *words: str, env: dict[str, str] | None = None) -> Result:
        return CliRunner(env={"COLUMNS": "160", **(env or {})}).invoke(app, ["models", *words, "--catalog", self.url])

    def names(self, *words: str) -> list[str]:
        done = self(*words, "-o", "name")
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout.splitlines()


@pytest.fixture
def models(tmp_path: Path) -> Models:
    models = Models(f"sqlite:///{tmp_path / 'catalog.db'}")
    done = models("register", "-f", str(EXAMPLE))
    assert (done.exit_code, done.stderr) == (0, "")
    assert "model/digits:2 created\n" in done.stdout
    return models


def test_what_is_registered_again_is_unchanged(models: Models) -> None:
    done = models("register", "-f", str(EXAMPLE))
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"unchanged"}


def test_models_are_listed_in_every_form(models: Models) -> None:
    assert models.names("list") == ["model/digits:1", "model/digits:2"]
    assert models.names("list", "--where", "alias = challenger") == ["model/digits:2"]
    assert models.names("list", "--kind", "dataset") == ["dataset/labels-2026", "dataset/scans"]
    table = models("list").stdout
    assert "digits:2" in table
    assert "accuracy=0.969 accuracy[handwritten]=0.94" in table
    found = json.loads(models("list", "-o", "json").stdout)
    assert [one["version"] for one in found] == ["1", "2"]
    assert found == yaml.safe_load(models("list", "-o", "yaml").stdout)
    assert found[0]["status"] == {"ref": "model/digits:1", "revision": 1}
    assert "run/forest-8" in models("list", "--kind", "run").stdout
    assert models("list", "--where", "name = none").stdout == "no models\n"


def test_one_is_shown_in_every_form(models: Models) -> None:
    text = models("show", "digits:2").stdout
    assert "restsOn: run/forest-8" in text
    assert "accuracy[handwritten]" in text
    found = json.loads(models("show", "digits:2", "-o", "json").stdout)
    assert {one["metric"]: one["value"] for one in found["performance"] if "segment" not in one} == {
        "accuracy": 0.969, "p99_ms": 13.0, "cost": 3.0,
    }  # fmt: skip
    assert models.names("show", "dataset/scans") == ["dataset/scans"]


def test_lineage_is_shown_both_ways_and_of_an_answer(models: Models) -> None:
    down = models("lineage", "deployment/digits-v2").stdout
    assert "serves model/digits:2" in down
    assert "is made by run/forest-8" in down
    assert "derives from it dataset/labels-2026" in models("lineage", "dataset/scans", "--up").stdout
    assert models.names("lineage", "answer/digits/v2@1", "--depth", "1") == ["deployment/digits-v2", "model/digits:2"]
    assert models.names("lineage", "answer/digits/v2@3.9")[0] == "deployment/digits-v2"
    found = json.loads(models("lineage", "digits:1", "--depth", "1", "-o", "json").stdout)
    assert found == {
        "start": "model/digits:1",
        "nodes": [
            {"ref": "model/digits:1", "depth": 0, "revoked": False},
            {"ref": "run/logistic-7", "depth": 1, "revoked": False},
        ],
        "edges": [{"from": "model/digits:1", "to": "run/logistic-7"}],
    }


def test_a_model_is_chosen_with_what_was_excluded(models: Models) -> None:
    assert models.names("choose", "--where", "accuracy >= 0.96") == ["model/digits:2"]
    assert models.names("choose", "--prefer", "p99_ms,accuracy") == ["model/digits:1"]
    assert models.names("choose", "--prefer", "accuracy=9,p99_ms=1") == ["model/digits:2"]
    table = models("choose", "--where", "blessed and p99_ms <= 5").stdout
    assert "1 of 2 match" in table
    assert "p99_ms <= 5" in table
    found = json.loads(models("choose", "--where", "p99_ms <= 5", "-o", "json").stdout)
    assert (found["chosen"], found["considered"], found["matched"]) == ("model/digits:1", 2, 1)
    assert found["exclusions"] == [{"constraint": "p99_ms <= 5", "excluded": 1, "unknown": 0, "alone": 1, "hint": ""}]


def test_where_none_matches_the_constraints_are_told_and_the_exit_code_is_1(models: Models) -> None:
    for output in ("table", "name", "json"):
        done = models("choose", "--where", "accuracy > 0.99 and blessed", "-o", output)
        assert done.exit_code == 1
        assert done.stderr == (
            "trimtab: no model of 2 matches: `accuracy > 0.99` excludes 2 (2 that nothing else excludes)\n"
        )
    assert done.stdout


def test_revoking_data_tells_which_models_rest_on_them_and_is_undone(models: Models) -> None:
    done = models("revoke", "dataset/labels-2026", "--reason", "half of them were wrong")
    assert done.stdout == (
        "dataset/labels-2026 revoked\nmodel/digits:1 must not be used: it rests on it\n"
    )  # fmt: skip
    assert models.names("choose") == ["model/digits:2"]
    assert "half of them were wrong" in models("show", "dataset/labels-2026").stdout
    assert "(revoked)" in models("lineage", "digits:1").stdout
    assert (
        models("revoke", "dataset/labels-2026", "--reason", "again").stdout
        == "dataset/labels-2026 is revoked already\n"
    )
    done = models("reinstate", "dataset/labels-2026", "--reason", "they were right")
    assert done.stdout == "dataset/labels-2026 reinstated\nmodel/digits:1 may be used again\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["show", "digits"], 2, "expected a model as NAME:VERSION"),
        (["show", "datset/a"], 2, "did you mean dataset?"),
        (["show", "ghost:1"], 1, "there is no model/ghost:1 in the catalogue"),
        (["lineage", "answer/digits"], 1, "expected answer/RELEASE/VARIANT@REVISION"),
        (["lineage", "answer/digits/v9@3"], 1, "no deployment of the catalogue gave it"),
        (["choose", "--where", "acuracy"], 2, "--where: column 8: expected one of"),
        (["list", "--where", "(blessed"], 2, "--where: column 9: expected ')'"),
        (["choose", "--prefer", "accuracy,cost=1"], 2, "--prefer: expected METRIC,METRIC or METRIC=WEIGHT"),
        (["choose", "--prefer", "accuracy=x"], 2, "--prefer: expected numbers as weights"),
        (["choose", "--prefer", "Accuracy"], 2, "--prefer: expected a metric such as accuracy"),
        (["choose", "--prefer", "accuracy=-1"], 2, "--prefer: Input should be greater than 0"),
        (["choose", "--prefer", "accuracy=nan"], 2, "--prefer: Input should be a finite number"),
        (["choose", "--where", "environment = prodution"], 1, "no model has the environment prodution; did you"),
        (["choose", "--where", "lineage excludes dataset scan"], 1, "no dataset/scan in the catalogue; did you mean"),
        (["revoke", "digits:1"], 2, "--reason: expected why"),
        (["revoke", "ghost:1", "--reason", "x"], 1, "there is no model/ghost:1"),
        (["list", "--kind", "run", "--where", "blessed"], 2, "--where: queries are about models, got --kind run"),
        (["register", "-f", "/nowhere.yaml"], 2, "/nowhere.yaml:1: (file): No such file or directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told(models: Models, words: list[str], code: int, said: str) -> None:
    done = models(*words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


def test_a_file_with_a_mistake_registers_nothing(models: Models, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("kind: dataset\nname: new\n---\nkind: run\nname: r\nrestsOn: [dataset/gone]\n")
    done = models("register", "-f", str(wrong))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "run/r -> dataset/gone: there is no dataset/gone" in done.stderr
    wrong.write_text("kind: dataset\nname: new\n---\nkind: run\nname: r\nrests_on: []\n")
    done = models("register", "-f", str(wrong))
    assert done.exit_code == 2
    assert f"{wrong}:6: rests_on: no such field" in done.stderr
    assert "dataset/new" not in models.names("list", "--kind", "dataset")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "catalog.url (TRIMTAB_CATALOG__URL): expected where the catalogue is"),
        ("postgres://x", "catalog.url (TRIMTAB_CATALOG__URL): expected a URL: sqlite:///PATH"),
        ("sqlite://x", "expected sqlite:///PATH with three slashes"),
        ("sqlite:////nowhere/c.db", "/nowhere/c.db: there is no catalogue"),
        ("arango://host", "got no host or no database"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(url: str, said: str) -> None:
    done = Models(url)("list")
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.long
def test_an_arangodb_that_is_away_is_told_without_its_password() -> None:
    done = Models("arango://me:geheim@127.0.0.1:1/models")("list")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "arango at 127.0.0.1:1" in done.stderr
    assert "geheim" not in done.stderr


def test_the_address_may_come_from_the_environment(models: Models) -> None:
    done = CliRunner(env={"TRIMTAB_CATALOG__URL": models.url}).invoke(app, ["models", "list", "-o", "name"])
    assert done.stdout.splitlines() == ["model/digits:1", "model/digits:2"]


def test_the_command_line_does_not_wait_for_the_catalogue() -> None:
    program = (
        "import sys, trimtab.control.models_command, trimtab.control.models_write_command;"
        "print(sorted({'sqlite3', 'trimtab.catalog.store', 'arango', 'mlflow', 'yaml'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
