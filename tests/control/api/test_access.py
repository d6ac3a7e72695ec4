"""Who may come, from where, and what they may do. docs/security.md names these tests."""

import getpass
import hashlib
import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import Eventually
from control.api.api_rig import RELEASE, Answer, ApiRig, ApiServer, chain
from trimtab.control.api.server import is_loopback
from trimtab.streams.settings_source import WrongSettings, read_settings

pytestmark = [pytest.mark.integration, pytest.mark.long]
VIEWER, OPERATOR, ADMIN = ("viewer-token-" + "v" * 8, "operator-token-" + "o" * 8, "admin-token-" + "a" * 8)
TOKENS = f"viewer vera {VIEWER}, operator otto sha256:DIGEST, admin ada {ADMIN}"
COMMANDS = "/api/v1/releases/checkout/commands"
PAUSE = {"action": "pause", "reason": "lunch"}


@pytest.fixture(scope="module")
def rig() -> Iterator[ApiRig]:
    with ApiRig() as rig:
        rig.decide(*chain(1, 3))
        yield rig


@pytest.fixture(scope="module")
def api(rig: ApiRig) -> ApiServer:
    tokens = TOKENS.replace("DIGEST", hashlib.sha256(OPERATOR.encode()).hexdigest())
    return rig.serve(
        f"TRIMTAB_API__TOKENS={tokens}", "TRIMTAB_API__HOSTS=trimtab.example", "TRIMTAB_API__COMMANDS_PER_MINUTE=1000"
    )


@pytest.fixture(scope="module")
def proxied(rig: ApiRig) -> ApiServer:
    return rig.serve(
        "TRIMTAB_API__TRUSTED_PROXIES=127.0.0.0/8",
        "TRIMTAB_API__OPERATOR_GROUPS=sre",
        "TRIMTAB_API__ADMIN_GROUPS=root, leads",
    )


@pytest.fixture(scope="module")
def local(rig: ApiRig) -> ApiServer:
    return rig.serve("TRIMTAB_API__COMMANDS_PER_MINUTE=1000")


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def problem(answer: Answer, status: int) -> str:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer.body
    assert answer.json["status"] == status
    return str(answer.json["detail"])


@pytest.mark.parametrize(
    "path", ["/api/v1/session", "/api/v1/releases", "/api/v1/events", "/api/v1/audit", "/api/v1/nothing"]
)
@pytest.mark.parametrize(
    "headers", [{}, bearer("no-such-token-at-all"), {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}]
)
def test_nobody_reads_anything_without_a_token_that_is_known(
    api: ApiServer, path: str, headers: dict[str, str]
) -> None:
    found = api.ask("GET", path, headers=headers)
    problem(found, 401)
    assert found.headers["www-authenticate"] == 'Bearer realm="trimtab"'


@pytest.mark.parametrize(
    ("token", "actor", "role"), [(VIEWER, "vera", "viewer"), (OPERATOR, "otto", "operator"), (ADMIN, "ada", "admin")]
)
def test_a_token_says_who_asks_and_what_they_may_do(api: ApiServer, token: str, actor: str, role: str) -> None:
    found = api.get("/api/v1/session", **bearer(token)).json
    assert (found["actor"], found["role"]) == (actor, role)


def test_a_viewer_steers_nothing_and_only_an_admin_applies(api: ApiServer) -> None:
    said = problem(api.post(COMMANDS, PAUSE, **bearer(VIEWER)), 403)
    assert said == "expected the role operator, vera has viewer"
    yaml = {"Content-Type": "application/yaml", **bearer(OPERATOR)}
    said = problem(api.ask("PUT", "/api/v1/releases/checkout", RELEASE.encode(), yaml), 403)
    assert said == "expected the role admin, otto has operator"


def test_a_refusal_for_want_of_a_role_is_in_the_audit_log(api: ApiServer) -> None:
    problem(api.post(COMMANDS, {**PAUSE, "reason": "to be refused"}, **bearer(VIEWER)), 403)
    entry = next(
        one for one in api.get("/api/v1/audit", **bearer(VIEWER)).json["items"] if one["reason"] == "to be refused"
    )
    assert (entry["actor"], entry["role"], entry["source"], entry["outcome"]) == ("vera", "viewer", "api", "refused")
    assert (entry["before"]["revision"], entry["after"], entry["address"]) == (3, None, "127.0.0.1")


def sign_in(api: ApiServer, token: str = ADMIN, **headers: str) -> Answer:
    return api.post("/api/v1/session", {"token": token}, **headers)


def test_the_console_signs_in_with_a_token_and_gets_a_cookie_that_no_page_can_read(api: ApiServer) -> None:
    found = sign_in(api)
    cookie = found.headers["set-cookie"]
    assert found.json["actor"] == "ada"
    assert ADMIN not in cookie
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"} <= set(cookie.split("; "))
    own = {"Cookie": cookie.partition(";")[0]}
    assert api.get("/api/v1/session", **own).json["role"] == "admin"
    assert next(api.events("/api/v1/releases/checkout/events", **own)).id == "7-3"
    ended = api.ask("DELETE", "/api/v1/session", headers=own)
    assert (ended.status, "Max-Age=0" in ended.headers["set-cookie"]) == (204, True)


def test_a_cookie_that_was_tampered_with_is_nobodys(api: ApiServer) -> None:
    cookie = sign_in(api, VIEWER).headers["set-cookie"].partition(";")[0]
    _, until, signature = cookie.split("!")
    for value in (
        f"trimtab_session=ada!{until}!{signature}", f"trimtab_session=vera!{int(until) + 1}!{signature}",
        f"trimtab_session=vera!{until}!{'0' * 64}", "trimtab_session=vera", "trimtab_session=", "trimtab_session=!!",
        f"trimtab_session=vera!{until}!\u00e9",
    ):  # fmt: skip
        problem(api.ask("GET", "/api/v1/session", headers={"Cookie": value}), 401)


def test_a_change_by_cookie_says_of_which_page_it_is(api: ApiServer) -> None:
    own = {"Cookie": sign_in(api, VIEWER).headers["set-cookie"].partition(";")[0]}
    assert "Origin" in problem(api.post(COMMANDS, PAUSE, **own), 403)
    said = problem(api.post(COMMANDS, PAUSE, **own, Origin=f"http://127.0.0.1:{api.port}"), 403)
    assert said == "expected the role operator, vera has viewer", "it came as far as that"


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), ("", 422), ("x" * 513, 422), (7, 422), (None, 422)])
def test_signing_in_with_anything_else_is_refused(api: ApiServer, token: object, status: int) -> None:
    found = api.post("/api/v1/session", {"token": token})
    assert found.status == status
    assert "set-cookie" not in found.headers
    assert "xxxxx" not in found.body.decode()


def test_guessing_tokens_is_slowed_down(rig: ApiRig) -> None:
    api = rig.serve(f"TRIMTAB_API__TOKENS=admin ada {ADMIN}")
    statuses = [sign_in(api, "wrong").status for _ in range(21)]
    assert statuses == [401] * 20 + [429]
    assert int(sign_in(api).headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8650", "127.0.0.1.evil.example", "0.0.0.0", "", "[::2]:80"],  # noqa: S104 - a name
)
@pytest.mark.parametrize("path", ["/api/v1/session", "/", "/openapi.json"])
def test_a_name_that_leads_here_by_rebinding_is_refused(local: ApiServer, host: str, path: str) -> None:
    assert "is none that this server goes by" in problem(local.ask("GET", path, headers={"Host": host}), 421)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8650", "[::1]:8650", "trimtab.example:443"])
def test_its_own_names_are_answered(api: ApiServer, host: str) -> None:
    assert api.ask("GET", "/api/v1/session", headers={"Host": host, **bearer(VIEWER)}).status == 200


def test_probes_come_by_any_name(api: ApiServer) -> None:
    for path in ("/livez", "/readyz"):
        assert api.ask("GET", path, headers={"Host": "10.1.2.3:8650"}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
        {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "none"},
    ],
)  # fmt: skip
def test_a_change_that_another_site_asks_for_is_refused(local: ApiServer, headers: dict[str, str]) -> None:
    assert problem(local.post(COMMANDS, PAUSE, **headers), 403).startswith("requests of other sites are refused")
    file = {"Content-Type": "application/yaml", **headers}
    problem(local.ask("PUT", "/api/v1/releases/checkout", RELEASE.encode(), file), 403)


def test_another_site_reads_nothing_but_may_lead_to_the_console(local: ApiServer) -> None:
    problem(local.get("/api/v1/releases", Sec_Fetch_Site="cross-site"), 403)
    assert local.get("/", Sec_Fetch_Site="cross-site").status == 200
    assert "access-control-allow-origin" not in local.get("/api/v1/releases", Origin="https://evil.example").headers


@pytest.mark.parametrize("type_", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_of_another_site_is_no_order(local: ApiServer, type_: str) -> None:
    problem(local.ask("POST", COMMANDS, json.dumps(PAUSE).encode(), {"Content-Type": type_}), 415)


@pytest.mark.parametrize(
    ("groups", "role"),
    [("", "viewer"), ("dev", "viewer"), ("dev, sre", "operator"), ("sre,leads", "admin"), ("roots", "viewer")],
)
def test_a_trusted_proxy_says_who_asks(proxied: ApiServer, groups: str, role: str) -> None:
    found = proxied.get("/api/v1/session", X_Forwarded_User="grace@example.com", X_Forwarded_Groups=groups).json
    assert (found["actor"], found["role"]) == ("grace@example.com", role)


def test_whom_a_trusted_proxy_does_not_name_is_nobody(proxied: ApiServer) -> None:
    problem(proxied.get("/api/v1/session", X_Forwarded_Groups="root"), 401)


def test_headers_of_a_proxy_that_is_not_trusted_count_for_nothing(api: ApiServer, local: ApiServer) -> None:
    claim = {"X-Forwarded-User": "mallory", "X-Forwarded-Groups": "root"}
    problem(api.ask("GET", "/api/v1/session", headers=claim), 401)
    assert local.ask("GET", "/api/v1/session", headers=claim).json["actor"] == getpass.getuser()
    assert api.ask("GET", "/api/v1/session", headers={**claim, **bearer(VIEWER)}).json["actor"] == "vera"


def test_the_audit_log_has_the_address_behind_the_proxies(proxied: ApiServer) -> None:
    problem(
        proxied.post(
            COMMANDS, {**PAUSE, "reason": "from afar"}, X_Forwarded_User="eve",
            X_Forwarded_For="203.0.113.9, 198.51.100.7, 127.0.0.8",
        ), 403,
    )  # fmt: skip
    items = proxied.get("/api/v1/releases/checkout/commands", X_Forwarded_User="eve").json["items"]
    assert next(one["address"] for one in items if one["reason"] == "from afar") == "198.51.100.7"


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "trimtab.example:0"])
def test_it_listens_nowhere_else_while_anybody_might_come(listen: str) -> None:
    command = [sys.executable, "-m", "trimtab.control.cli", "serve", "--listen", listen]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "where everybody could steer releases; set api.tokens" in done.stderr


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.9.9.9", True), ("localhost", True), ("::1", True), ("10.0.0.1", False), ("::", False), ("a", False)],
)
def test_loopback_is_told_from_the_rest(host: str, expected: bool) -> None:  # noqa: FBT001 - a case
    assert is_loopback(host) is expected


def test_every_answer_has_the_headers_that_keep_a_browser_in_bounds(api: ApiServer) -> None:
    for path in ("/", "/livez", "/api/v1/session", "/nothing", "/api/v1/nothing"):
        headers = api.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self';" in policy
        assert "script" not in policy
        assert "frame-ancestors 'none'" in policy
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
        assert headers["cache-control"] == ("no-store" if path.startswith("/api/") else "no-cache")


def test_no_secret_is_in_the_log_nor_in_what_is_shown_of_settings(api: ApiServer) -> None:
    sign_in(api, "wrong-token-wrong-token")
    assert not re.search(r"-token-", api.program.output)
    command = ["/usr/bin/env", f"TRIMTAB_API__TOKENS=admin ada {ADMIN}", sys.executable, "-m", "trimtab.control.cli"]
    done = subprocess.run([*command, "config", "show"], capture_output=True, text=True, timeout=60, check=True)
    assert ADMIN not in done.stdout
    assert "tokens: '********'" in done.stdout


SHORT = "short-secret"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TOKENS", f"admin ada {SHORT}", "line 1: expected ROLE NAME SECRET"),
        ("TOKENS", f"root ada {SHORT}{SHORT}", "line 1: expected ROLE NAME SECRET"),
        ("TOKENS", f"admin {SHORT}{SHORT}", "line 1: expected ROLE NAME SECRET"),
        ("TOKENS", f"admin ada sha256:{SHORT}", "line 1: expected 64 lower-case hexadecimal digits"),
        ("TOKENS", f"admin ada {ADMIN}, viewer ada {VIEWER}", "expected a name of its own for each token"),
        ("TOKENS", f"admin ada {ADMIN}\nviewer bob {ADMIN}", "expected a secret of its own for each token"),
        ("TOKENS", "# none", "expected lines of ROLE NAME SECRET"),
        ("TRUSTED_PROXIES", "10.0.0.0/8, nowhere", "'nowhere' does not appear to be an IPv4 or IPv6 network"),
        ("LISTEN", "8650", "expected HOST:PORT"),
        ("SESSION_KEY", SHORT, "expected 32 characters or more"),
        ("ADMIN_GROUPS", "root", "expected networks, for groups are set"),
        ("COMMANDS_PER_MINUTE", "0", "expected greater than or equal to 1"),
    ],
)
def test_wrong_settings_are_told_without_the_secret_in_them(name: str, value: str, said: str) -> None:
    with pytest.raises(WrongSettings) as caught:
        read_settings(variables={f"TRIMTAB_API__{name}": value})
    assert said in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (SHORT, ADMIN, VIEWER))


def test_a_session_outlives_a_restart_where_its_key_is_kept(rig: ApiRig) -> None:
    settings = (f"TRIMTAB_API__TOKENS=admin ada {ADMIN}", f"TRIMTAB_API__SESSION_KEY={'k' * 32}")
    first = rig.serve(*settings)
    own = {"Cookie": sign_in(first).headers["set-cookie"].partition(";")[0]}
    first.end()
    assert rig.serve(*settings).get("/api/v1/session", **own).json["actor"] == "ada"
    other = rig.serve(f"TRIMTAB_API__TOKENS=admin ada {ADMIN}x", settings[1])
    problem(other.get("/api/v1/session", **own), 401)


def test_a_body_over_the_limit_is_refused_before_it_is_read(local: ApiServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", local.port, timeout=60)
    connection.putrequest("PUT", "/api/v1/releases/checkout")
    connection.putheader("Content-Type", "application/yaml")
    connection.putheader("Content-Length", str(256 * 1024 + 1))
    connection.endheaders()
    response = connection.getresponse()  # not a byte of the body was sent
    assert (response.status, response.headers["connection"]) == (413, "close")
    assert json.loads(response.read())["detail"] == "the body is over 262144 bytes"
    connection.close()


def test_a_body_without_a_length_is_read_up_to_the_limit(local: ApiServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", local.port, timeout=60)
    chunks = iter([b"#" * 64 * 1024] * 5)
    connection.request(
        "PUT", "/api/v1/releases/checkout", chunks, {"Content-Type": "application/yaml"}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()


HELD = """
import pathlib, time
from trimtab.schemas import release_file
from trimtab.control.api import models
from trimtab.control.cli import main

def held(load):
    def wait(text, file):
        begun = pathlib.Path("%(folder)s", "begun")
        begun.touch()
        while begun.exists():
            time.sleep(0.01)
        return load(text, file)
    return wait

release_file.load, models.load_nodes = held(release_file.load), held(models.load_nodes)
main()
"""


@pytest.mark.parametrize(
    ("method", "path", "type_", "body", "status"),
    [
        ("PUT", "/api/v1/releases/checkout?dryRun=true", "application/yaml", RELEASE, 200),
        ("POST", "/api/v1/releases/checkout/what-if", "application/json", '{"limits": {"maxStep": 0}}', 422),
        ("POST", "/api/v1/models", "application/yaml", "kind: nothing", 422),
    ],
    ids=["release", "what-if", "models"],
)
def test_nobody_waits_while_what_somebody_sent_is_parsed(  # noqa: PLR0913, PLR0917 - a case
    rig: ApiRig, eventually: Eventually, tmp_path: Path, method: str, path: str, type_: str, body: str, status: int
) -> None:
    catalogue = f"TRIMTAB_CATALOG__URL=sqlite:///{tmp_path / 'catalog.db'}"
    server, begun = rig.serve(catalogue, code=HELD % {"folder": tmp_path}), tmp_path / "begun"
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(server.ask, method, path, body.encode(), {"Content-Type": type_})
        eventually(begun.exists, what="the body is being parsed", timeout_s=30)
        assert server.get("/livez").status == 200
        assert server.get("/api/v1/releases/checkout").status == 200
        assert not sent.done()
        begun.unlink()
        assert sent.result().status == status
    server.end()


def test_metrics_are_for_whoever_may_read(api: ApiServer) -> None:
    problem(api.get("/metrics"), 401)
    sign_in(api, "wrong")
    found = api.get("/metrics", **bearer(VIEWER))
    assert found.headers["content-type"].startswith("text/plain")
    assert 'trimtab_api_answers_total{method="POST",status="401"}' in found.body.decode()
    assert "trimtab_api_decisions_followed 1.0" in found.body.decode()
    assert VIEWER not in found.body.decode()


def test_a_client_that_goes_while_it_sends_is_no_fault_of_ours(local: ApiServer) -> None:
    head = "PUT /api/v1/releases/checkout HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/yaml\r\n"
    with socket.create_connection(("127.0.0.1", local.port)) as gone:
        gone.sendall(f"{head}content-length: 1000\r\n\r\napiVersion".encode())
    for _ in range(3):
        assert local.get("/livez").status == 200
    assert "request_failed" not in local.program.output
