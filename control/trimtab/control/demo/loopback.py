"""Single requests on this machine, to learn whether the proxy is there and where it listens."""

import http.client
import json
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

_PATIENCE_S: Final = 2.0


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_PATIENCE_S)
        self.sock.connect(str(self._path))


def get(url: str) -> int:
    """Gives the status of a GET; 0 where nobody answers."""
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=_PATIENCE_S)
    return _fetch(connection, at.path)[0]


def listener_port(admin: Path) -> int | None:
    """Gives the port of an Envoy's first listener, by its administration socket; None while there is none."""
    status, body = _fetch(_UnixConnection(admin), "/listeners?format=json")
    listeners = json.loads(body).get("listener_statuses", []) if status == http.HTTPStatus.OK else []
    return listeners[0]["local_address"]["socket_address"]["port_value"] if listeners else None


def _fetch(connection: http.client.HTTPConnection, path: str) -> tuple[int, bytes]:
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
