import socket
import threading
import time
from collections.abc import Iterator

import pytest

from faults.fault_proxy import FaultProxy


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that sends back what it gets; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_echo, args=(connection,)).start()

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while chunk := connection.recv(1024):
                connection.sendall(chunk)
        except ConnectionError:
            pass


def call(connection: socket.socket, text: bytes) -> bytes:
    connection.sendall(text)
    return connection.recv(1024)


def test_it_forwards_both_ways(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        assert call(connection, b"one") == b"one"
        assert call(connection, b"two") == b"two"


def test_a_delay_holds_for_either_direction(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        proxy.delay(0.1)
        started_s = time.monotonic()
        assert call(connection, b"slow") == b"slow"
        assert time.monotonic() - started_s >= 0.2


def test_a_cut_connection_is_reset(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        assert call(connection, b"one") == b"one"
        proxy.cut()
        with pytest.raises(ConnectionError):
            assert connection.recv(1024) != b""


def test_a_black_hole_takes_and_gives_nothing_until_it_is_healed(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        assert call(connection, b"one") == b"one"
        proxy.black_hole()
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            call(connection, b"two")
        connection.settimeout(5)
        proxy.heal()
        assert connection.recv(1024) == b"two"


def test_refused_connections_end_at_once(echo: int) -> None:
    with FaultProxy(echo) as proxy:
        proxy.refuse()
        # The reset may come before the connection is known to be made.
        with pytest.raises(ConnectionError):
            first_byte(proxy.port)


def first_byte(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        return connection.recv(1)
