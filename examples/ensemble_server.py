"""An ensemble server: asks the models of a graph, and makes one answer of theirs by the newest weights.

    python examples/ensemble_server.py examples/models-graph.yaml --listen 127.0.0.1:8500

It speaks the Open Inference Protocol, as do the models: what comes in is passed on to them as it is. A model's output
`probabilities` is taken for those of the classes 0, 1, 2, ...; without one the first output is a class, or a number
where its type is FP32 or FP64. What every variant answered, how long it took and whether it failed is told to Kafka, so
that `trimtab labels` can join the answers with the truth: by the id of the request, which comes back in the answer.
Kafka and Redis are those of TRIMTAB_KAFKA__BOOTSTRAP and TRIMTAB_REDIS__URL.
"""

# ruff: noqa: S310, TID251 - a program that asks where its file says, and is set up by its environment

import argparse
import json
import os
import signal
import sys
import time
import uuid
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from trimtab.client import Answer, Failure, Labels, Request, Telemetry, Weights
from trimtab.client.graph import Asked, Evaluated, Graph
from trimtab.schemas.errors import InvalidFile
from trimtab.schemas.model_graph import Model, ModelGraph, load

MOST_BYTES: Final = 16 << 20


class Teller(NamedTuple):
    """What is told of every variant that was asked."""

    telemetry: Telemetry
    labels: Labels

    def tell(self, asked: Asked, request: str, began_ms: int) -> None:
        """Tells of one."""
        status, failure = outcome(asked.error)
        self.telemetry.request(asked.key, began_ms)
        self.telemetry.response(asked.key, asked.duration_ms, status, failure=failure)
        if asked.answer is not None:
            said = asked.answer
            self.labels.predicted(
                asked.key,
                request,
                label=said.label,
                value=said.value,
                probabilities=said.probabilities,
                time_ms=began_ms,
            )


class Server(ThreadingHTTPServer):
    """Serves one graph."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], graph: ModelGraph, weights: Weights, teller: Teller) -> None:
        super().__init__(address, Inference)
        self.name, self.graph, self.teller = graph.metadata.name, Graph(graph.spec, weights), teller


class Inference(BaseHTTPRequestHandler):
    """One connection of a client; it stays open from one request to the next."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        """Says that it is there."""
        self._send(HTTPStatus.OK if self.path == "/v2/health/ready" else HTTPStatus.NOT_FOUND, {})

    def do_POST(self) -> None:
        """Answers with what the models said."""
        size = self.headers.get("Content-Length", "")
        if not size.isdecimal() or int(size) > MOST_BYTES:
            self.close_connection = True
            self._send(
                HTTPStatus.BAD_REQUEST, {"error": f"Content-Length: expected at most {MOST_BYTES}, got {size!r}"}
            )
            return
        body = self.rfile.read(int(size))
        if self.path != f"/v2/models/{self.server.name}/infer":
            self._send(
                HTTPStatus.NOT_FOUND, {"error": f"expected /v2/models/{self.server.name}/infer, got {self.path!r}"}
            )
            return
        number = self.headers.get("x-request-id") or str(uuid.uuid4())
        began_ms = time.time_ns() // 1_000_000
        request = Request(self.path, tuple(self.headers.items()))
        found = self.server.graph.evaluate(request, lambda model: ask(model, body, number))
        for asked in found.asked:
            self.server.teller.tell(asked, number, began_ms)
        self._answer(found, number)

    def _answer(self, found: Evaluated, number: str) -> None:
        if found.answer is None:
            status, _ = outcome(found.error)
            self._send(HTTPStatus(status), {"error": f"{' -> '.join(found.path)}: {found.error}", "id": number})
            return
        told = {"path": list(found.path), "asked": {one.key.variant: one.answer is not None for one in found.asked}}
        outputs = outputs_of(found.answer)
        self._send(
            HTTPStatus.OK, {"model_name": self.server.name, "id": number, "outputs": outputs, "parameters": told}
        )

    def _send(self, status: HTTPStatus, body: dict[str, object]) -> None:
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def ask(model: Model, body: bytes, number: str) -> Answer:
    """Gives what a model server answers. Raises `OSError` where it does not, and `ValueError` for no answer."""
    headers = {"Content-Type": "application/json", "x-request-id": number}
    with urlopen(HttpRequest(model.url, body, headers), timeout=model.timeout / 1000) as response:
        said = json.load(response)
    try:
        return answer_of(said["outputs"])
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{model.url}: expected outputs of the Open Inference Protocol, got {said!r:.200}") from error


def answer_of(outputs: list[dict[str, Any]]) -> Answer:
    """Gives what outputs say. Raises `ValueError`, or what comes of data that is not as the protocol has it."""
    named = {output["name"]: output["data"] for output in outputs}
    if "probabilities" in named:
        return Answer(probabilities={str(at): share for at, share in enumerate(named["probabilities"])})
    first = outputs[0]
    if first["datatype"] in ("FP32", "FP64"):
        return Answer(value=float(first["data"][0]))
    return Answer(label=str(first["data"][0]))


def outputs_of(answer: Answer) -> list[dict[str, object]]:
    """Gives the outputs that say so."""
    if answer.value is not None:
        return [{"name": "value", "shape": [1], "datatype": "FP64", "data": [answer.value]}]
    names, shares = list(answer.probabilities), list(answer.probabilities.values())
    return [
        {"name": "label", "shape": [1], "datatype": "BYTES", "data": [answer.label]},
        {"name": "classes", "shape": [1, len(names)], "datatype": "BYTES", "data": names},
        {"name": "probabilities", "shape": [1, len(shares)], "datatype": "FP64", "data": shares},
    ]


def outcome(error: Exception | None) -> tuple[int, Failure]:
    """Gives the status that stands for an error, and what kind of failure it was."""
    reason = error.reason if isinstance(error, URLError) and not isinstance(error, HTTPError) else error
    match reason:
        case None:
            return HTTPStatus.OK, Failure.NONE
        case HTTPError():
            return reason.code, Failure.NONE
        case TimeoutError():
            return HTTPStatus.GATEWAY_TIMEOUT, Failure.TIMEOUT
        case ConnectionRefusedError():
            return HTTPStatus.BAD_GATEWAY, Failure.CONNECT
        case ConnectionResetError():
            return HTTPStatus.BAD_GATEWAY, Failure.RESET
        case _:
            return HTTPStatus.BAD_GATEWAY, Failure.NONE


def address(text: str) -> tuple[str, int]:
    """Reads HOST:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host, int(port)


def main() -> None:
    """Serves until it is told to stop (Ctrl-C, SIGTERM)."""
    parser = argparse.ArgumentParser(description="one answer of several models")
    parser.add_argument("graph", type=Path)
    parser.add_argument("--listen", type=address, required=True, metavar="HOST:PORT", help="port 0: any that is free")
    given = parser.parse_args()
    try:
        graph = load(given.graph.read_text(encoding="utf-8"), str(given.graph))[0]
    except (OSError, InvalidFile) as error:
        parser.error(str(error))
    kafka = os.environ.get("TRIMTAB_KAFKA__BOOTSTRAP", "127.0.0.1:9092")
    redis = os.environ.get("TRIMTAB_REDIS__URL", "redis://127.0.0.1:6379")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (
        Weights(redis, graph.spec.releases) as weights,
        Telemetry(kafka, publisher=f"ensemble-{os.getpid()}") as telemetry,
        Labels(kafka) as labels,
        Server(given.listen, graph, weights, Teller(telemetry, labels)) as server,
    ):
        sys.stdout.write(f"listening on {server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
