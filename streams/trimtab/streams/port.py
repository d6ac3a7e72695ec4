"""Ports that stay ours while the server behind them is away."""

import socket


def reserve_port() -> socket.socket:
    """Gives a socket bound to a free port of 127.0.0.1, never to listen.

    As both sides allow reuse, a server can bind the same port; nobody else is handed it, also while the server is
    stopped, and a client that retries then cannot connect to itself.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def port_of(reserved: socket.socket) -> int:
    """Gives the port of a socket."""
    port: int = reserved.getsockname()[1]
    return port
