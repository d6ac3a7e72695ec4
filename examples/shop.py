"""A service to be released: one version of a shop, as good or as bad as you say.

    python examples/shop.py v2 --listen 127.0.0.1:8002 --fails 0.3 --latency-ms 15

Every path answers with the version as JSON; the given share of the requests fails with status 500, but /health never.
"""

# ruff: noqa: S311 - a program that draws lots

import argparse
import json
import random
import signal
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Shop(ThreadingHTTPServer):
    """Serves one version."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], version: str, *, fails: float, latency_s: float) -> None:
        super().__init__(address, Visit)
        self.version, self.fails, self.latency_s = version, fails, latency_s


class Visit(BaseHTTPRequestHandler):
    """One connection of a visitor; it stays open from one request to the next."""

    protocol_version = "HTTP/1.1"
    server: Shop

    def do_GET(self) -> None:
        """Answers, in time and well or not."""
        time.sleep(self.server.latency_s)
        failed = self.path != "/health" and random.random() < self.server.fails
        body = json.dumps({"version": self.server.version, "failed": failed}).encode()
        self.send_response(HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Logs nothing."""


def address(text: str) -> tuple[str, int]:
    """Reads HOST:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"expected HOST:PORT, got {text!r}")
    return host, int(port)


def main() -> None:
    """Serves until it is told to stop (Ctrl-C, SIGTERM)."""
    parser = argparse.ArgumentParser(description="one version of a service")
    parser.add_argument("version")
    parser.add_argument("--listen", type=address, required=True, metavar="HOST:PORT", help="port 0: any that is free")
    parser.add_argument("--fails", type=float, default=0.0, metavar="SHARE", help="of the requests, from 0 to 1")
    parser.add_argument("--latency-ms", type=float, default=10.0, metavar="MS")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Shop(given.listen, given.version, fails=given.fails, latency_s=given.latency_ms / 1000) as shop:
        sys.stdout.write(f"listening on {shop.server_address[1]}\n")
        sys.stdout.flush()
        shop.serve_forever()


if __name__ == "__main__":
    main()
