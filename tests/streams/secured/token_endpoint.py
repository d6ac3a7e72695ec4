"""An OAuth 2.0 endpoint (client credentials) over TLS. Its tokens are unsigned, as the broker of the tests has it."""

import base64
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from streams.secured.certificates import Identity


def unsigned_token(subject: str, life_s: float) -> str:
    now_s = int(time.time())
    claims = {"sub": subject, "iat": now_s, "exp": now_s + life_s}
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


class TokenEndpoint:
    """Gives a token for one client and its secret, 401 to everybody else."""

    def __init__(self, identity: Identity, client: str, secret: str, life_s: int = 300) -> None:
        expected = "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode()
        given = self.given = []  # type: list[str]

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers["Authorization"] != expected:
                    self.send_error(401)
                    return
                given.append(self.headers["User-Agent"] or "")
                body = {"access_token": unsigned_token(client, life_s), "token_type": "bearer", "expires_in": life_s}
                payload = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.certificate, identity.key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}/token"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
