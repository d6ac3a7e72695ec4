"""What the API reads: as the records are, newest first, and every mistake a problem."""

from collections.abc import Iterator

import pytest
from redis import Redis

from control.api.api_rig import ApiRig, ApiServer, chain, ids
from control.decisions import decision
from trimtab.control.api.ring import MAX_FRAMES
from trimtab.schemas import sidecar
from trimtab.schemas.decision import decode_decision
from trimtab.schemas.redis_keys import sidecar_key
from trimtab.schemas.sidecar import SidecarReport

pytestmark = pytest.mark.integration
PAST = MAX_FRAMES + 30
V1 = "/api/v1"


@pytest.fixture(scope="module")
def rig() -> Iterator[ApiRig]:
    with ApiRig() as rig:
        rig.decide(*chain(1, PAST), *chain(1, 2, "search"))
        with Redis.from_url(rig.redis) as client:
            report = SidecarReport(sidecar="edge", proxy="envoy", release="checkout", in_force=(7, 1), refused="no")
            client.set(sidecar_key("checkout", "edge"), sidecar.encode(report))
            client.set(sidecar_key("checkout", "odd"), b"{")
        yield rig


@pytest.fixture(scope="module")
def api(rig: ApiRig) -> ApiServer:
    return rig.serve()


def test_releases_are_listed_in_a_line_each(api: ApiServer) -> None:
    found = api.get(f"{V1}/releases").json
    checkout, search = found["items"]
    assert (checkout["name"], checkout["baseline"], checkout["era"], checkout["revision"]) == (
        "checkout",
        "v1",
        7,
        PAST,
    )
    assert (checkout["sidecars"], checkout["stuck"], checkout["phase"]) == (2, 1, "progressing")
    assert len(checkout["trend"]) == 60
    assert search["trend"] == [[1_700_000_000_000 + n * 1_000, {"v1": 7_500, "v2": 2_500}] for n in (1, 2)]


def test_a_release_has_its_file_its_status_and_a_tag(api: ApiServer) -> None:
    found = api.get(f"{V1}/releases/checkout")
    assert found.headers["etag"] == f'"7-{PAST}"'
    assert found.json["spec"]["baseline"] == "v1"
    assert found.json["status"]["decision"]["revision"] == PAST
    assert [report["sidecar"] for report in found.json["status"]["sidecars"]] == ["edge"]
    assert len(found.json["status"]["unread"]) == 1


@pytest.mark.parametrize(
    ("known", "status"), [(f'"7-{PAST}"', 304), (f'W/"1-1", "7-{PAST}"', 304), ("*", 304), ('"7-1"', 200)]
)
def test_a_release_that_is_known_is_not_sent_again(api: ApiServer, known: str, status: int) -> None:
    found = api.get(f"{V1}/releases/checkout", If_None_Match=known)
    assert (found.status, bool(found.body)) == (status, status == 200)
    assert found.headers["etag"] == f'"7-{PAST}"'


def test_decisions_go_back_to_the_first_page_by_page(api: ApiServer) -> None:
    seen: list[tuple[int, int]] = []
    page = api.get(f"{V1}/releases/checkout/decisions?limit=97").json
    while True:
        seen += ids(page["items"])
        if page["next"] is None:
            break
        page = api.get(f"{V1}/releases/checkout/decisions?limit=97&before={page['next']}").json
    assert seen == [(7, number) for number in range(PAST, 0, -1)]


@pytest.mark.parametrize("revision", [f"7-{PAST}", "7-3", "0-3"])
def test_a_decision_is_found_wherever_it_stands(api: ApiServer, revision: str) -> None:
    number = int(revision.split("-")[1])
    found = api.get(f"{V1}/releases/checkout/decisions/{revision}")
    assert decode_decision(found.body) == chain(number, number)[0]
    lines = api.get(f"{V1}/releases/checkout/decisions/{revision}/explanation").json["lines"]
    assert lines[0].startswith(f"checkout: revision 7.{number}, decided at 2023-11-14T")
    assert "together 7500 + 2500 = 10000" in "\n".join(lines)


def test_windows_are_those_of_the_newest_decision(api: ApiServer) -> None:
    found = api.get(f"{V1}/releases/checkout/windows").json
    assert found["time_ms"] == 1_700_000_000_000 + PAST * 1_000
    assert {one["variant"]: (one["responses"], one["error_ratio"], one["p99_ms"]) for one in found["variants"]} == {
        "v1": (30, 0.2, 40.0), "v2": (30, 0.2, 40.0),
    }  # fmt: skip
    assert all(one["age_ms"] > 0 for one in found["variants"])


def test_sidecars_are_listed_and_those_that_cannot_be_read_told(api: ApiServer) -> None:
    for path in (f"{V1}/sidecars", f"{V1}/releases/checkout/sidecars"):
        found = api.get(path).json
        assert [one["refused"] for one in found["items"]] == ["no"]
        assert found["unread"][0].startswith("odd: not a sidecar's report")
    assert api.get(f"{V1}/releases/search/sidecars").json == {"items": [], "unread": []}


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/nothing", 404, "there is nothing at this address"),
        ("GET", f"{V1}/nothing", 404, "there is nothing at this address"),
        ("POST", f"{V1}/nothing", 404, "there is nothing at this address"),
        ("GET", f"{V1}/releases/ghost", 404, "no release 'ghost'"),
        ("GET", f"{V1}/releases/ghost/windows", 404, "no release 'ghost'"),
        ("GET", f"{V1}/releases/ghost/sidecars", 404, "no release 'ghost'"),
        ("GET", f"{V1}/releases/ghost/decisions", 404, "no release 'ghost'"),
        ("GET", f"{V1}/releases/ghost/events", 404, "no release 'ghost'"),
        ("GET", f"{V1}/releases/ghost/decisions/7-1", 404, "no release 'ghost'"),
        ("GET", f"{V1}/releases/checkout/decisions/7-99999", 404, "no decision of revision 7-99999"),
        ("DELETE", f"{V1}/releases/checkout", 405, "Method Not Allowed"),
        ("POST", f"{V1}/releases", 405, "Method Not Allowed"),
        ("GET", f"{V1}/releases/Checkout", 422, "arguments break their rules"),
        ("GET", f"{V1}/releases/checkout/decisions?limit=0", 422, "arguments break their rules"),
        ("GET", f"{V1}/releases/checkout/decisions?limit=501", 422, "arguments break their rules"),
        ("GET", f"{V1}/releases/checkout/decisions?before=7", 422, "arguments break their rules"),
        ("GET", f"{V1}/releases/checkout/decisions/7.1", 422, "arguments break their rules"),
    ],
)
def test_what_cannot_be_answered_is_a_problem(api: ApiServer, method: str, path: str, status: int, said: str) -> None:
    found = api.ask(method, path)
    assert (found.status, found.headers["content-type"]) == (status, "application/problem+json")
    assert (found.json["status"], said in found.json["detail"]) == (status, True)
    assert (status == 405) == ("allow" in found.headers)
    assert (status == 422) == ("errors" in found.json)


def test_a_server_that_is_told_to_end_ends_at_once_and_its_streams_with_it(rig: ApiRig) -> None:
    server = rig.serve()
    events = server.events(f"{V1}/releases/search/events")
    assert next(events).id == "7-2"
    assert server.end() == 0
    assert [event for event in events if event.name == "decision"] == []


def test_a_decision_in_redis_that_the_topic_has_no_more_is_listed(rig: ApiRig, api: ApiServer) -> None:
    rig.show(decision(release="old", era=3, revision=9, replaces=(3, 8)))
    assert api.get(f"{V1}/releases/old").json["status"]["decision"]["revision"] == 9
    assert next(api.events(f"{V1}/releases/old/events")).id == "3-9"
    assert api.get(f"{V1}/releases/old/decisions").json == {"items": [], "next": None}


@pytest.mark.parametrize("path", [f"{V1}/releases", f"{V1}/releases/checkout", f"{V1}/audit", f"{V1}/events"])
@pytest.mark.parametrize("accept", ["text/html", "application/xml, image/*", "*/*;q=0", "application/json;q=0", ""])
def test_what_a_client_does_not_take_is_not_sent(api: ApiServer, path: str, accept: str) -> None:
    found = api.get(path, Accept=accept)
    assert (found.status, found.headers["content-type"]) == (406, "application/problem+json")


@pytest.mark.parametrize(
    "accept", ["application/json", "text/html, */*;q=0.1", "APPLICATION/JSON; charset=utf-8", "application/*"]
)
def test_what_a_client_takes_is_sent(api: ApiServer, accept: str) -> None:
    assert api.get(f"{V1}/releases", Accept=accept).status == 200
