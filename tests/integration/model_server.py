"""Model servers on threads of the test, and the ensemble server of the examples as a process of its own."""

# ruff: noqa: S310 - on loopback

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.request import Request, urlopen

SERVER = Path(__file__).resolve().parents[2] / "examples" / "ensemble_server.py"

Outputs = list[dict[str, object]]
Said = Callable[[list[float]], Outputs | bytes]
"""Gives the outputs for an image, or bytes that are no answer of the protocol; `RuntimeError` comes to a status 500"""


def probabilities(shares: list[float]) -> Outputs:
    return [{"name": "probabilities", "shape": [1, len(shares)], "datatype": "FP64", "data": shares}]


class ModelServer(ThreadingHTTPServer):
    """Speaks the Open Inference Protocol for what `said` says."""

    daemon_threads = True

    def __init__(self, said: Said) -> None:
        super().__init__(("127.0.0.1", 0), _Inference)
        self.said, self.asked = said, 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v2/models/digits/infer"
        self._thread = threading.Thread(target=self.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Inference(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked += 1
        try:
            outputs, status = self.server.said(asked["inputs"][0]["data"]), 200
        except RuntimeError:
            outputs, status = b"broken", 500
        body = outputs if isinstance(outputs, bytes) else json.dumps({"outputs": outputs}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def graph(models: Mapping[str, str], *, timeout: str = "5s") -> str:
    """The text of a graph: an ensemble of the release `digits`; `models`: variant -> URL."""
    nodes = {
        "all": {"type": "ensemble", "release": "digits", "to": {name: name for name in models}},
        **{name: {"type": "model", "url": url, "timeout": timeout} for name, url in models.items()},
    }
    made = {"apiVersion": "trimtab.dev/v1", "kind": "ModelGraph", "metadata": {"name": "digits"}}
    return json.dumps({**made, "spec": {"entry": "all", "nodes": nodes}})


@contextmanager
def ensemble_server(file: Path, *, kafka: str, redis: str) -> Iterator[str]:
    """The server of a graph, by its URL; that it ends well when it is told to is a part of it."""
    command = [sys.executable, str(SERVER), str(file), "--listen", "127.0.0.1:0"]
    settings = [f"TRIMTAB_KAFKA__BOOTSTRAP={kafka}", f"TRIMTAB_REDIS__URL={redis}"]
    with subprocess.Popen(["/usr/bin/env", *settings, *command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().removeprefix('listening on ').strip()}"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0


def infer(url: str, image: list[float], number: str = "", path: str = "/v2/models/digits/infer") -> dict[str, Any]:
    """Gives what the server answers. Raises `HTTPError`."""
    inputs = [{"name": "image", "shape": [1, len(image)], "datatype": "FP64", "data": image}]
    headers = {"x-request-id": number} if number else {}
    with urlopen(Request(f"{url}{path}", json.dumps({"inputs": inputs}).encode(), headers), timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def data_of(answer: dict[str, Any], name: str) -> list[Any]:
    return next(output["data"] for output in answer["outputs"] if output["name"] == name)
