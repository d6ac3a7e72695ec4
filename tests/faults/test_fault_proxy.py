import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        assert call(connection, b"one") == b"one"
        assert call(connection, b"two") == b"two"


def test_a_delay_holds_for_either_direction(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        proxy.delay(0.1)
        started_s = time.monotonic()
        assert call(connection, b"slow") == b"slow"
        assert time.monotonic() - started_s >= 0.2


@contextmanager
def through(proxy: FaultProxy, listener: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection that the proxy forwards to the listener: its near and its far end."""
    with socket.create_connection(("127.0.0.1", proxy.port), 60) as near:
        near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        far, _ = listener.accept()
        far.settimeout(60)
        with far:
            yield near, far


def test_a_shorter_delay_lets_nothing_overtake(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        proxy.delay(0.1)
        connection.sendall(b"first, ")
        time.sleep(0.01)  # the pace of the chunks
        proxy.delay(0)
        connection.sendall(b"second")
        with connection.makefile("rb") as answer:
            assert answer.read(13) == b"first, second"


def test_what_a_long_delay_holds_back_is_passed_on_when_it_heals(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        proxy.delay(3_600)
        for chunk in (b"one, ", b"two, ", b"three"):
            connection.sendall(chunk)
            time.sleep(0.005)  # the pace of the chunks
        proxy.heal()
        with connection.makefile("rb") as answer:
            assert answer.read(15) == b"one, two, three"


def test_a_farewell_comes_after_what_was_sent_before_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(listener.getsockname()[1]) as proxy,
        through(proxy, listener) as (near, far),
    ):
        proxy.delay(0.1)
        near.sendall(b"last words")
        near.shutdown(socket.SHUT_WR)
        assert far.recv(1024) == b"last words"
        assert far.recv(1024) == b""
        far.sendall(b"an answer")
        assert near.recv(1024) == b"an answer"


def test_a_reset_comes_as_one() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(listener.getsockname()[1]) as proxy,
        through(proxy, listener) as (near, far),
    ):
        near.sendall(b"last words")
        assert far.recv(1024) == b"last words"
        near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        near.close()
        with pytest.raises(ConnectionError):
            assert far.recv(1024) != b""


def test_a_cut_connection_is_reset(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        assert call(connection, b"one") == b"one"
        proxy.cut()
        with pytest.raises(ConnectionError):
            assert connection.recv(1024) != b""


def test_a_black_hole_takes_and_gives_nothing_until_it_is_healed(echo: int) -> None:
    with FaultProxy(echo) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 60) as connection:
        assert call(connection, b"one") == b"one"
        proxy.black_hole()
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            call(connection, b"two")
        connection.settimeout(60)
        proxy.heal()
        assert connection.recv(1024) == b"two"


@pytest.mark.long
def test_a_black_hole_holds_up_who_sends_much_and_keeps_all_that_it_took() -> None:
    much = 64 << 20  # bytes; far more than the proxy and the buffers of the system hold
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        FaultProxy(listener.getsockname()[1]) as proxy,
        through(proxy, listener) as (near, far),
    ):
        proxy.black_hole()
        near.settimeout(1)
        taken = 0
        with suppress(TimeoutError):
            while taken < much:
                taken += near.send(numbered(taken))
        assert taken < much
        proxy.heal()
        near.shutdown(socket.SHUT_WR)
        given = 0
        while given < taken:
            chunk = far.recv(_BLOCK)
            assert chunk == numbered(given)[: len(chunk)]
            given += len(chunk)


_BLOCK = 1 << 16
_BLOCKS = b"".join(bytes([number]) * 251 for number in range(251)) * 3


def numbered(position: int) -> bytes:
    """A block of a stream in which every place tells where it is, from that position on."""
    start = position % (251 * 251)
    return _BLOCKS[start : start + _BLOCK]


def test_a_proxy_ends_quietly_while_connections_are_open(echo: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR), FaultProxy(echo) as proxy:
        connections = [socket.create_connection(("127.0.0.1", proxy.port), 60) for _ in range(20)]
        assert call(connections[0], b"one") == b"one"
        proxy.delay(3_600)
        connections[0].sendall(b"never comes")
    for connection in connections:
        with connection, pytest.raises(ConnectionError):
            assert connection.recv(1) != b""
    assert caplog.records == []


def test_refused_connections_end_at_once(echo: int) -> None:
    with FaultProxy(echo) as proxy:
        proxy.refuse()
        # The reset may come before the connection is known to be made.
        with pytest.raises(ConnectionError):
            first_byte(proxy.port)


def first_byte(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        return connection.recv(1)
