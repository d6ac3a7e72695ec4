"""The models' catalogue over HTTP: what is registered is found, chosen, traced and revoked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from control.api.api_rig import Answer, ApiRig, ApiServer

pytestmark = pytest.mark.integration
EXAMPLE = (Path(__file__).parents[3] / "examples" / "models-digits.yaml").read_bytes()
V1 = "/api/v1"
YAML = {"Content-Type": "application/yaml"}


@pytest.fixture(scope="module")
def rig() -> Iterator[ApiRig]:
    with ApiRig() as rig:
        yield rig


@pytest.fixture(scope="module")
def api(rig: ApiRig) -> ApiServer:
    server = rig.serve(f"TRIMTAB_CATALOG__URL=sqlite:///{rig.folder / 'catalog.db'}")
    done = server.ask("POST", f"{V1}/models", EXAMPLE, YAML)
    assert (done.status, done.json["revision"]) == (200, 1)
    assert done.json["outcomes"]["model/digits:2"] == "created"
    return server


def problem(found: Answer) -> tuple[int, Any]:
    assert found.headers["content-type"] == "application/problem+json"
    return found.status, found.json


def test_models_are_listed_shown_and_chosen(api: ApiServer) -> None:
    found = api.get(f"{V1}/models?where=accuracy%20%3E%200.96").json["items"]
    assert [one["version"] for one in found] == ["2"]
    assert len(api.get(f"{V1}/models?kind=dataset").json["items"]) == 2
    shown = api.get(f"{V1}/models/model/digits:2").json
    assert shown["restsOn"] == ["run/forest-8"]
    choice = api.get(f"{V1}/models/choice?where=blessed&prefer=p99_ms,accuracy").json
    assert (choice["chosen"], choice["considered"], choice["why_none"]) == ("model/digits:1", 2, "")
    none = api.get(f"{V1}/models/choice?where=accuracy%20%3E%201").json
    assert (none["chosen"], none["exclusions"][0]["excluded"]) == (None, 2)
    assert none["why_none"].startswith("no model of 2 matches: `accuracy > 1` excludes 2")


def test_lineage_goes_both_ways_and_from_an_answer(api: ApiServer) -> None:
    up = api.get(f"{V1}/models/dataset/labels-2026/lineage?direction=up").json
    assert [one["ref"] for one in up["nodes"]][-1] == "deployment/digits-v1"
    down = api.get(f"{V1}/models/model/digits:2/lineage?depth=1").json
    assert down["edges"] == [{"from": "model/digits:2", "to": "run/forest-8"}]
    of = api.get(f"{V1}/answers/digits/v2/lineage?revision=7.41").json
    assert of["start"] == "deployment/digits-v2"
    assert "dataset/scans" in [one["ref"] for one in of["nodes"]]


def test_what_is_revoked_is_not_chosen_until_it_is_reinstated(api: ApiServer) -> None:
    done = api.post(f"{V1}/models/dataset/labels-2026/revoke", {"reason": "no consent"})
    assert (done.status, done.json["outcomes"]) == (200, {"dataset/labels-2026": "configured"})
    revoked = api.get(f"{V1}/models/dataset/labels-2026").json["status"]["revoked"]
    assert revoked["reason"] == "no consent"
    assert api.get(f"{V1}/models/choice?prefer=p99_ms").json["chosen"] == "model/digits:2"
    api.post(f"{V1}/models/dataset/labels-2026/reinstate", {"reason": "a mistake"})
    assert api.get(f"{V1}/models/choice?prefer=p99_ms").json["chosen"] == "model/digits:1"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/models?where=blessed%20or", 422, "column 9"),
        ("/models?kind=run&where=blessed", 422, "queries are about models"),
        ("/models?kind=thing", 422, "arguments break their rules"),
        ("/models/choice?prefer=a=b", 422, "expected numbers as weights"),
        ("/models/choice?prefer=A", 422, "expected a metric"),
        ("/models/model/digits", 422, "expected a model as NAME:VERSION"),
        ("/models/model/ghost:1", 404, "there is no model/ghost:1"),
        ("/models/model/digits:1/lineage?depth=99", 422, "arguments break their rules"),
        ("/answers/digits/v9/lineage", 404, "no deployment of the catalogue gave it"),
    ],
)
def test_a_wrong_question_is_a_problem(api: ApiServer, path: str, status: int, said: str) -> None:
    code, body = problem(api.get(f"{V1}{path}"))
    assert code == status
    assert said in json.dumps(body)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"kind: run\nname: r\nrestsOn: [dataset/gone]", 409, "run/r -> dataset/gone: there is no dataset/gone"),
        (b"kind: dataset\nname: scans\nrestsOn: [dataset/labels-2026]", 409, "dataset/scans would rest on itself"),
        (b"kind: dataset\nname: a b", 422, "expected a name of letters"),
        (b"\xff", 400, "expected UTF-8"),
    ],
    ids=["dangling", "cycle", "name", "bytes"],
)
def test_what_cannot_be_registered_is_a_problem(api: ApiServer, body: bytes, status: int, said: str) -> None:
    code, told = problem(api.ask("POST", f"{V1}/models", body, YAML))
    assert code == status
    assert said in json.dumps(told)


def test_a_mistake_has_its_line(api: ApiServer) -> None:
    _, told = problem(api.ask("POST", f"{V1}/models", b"kind: dataset\nname: x\nsize: 3", YAML))
    assert told["errors"] == [{"field": "size", "rule": "no such field", "line": 3}]


def test_revoking_needs_a_reason_and_something_to_revoke(api: ApiServer) -> None:
    assert problem(api.post(f"{V1}/models/model/digits:1/revoke", {"reason": ""}))[0] == 422
    assert problem(api.post(f"{V1}/models/model/ghost:1/revoke", {"reason": "x"}))[0] == 404


def test_without_a_catalogue_the_routes_say_which_setting_is_missing(rig: ApiRig) -> None:
    code, told = problem(rig.serve().get(f"{V1}/models"))
    assert code == 404
    assert "catalog.url (TRIMTAB_CATALOG__URL) is not set" in told["detail"]


def release(model: str) -> bytes:
    return json.dumps(
        {
            "apiVersion": "trimtab.dev/v1", "kind": "Release", "metadata": {"name": "digits"},
            "spec": {
                "baseline": "v1", "strategy": {"type": "bandit"},
                "variants": [{"name": "v1"}, {"name": "v2", "target": "d-{version}", "model": {"where": model}}],
            },
        }
    ).encode()  # fmt: skip


def test_a_release_whose_variant_is_a_query_is_applied_with_its_model(api: ApiServer) -> None:
    json_type = {"Content-Type": "application/json"}
    done = api.ask("PUT", f"{V1}/releases/digits?dryRun=true", release("accuracy > 0.96"), json_type)
    assert done.json["release"]["spec"]["variants"][1]["model"]["resolved"] == "model/digits:2"
    code, told = problem(api.ask("PUT", f"{V1}/releases/digits?dryRun=true", release("accuracy > 1"), json_type))
    assert code == 409
    assert told["detail"].startswith("release digits, variant v2: no model of 2 matches")


def test_changes_of_the_catalogue_are_on_record_and_refused_ones_too(rig: ApiRig) -> None:
    tokens = "viewer vera viewer-token-vvvvvvvv, operator otto operator-token-oooooo, admin ada admin-token-aaaaaaaaaa"
    server = rig.serve(
        f"TRIMTAB_CATALOG__URL=sqlite:///{rig.folder / 'recorded.db'}", f"TRIMTAB_API__TOKENS={tokens}",
        "TRIMTAB_API__COMMANDS_PER_MINUTE=4",
    )  # fmt: skip
    as_ = {name: {"Authorization": f"Bearer {token}"} for name, token in (
        ("vera", "viewer-token-vvvvvvvv"), ("otto", "operator-token-oooooo"), ("ada", "admin-token-aaaaaaaaaa"),
    )}  # fmt: skip
    revoke, why = f"{V1}/models/model/digits:2/revoke", {"reason": "no consent"}
    statuses = [
        server.ask("POST", f"{V1}/models", EXAMPLE, {**YAML, **as_["otto"]}).status,
        server.ask("POST", f"{V1}/models", EXAMPLE, {**YAML, **as_["ada"]}).status,
        server.post(revoke, why, **as_["vera"]).status,
        server.post(f"{V1}/models/model/none:1/revoke", why, **as_["otto"]).status,
        server.post(revoke, why, **as_["otto"]).status,
        server.post(f"{V1}/models/model/digits:2/reinstate", why, **as_["otto"]).status,
        server.post(revoke, why, **as_["otto"]).status,
    ]
    assert statuses == [403, 200, 403, 404, 200, 200, 429]
    found = server.ask("GET", f"{V1}/audit", None, as_["vera"]).json["items"][::-1]
    ours = [one for one in found if one["actor"] in ("vera", "otto", "ada")]
    told = [(one["actor"], one["action"], one["outcome"], one["reason"], one["release"]) for one in ours]
    assert told[:5] == [
        ("otto", "register", "refused", "", ""),
        ("ada", "register", "done", "", ""),
        ("vera", "revoke", "refused", "no consent", ""),
        ("otto", "revoke", "refused", "no consent", ""),
        ("otto", "revoke", "done", "no consent", ""),
    ]
    assert ours[1]["subject"].endswith("deployment/digits-v1, deployment/digits-v2")
    assert (ours[4]["subject"], ours[4]["detail"]) == ("model/digits:2", "revision 2: configured")
    server.end()
