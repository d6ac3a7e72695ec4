"""Models from MLflow's registry and to it: a real one, in a folder."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from catalog.builders import digits, node, put
from trimtab.catalog.entry import Change
from trimtab.catalog.listing import entries_of, matching
from trimtab.catalog.node import Model
from trimtab.catalog.sqlite_store import SqliteStore
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.model_ref import Kind, ModelRef

mlflow = pytest.importorskip("mlflow", reason="mlflow-skinny is not installed: the extra `mlflow`")


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the only one that needs no server and no further package
    return f"file://{tmp_path / 'mlflow'}"


@pytest.fixture
def client(uri: str) -> Any:
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "catalog.db")
    yield opened
    opened.close()


def registered(client: Any, name: str = "digits", **tags: str) -> Any:
    """A version with a run, its data and its figures."""
    from mlflow.entities import Dataset, DatasetInput  # noqa: PLC0415 - an extra

    if name not in [model.name for model in client.search_registered_models()]:
        client.create_registered_model(name)
    experiment = client.get_experiment_by_name("e") or client.get_experiment(client.create_experiment("e"))
    run = client.create_run(experiment.experiment_id, run_name="forest").info.run_id
    client.log_metric(run, "val/Accuracy", 0.97)
    client.log_metric(run, "p99_ms", float("inf"))
    client.log_param(run, "trees", 200)
    data = Dataset(name="scans 2026", digest="ab12", source_type="local", source="s3://scans")
    client.log_inputs(run, [DatasetInput(data, [])])
    return client.create_model_version(name, source="s3://models/1", run_id=run, tags=tags)


def test_versions_come_with_runs_data_aliases_and_tags(client: Any, uri: str, store: SqliteStore) -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415 - an extra

    version = registered(client, **{
        "team": "post", "trimtab.environment": "production, staging", "trimtab.privacy": "internal",
        "trimtab.licence": "MIT", "trimtab.blessed": "true",
    })  # fmt: skip
    client.set_registered_model_alias("digits", "champion", version.version)
    found = Registry(uri).read()
    assert found.left_out == ["figure p99_ms of digits 1: inf"]
    put(store, *found.nodes)
    model = store.entry(ModelRef("model/digits:1"))
    assert isinstance(model.node, Model)
    assert model.node.environment == ("production", "staging")
    assert (model.node.privacy, model.node.licence, model.node.blessed) == ("internal", "MIT", True)
    assert (model.node.aliases, model.node.tags) == (("champion",), {"team": "post"})
    assert {key: figure.value for key, figure in model.figures.items()} == {"val_accuracy": 0.97}
    lineage = store.lineage(model.node.ref, "down").depths
    assert "dataset/scans-2026-ab12" in lineage
    assert f"parameters/{version.run_id}" in lineage
    assert [
        one.node.ref for one in matching(store, "alias = champion and lineage includes dataset scans-2026-ab12")
    ] == ["model/digits:1"]


def test_what_is_read_again_changes_nothing(client: Any, uri: str, store: SqliteStore) -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415

    registered(client)
    put(store, *Registry(uri).read().nodes)
    assert set(put(store, *Registry(uri).read().nodes).outcomes.values()) == {"unchanged"}


def test_what_cannot_be_taken_over_is_told_and_the_rest_is(client: Any, uri: str) -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415

    registered(client, "my model")
    registered(client, **{"trimtab.privacy": "secret"})
    client.create_model_version("digits", source="s3://x")
    found = Registry(uri).read()
    assert [one.ref for one in found.nodes if one.of is Kind.MODEL] == ["model/digits:2"]
    assert len(found.left_out) == 4
    assert found.left_out[0] == "figure p99_ms of digits 1: inf"
    assert "model 'digits': privacy: Input should be 'public', 'internal'" in found.left_out[1]
    assert "model 'my model': name: expected a name of letters" in found.left_out[3]


def test_a_run_that_mlflow_has_no_more_takes_no_lineage_away(client: Any, uri: str, store: SqliteStore) -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415

    run = registered(client).run_id
    put(store, *Registry(uri).read().nodes)
    before = store.lineage(ModelRef("model/digits:1"), "down").depths
    shutil.rmtree(next(Path(uri.removeprefix("file://")).glob(f"*/{run}")))  # as MLflow's garbage collection does
    found = Registry(uri).read()
    assert f"run {run} of digits 1: MLflow has it no more" in found.left_out
    assert [one.ref for one in found.gone] == [f"run/{run}"]
    put(store, *found.nodes)
    assert store.lineage(ModelRef("model/digits:1"), "down").depths == before


def test_two_versions_that_say_they_are_the_same_are_told(client: Any, uri: str) -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415

    for _ in range(2):
        registered(client, **{"trimtab.version": "7"})
    found = Registry(uri).read()
    assert [one.ref for one in found.nodes if one.of is Kind.MODEL] == ["model/digits:7"]
    assert "digits 2: another version says that it is model/digits:7" in found.left_out


def test_models_go_to_the_registry_and_come_back_as_they_were(client: Any, uri: str, store: SqliteStore) -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415

    put(store, *digits(), node("digits:2.1-b", "run/forest", aliases=["champion"], tags={"team": "post"},
                               environment=["production", "staging"], blessed=True, uri="s3://m"))  # fmt: skip
    store.write(Change(revoked={ModelRef("model/digits:1"): "wrong"}))
    registry = Registry(uri)
    assert registry.write(entries_of(store, Kind.MODEL)) == [
        "model/digits:1 created as version 1",
        "model/digits:2 created as version 2",
        "model/digits:2.1-b created as version 3",
    ]
    assert client.get_model_version("digits", "1").tags["trimtab.revoked"] == "wrong"
    assert client.get_model_version_by_alias("digits", "champion").version == 3
    back = {one.ref: one for one in registry.read().nodes if isinstance(one, Model)}
    ours = store.entry(ModelRef("model/digits:2.1-b")).node
    assert back[ours.ref].model_dump(exclude={"rests_on"}) == ours.model_dump(exclude={"rests_on"})
    store.write(Change(revoked={ModelRef("model/digits:1"): ""}))
    assert registry.write(entries_of(store, Kind.MODEL))[0] == "model/digits:1 configured as version 1"
    assert "trimtab.revoked" not in client.get_model_version("digits", "1").tags
    assert len(client.search_model_versions("name = 'digits'")) == 3


def test_a_registry_that_is_none_is_told() -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415

    with pytest.raises(Unreachable, match="mlflow at nonsense://x: "):
        Registry("nonsense://x").read()


def test_a_run_that_cannot_be_read_now_ends_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    from trimtab.catalog.mlflow_registry import Registry  # noqa: PLC0415

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with registry_without_runs() as address, pytest.raises(Unreachable, match=f"mlflow at {address}: .*runs/get"):
        Registry(address).read()


@contextmanager
def registry_without_runs() -> Iterator[str]:
    """A server with one version of a model, that fails where it is asked for its run."""
    model = {"name": "digits", "creation_timestamp": 1, "last_updated_timestamp": 1}
    version = {**model, "version": "1", "run_id": "r1", "status": "READY"}
    answers = {"registered-models/search": {"registered_models": [model]},
               "model-versions/search": {"model_versions": [version]}}  # fmt: skip

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = next((body for path, body in answers.items() if path in self.path), None)
            self.send_response(500 if found is None else 200)
            self.end_headers()
            self.wfile.write(json.dumps(found or {}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
