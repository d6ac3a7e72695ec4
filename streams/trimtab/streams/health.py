"""Health over HTTP: whether a worker is to be restarted (`/livez`), and whether it does its part (`/readyz`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog
from aiohttp import web

from trimtab.schemas.errors import TrimtabError

Trouble = Callable[[], str]
"""Gives why a condition is not met; empty when it is."""

_OK: Final = 200
_UNAVAILABLE: Final = 503
_log = structlog.get_logger()


class Unserved(TrimtabError):
    """The health server cannot listen where it was told to."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int
    """0 for any that is free"""

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Reads `HOST:PORT`, `:PORT` or `[IPv6]:PORT`; without a host it is loopback. Raises ValueError."""
        host, colon, port = text.rpartition(":")
        if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65_535:  # noqa: PLR2004 - the greatest port
            raise ValueError(f"expected HOST:PORT with a port from 0 to 65535, got {text!r}")
        return cls(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))


class Health:
    """Two lists of conditions, each of which is met or says why not."""

    def __init__(self, live: Mapping[str, Trouble], ready: Mapping[str, Trouble]) -> None:
        """A worker that is not alive is not ready either."""
        self._live = dict(live)
        self._ready = self._live | dict(ready)
        self._runner: web.AppRunner | None = None

    async def serve(self, address: Address) -> Address:
        """Starts to answer, and gives where. Raises `Unserved`."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address.host, address.port).start()
        except OSError as error:
            raise Unserved(f"health at {address.host}:{address.port}: {error.strerror or error}") from error
        host, port = self._runner.addresses[0][:2]
        _log.info("health_listening", host=host, port=port)
        return Address(host, port)

    async def close(self) -> None:
        """Stops answering."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _livez(self, _request: web.Request) -> web.Response:
        return _answer(self._live)

    async def _readyz(self, _request: web.Request) -> web.Response:
        return _answer(self._ready)


def _answer(conditions: Mapping[str, Trouble]) -> web.Response:
    troubles = {name: trouble() for name, trouble in conditions.items()}
    is_ok = not any(troubles.values())
    body = {"ok": is_ok, "conditions": {name: _described(trouble) for name, trouble in troubles.items()}}
    return web.json_response(body, status=_OK if is_ok else _UNAVAILABLE)


def _described(trouble: str) -> dict[str, object]:
    return {"met": False, "reason": trouble} if trouble else {"met": True}
