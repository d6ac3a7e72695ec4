"""The process: a socket, uvicorn on it, and an end that does not wait for those who watch."""

import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI

from trimtab.control.api.app import create_app
from trimtab.schemas.address import Address
from trimtab.schemas.errors import TrimtabError
from trimtab.streams.api_settings import ApiSettings
from trimtab.streams.setting_table import both_spellings
from trimtab.streams.settings import Settings

_GRACE_S: Final = 5
_SILENT_MS: Final = 30_000
"""How long the kernel keeps a connection of whom it cannot send anything to."""
_UNREAD_BYTES: Final = 128 * 1024
"""What the kernel keeps for one connection; by itself it would go to megabytes for each viewer that does not read."""
_KEEP_ALIVE_S: Final = 30
_log = structlog.get_logger()


class CannotListen(TrimtabError):
    """The address cannot be listened at."""


class Server(uvicorn.Server):
    """Ends the streams before it waits for requests to end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Lets SIGINT and SIGTERM end the server, and the process then end as one that is done."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the server."""
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.live.hub.close()
        await super().shutdown(sockets)


def listen(address: Address) -> socket.socket:
    """Gives a socket that listens. Raises `CannotListen`."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited by the connections: whoever stops reading does not hold what was written for them for ever.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT_MS)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    try:
        found.bind((address.host, address.port))
        found.listen(socket.SOMAXCONN)
    except OSError as error:
        found.close()
        raise CannotListen(f"cannot listen at {address.host}:{address.port}: {error.strerror or error}") from error
    return found


def check_exposure(settings: ApiSettings) -> None:
    """Raises `CannotListen` where others could come, and nobody has to say who they are."""
    host = settings.address.host
    if settings.read_tokens() or settings.proxies or is_loopback(host):
        return
    names = " or ".join(both_spellings(("api", name)) for name in ("tokens", "trusted_proxies"))
    raise CannotListen(f"cannot listen at {host}, where everybody could steer releases; set {names}")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def serve(settings: Settings) -> None:
    """Serves until a signal ends it. Raises `CannotListen`."""
    check_exposure(settings.api)
    address = settings.api.address
    with contextlib.closing(listen(address)) as found:
        server = Server(
            uvicorn.Config(
                create_app(settings), log_config=None, access_log=False, server_header=False, proxy_headers=False,
                timeout_keep_alive=_KEEP_ALIVE_S, timeout_graceful_shutdown=_GRACE_S, lifespan="on", ws="none",
            )
        )  # fmt: skip
        host, port = found.getsockname()[:2]
        _log.info("api_listening", address=f"http://{f'[{host}]' if ':' in host else host}:{port}")
        with _quiet():
            server.run(sockets=[found])


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences uvicorn: what goes wrong in a request is told by `Outermost`, and a slow viewer is nothing wrong."""
    logger = logging.getLogger("uvicorn.error")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)
