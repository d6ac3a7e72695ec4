"""A collector of OTLP over HTTP that keeps the spans which programs send."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from trimtab.schemas.trace_context import TraceContext

VALUES = {"stringValue": str, "intValue": int, "doubleValue": float, "boolValue": bool}


@dataclass(frozen=True, slots=True)
class Span:
    """A span as it came."""

    service: str
    name: str
    at: TraceContext
    parent: int
    """0 for none"""
    links: list[TraceContext]
    start_ns: int
    end_ns: int
    attributes: dict[str, object]


class Collector:
    """Listens on a free port of loopback."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/json")
                collector.take(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(collector.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def take(self, body: bytes) -> None:
        for resource in json.loads(body)["resourceSpans"]:
            service = str(said(resource["resource"])["service.name"])
            self.spans += [read(service, span) for scope in resource["scopeSpans"] for span in scope["spans"]]

    def named(self, name: str) -> list[Span]:
        """Gives the spans of a name, in the order in which they came."""
        return [span for span in list(self.spans) if span.name == name]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1/traces"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def read(service: str, span: dict[str, Any]) -> Span:
    """Reads a span as the specification of OTLP/JSON says: numbers of spans in hex, of 64 bit as texts."""
    assert isinstance(span["startTimeUnixNano"], str)
    return Span(
        service, span["name"], context(span), int(span["parentSpanId"] or "0", 16), [*map(context, span["links"])],
        int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"]), said(span),
    )  # fmt: skip


def context(of: dict[str, Any]) -> TraceContext:
    assert (len(of["traceId"]), len(of["spanId"])) == (32, 16)
    return TraceContext(int(of["traceId"], 16), int(of["spanId"], 16))


def said(of: dict[str, Any]) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in of["attributes"]:
        ((kind, value),) = one["value"].items()
        assert isinstance(value, str) == (kind in ("stringValue", "intValue")), one
        found[one["key"]] = VALUES[kind](value)
    return found
