import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from trimtab.control.demo.loopback import get, listener_port

LISTENING = b'{"listener_statuses": [{"local_address": {"socket_address": {"port_value": 4711}}}]}'


@contextmanager
def answering(server: socket.socket, response: bytes) -> Iterator[None]:
    """Answers one connection with `response`."""

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(response)

    thread = threading.Thread(target=answer)
    thread.start()
    with server:
        yield
        thread.join()


def http(status: str, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def admin_at(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def on_free_port() -> tuple[socket.socket, str]:
    server = socket.create_server(("127.0.0.1", 0))
    return server, f"http://127.0.0.1:{server.getsockname()[1]}/"


@pytest.mark.parametrize(("line", "status"), [("200 OK", 200), ("503 Service Unavailable", 503)])
def test_get_gives_the_status(line: str, status: int) -> None:
    server, url = on_free_port()
    with answering(server, http(line)):
        assert get(url) == status


@pytest.mark.parametrize("response", [b"", b"not HTTP at all\r\n\r\n"])
def test_get_gives_0_for_what_is_no_answer(response: bytes) -> None:
    server, url = on_free_port()
    with answering(server, response):
        assert get(url) == 0


def test_get_gives_0_where_nobody_listens() -> None:
    server, url = on_free_port()
    server.close()
    assert get(url) == 0


def test_listener_port_is_what_the_administration_says(tmp_path: Path) -> None:
    with answering(admin_at(tmp_path / "a"), http("200 OK", LISTENING)):
        assert listener_port(tmp_path / "a") == 4711


@pytest.mark.parametrize("response", [http("200 OK", b"{}"), http("503 Not Yet"), b""])
def test_listener_port_is_none_while_there_is_no_listener(tmp_path: Path, response: bytes) -> None:
    with answering(admin_at(tmp_path / "a"), response):
        assert listener_port(tmp_path / "a") is None


def test_listener_port_is_none_before_the_socket_is_there(tmp_path: Path) -> None:
    assert listener_port(tmp_path / "a") is None
