"""Changes over the API: carried out once, by whoever may, on what they were meant for; and all of it on record."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from control.api.api_rig import RELEASE, Answer, ApiServer
from integration.worker_rig import WorkerRig
from trimtab.schemas import audit, release_file
from trimtab.schemas.audit import AuditEntry
from trimtab.schemas.topics import AUDIT

pytestmark = [pytest.mark.integration, pytest.mark.long]
RELEASES = ("checkout", "search", "cart", "shop")


@pytest.fixture(scope="module")
def rig() -> Iterator[WorkerRig]:
    with WorkerRig() as rig:
        rig.start_worker()
        for name in RELEASES:
            rig.apply(name)
            rig.await_counted(0, name)
        yield rig


@pytest.fixture(scope="module")
def api(rig: WorkerRig) -> Iterator[ApiServer]:
    server = ApiServer(rig.folder / "serve.log", rig.kafka, rig.redis, "TRIMTAB_API__COMMANDS_PER_MINUTE=1000")
    yield server
    assert server.end() == 0
    assert "request_failed" not in server.program.output


def order(api: ApiServer, name: str, action: str, reason: str = "a look", **more: Any) -> Answer:
    headers = {field: more.pop(field) for field in ("If_Match", "Idempotency_Key") if field in more}
    return api.post(f"/api/v1/releases/{name}/commands", {"action": action, "reason": reason, **more}, **headers)


def put(api: ApiServer, name: str, text: str, query: str = "", **headers: str) -> Answer:
    given = {"Content-Type": "application/yaml", **headers}
    return api.ask("PUT", f"/api/v1/releases/{name}{query}", text.encode(), given)


def tag(api: ApiServer, name: str) -> str:
    return str(api.get(f"/api/v1/releases/{name}").headers["etag"])


def entries(api: ApiServer, name: str) -> list[dict[str, Any]]:
    return list(api.get(f"/api/v1/releases/{name}/commands").json["items"])


def test_an_order_gives_the_decision_that_it_made_and_both_are_seen_at_once(api: ApiServer) -> None:
    found = order(api, "checkout", "pause", "lunch")
    made = found.json["decision"]
    assert (found.status, made["phase"], made["rule"].endswith(": lunch")) == (200, "paused", True)
    assert found.headers["etag"] == tag(api, "checkout")
    assert api.get("/api/v1/releases/checkout").json["status"]["decision"] == made
    held = order(api, "checkout", "set-weights", weights={"v1": 6_000, "v2": 4_000}).json["decision"]
    assert (held["phase"], held["weights"]) == ("paused", {"v1": 6_000, "v2": 4_000})
    done = order(api, "checkout", "promote", variant="v2").json["decision"]
    assert (done["phase"], done["weights"]) == ("promoted", {"v1": 0, "v2": 10_000})
    newest, older, first = entries(api, "checkout")[:3]
    assert [one["action"] for one in (newest, older, first)] == ["promote", "set-weights", "pause"]
    assert (newest["detail"], older["detail"], first["reason"]) == ("v2", "v1=6000 v2=4000", "lunch")
    assert (newest["before"]["weights"], newest["after"]["phase"]) == ({"v1": 6_000, "v2": 4_000}, "promoted")
    assert newest["before"] == older["after"]
    assert {one["outcome"] for one in (newest, older, first)} == {"done"}
    assert (first["role"], first["source"], first["address"]) == ("admin", "api", "127.0.0.1")


def test_what_the_workers_refuse_is_a_conflict_and_on_record(api: ApiServer) -> None:
    found = order(api, "search", "promote", variant="v9")
    assert (found.status, "no variant 'v9', expected one of v1, v2" in found.json["detail"]) == (409, True)
    newest = entries(api, "search")[0]
    assert (newest["outcome"], newest["detail"], newest["after"]) == ("refused", found.json["detail"], None)
    assert newest["before"]["phase"] == "progressing"


def test_an_order_for_another_revision_is_refused_and_on_record(api: ApiServer) -> None:
    now = tag(api, "search")
    assert order(api, "search", "pause", If_Match=now).status == 200
    found = order(api, "search", "resume", If_Match=now)
    assert (found.status, found.headers["etag"]) == (412, tag(api, "search"))
    assert entries(api, "search")[0]["outcome"] == "refused"
    assert order(api, "search", "resume", If_Match="*").status == 200


def test_an_order_that_is_sent_again_is_given_once(api: ApiServer) -> None:
    with ThreadPoolExecutor(4) as pool:
        sent = [pool.submit(order, api, "cart", "pause", Idempotency_Key="one") for _ in range(4)]
    statuses = sorted(one.result().status for one in sent)
    assert set(statuses) <= {200, 409}
    assert statuses[0] == 200
    again = order(api, "cart", "pause", Idempotency_Key="one")
    assert (again.status, again.headers["idempotency-replayed"]) == (200, "true")
    assert len([one for one in entries(api, "cart") if one["action"] == "pause"]) == 1
    assert order(api, "cart", "resume", Idempotency_Key="one").status == 422
    assert order(api, "cart", "resume", Idempotency_Key="two").status == 200
    assert order(api, "cart", "resume", Idempotency_Key="ü").json["errors"][0]["field"] == "Idempotency-Key"


def test_a_refused_order_may_be_tried_again_with_its_key(api: ApiServer) -> None:
    assert order(api, "shop", "set-weights", weights={"v9": 10_000}, Idempotency_Key="k").status == 409
    assert order(api, "shop", "set-weights", weights={"v9": 10_000}, Idempotency_Key="k").status == 409


@pytest.mark.parametrize(
    ("body", "field", "rule"),
    [
        ({}, "action", "Field required"),
        ({"action": "halt"}, "action", "Input should be 'pause', 'resume'"),
        ({"action": "abort"}, "reason", "expected why"),
        ({"action": "freeze", "reason": " "}, "reason", "expected why"),
        ({"action": "pause", "reason": "x" * 1_001}, "reason", "at most 1000 characters"),
        ({"action": "pause", "resaon": "x"}, "resaon", "Extra inputs are not permitted"),
        ({"action": "pause", "full": True}, "full", "pause takes none"),
        ({"action": "pause", "weights": {"v1": 10_000}}, "weights", "pause takes none"),
        (
            {"action": "set-weights", "reason": "x", "weights": {"v1": 9_999}},
            "weights",
            "expected a sum of 10000, got 9999",
        ),
        (
            {"action": "set-weights", "reason": "x", "weights": {"v1": 10_001}},
            "weights.v1",
            "less than or equal to 10000",
        ),
        ({"action": "set-weights", "reason": "x", "weights": {"V 1": 1}}, "weights.V 1.[key]", "match pattern"),
        ({"action": "set-weights", "reason": "x", "weights": {"v1": "10000"}}, "weights.v1", "valid integer"),
        ([], "(body)", "Input should be an object"),
        ("x", "(body)", "Input should be an object"),
    ],
)
def test_an_order_that_breaks_a_rule_is_told_which(api: ApiServer, body: object, field: str, rule: str) -> None:
    before = entries(api, "shop")
    found = api.post("/api/v1/releases/shop/commands", body)
    assert found.status == 422
    errors = {one["field"]: one["rule"] for one in found.json["errors"]}
    assert rule in errors[field]
    assert entries(api, "shop") == before


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"action": "pause", "action": ', b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(api: ApiServer, body: bytes) -> None:
    found = api.ask("POST", "/api/v1/releases/shop/commands", body, {"Content-Type": "application/json"})
    assert (found.status, found.headers["content-type"]) == (422, "application/problem+json")


def test_an_order_for_a_release_that_is_not_there_is_refused_and_on_record(api: ApiServer) -> None:
    assert order(api, "ghost", "pause").status == 404
    assert [one["outcome"] for one in entries(api, "ghost")] == ["refused"]


def test_a_release_file_is_checked_applied_and_left_alone(api: ApiServer, rig: WorkerRig) -> None:
    text = RELEASE.replace("checkout", "fresh")
    dry = put(api, "fresh", text, "?dryRun=true")
    assert (dry.status, dry.json["change"], dry.json["dry_run"]) == (200, "created", True)
    assert api.get("/api/v1/releases/fresh").status == 404
    made = put(api, "fresh", text, If_None_Match="*")
    assert (made.status, made.json["change"], made.headers["location"]) == (201, "created", "/api/v1/releases/fresh")
    rig.await_counted(0, "fresh")
    assert put(api, "fresh", text, If_None_Match="*").status == 412
    same = put(api, "fresh", text, If_Match=tag(api, "fresh"))
    assert (same.status, same.json["change"]) == (200, "unchanged")
    as_json = json.dumps(release_file.load(text, "x")[0].model_dump(mode="json", by_alias=True))
    assert put(api, "fresh", as_json, **{"Content-Type": "application/json"}).json["change"] == "unchanged"
    other = text.replace("type: bandit", "type: bandit, interval: 500ms")
    before = tag(api, "fresh")  # before the change: once a worker takes it, the release has another
    changed = put(api, "fresh", other, If_Match=before)
    assert (changed.status, changed.json["change"], changed.json["replaces"]) == (200, "configured", before[1:-1])
    applied = [one for one in entries(api, "fresh") if one["outcome"] == "done"]
    assert [(one["action"], one["before"] is None) for one in applied] == [("apply", False), ("apply", True)]


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        (RELEASE.replace("baseline: v1", "baseline: v3"), "spec.baseline", 6),
        (RELEASE.replace("baseline: v1", "baselin: v1"), "spec.baselin", 6),
        (RELEASE.replace("checkout", "search"), "metadata.name", None),
        (RELEASE + "---" + RELEASE.replace("checkout", "search"), "(document)", None),
        ("{", "(document)", 1),
        ("", "(document)", 1),
        ("&a [*a]", "[0][0][0]", 1),
        ("[" * 20_000, "(document)", 1),
    ],
)
def test_mistakes_of_a_release_file_are_told_with_field_and_line(
    api: ApiServer, text: str, field: str, line: int | None
) -> None:
    found = put(api, "checkout", text)
    assert found.status == 422
    assert (field, line) in [(one["field"], one.get("line")) for one in found.json["errors"]]


@pytest.mark.parametrize("type_", ["text/plain", "application/xml", ""])
def test_a_release_file_of_another_type_is_refused(api: ApiServer, type_: str) -> None:
    found = put(api, "checkout", RELEASE, **{"Content-Type": type_})
    assert (found.status, "application/yaml" in found.headers["accept"]) == (415, True)


def test_what_the_command_line_does_is_on_record_too(api: ApiServer, rig: WorkerRig) -> None:
    command = [
        sys.executable,
        "-m",
        "trimtab.control.cli",
        "freeze",
        "cart",
        "--reason",
        "an incident",
        "--kafka",
        rig.kafka,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    newest = entries(api, "cart")[0]
    assert (newest["action"], newest["source"], newest["reason"]) == ("freeze", "cli", "an incident")
    assert (newest["after"]["phase"], newest["outcome"], newest["role"]) == ("frozen", "done", "")
    assert newest["before"]["revision"] < newest["after"]["revision"]


def test_the_audit_log_is_read_page_by_page(api: ApiServer, rig: WorkerRig) -> None:
    whole = [audit.decode(payload) for payload in rig.read(AUDIT)]
    assert {one.release for one in whole} >= set(RELEASES)
    seen: list[AuditEntry] = []
    place = ""
    while True:
        page = api.get(f"/api/v1/audit?limit=4{place}").json
        seen += [audit.decode(json.dumps(one)) for one in page["items"]]
        if page["next"] is None:
            break
        place = f"&before={page['next']}"
    assert seen == list(reversed(whole))
    assert api.get("/api/v1/audit?before=x").status == 422


def test_changes_come_at_a_bounded_rate(rig: WorkerRig) -> None:
    server = ApiServer(rig.folder / "slow.log", rig.kafka, rig.redis, "TRIMTAB_API__COMMANDS_PER_MINUTE=2")
    statuses = [order(server, "ghost", "pause").status for _ in range(3)]
    assert statuses == [404, 404, 429]
    assert int(order(server, "ghost", "pause").headers["retry-after"]) >= 1
    assert server.get("/api/v1/releases").status == 200
    server.end()
