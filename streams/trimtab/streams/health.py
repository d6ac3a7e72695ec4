"""Health over HTTP: whether a worker is to be restarted (`/livez`), and whether it does its part (`/readyz`).

What Prometheus asks for (`/metrics`) is served beside them.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from trimtab.schemas.address import Address
from trimtab.schemas.errors import TrimtabError

Trouble = Callable[[], str]
"""Gives why a condition is not met; empty when it is."""

_OK: Final = 200
_UNAVAILABLE: Final = 503
_log = structlog.get_logger()


class Unserved(TrimtabError):
    """The health server cannot listen where it was told to."""


class Health:
    """Two lists of conditions, each of which is met or says why not."""

    def __init__(
        self, live: Mapping[str, Trouble], ready: Mapping[str, Trouble], metrics: CollectorRegistry | None = None
    ) -> None:
        """A worker that is not alive is not ready either. `metrics`: what `/metrics` tells, if anything."""
        self._metrics = metrics
        self._live = dict(live)
        self._ready = self._live | dict(ready)
        self._runner: web.AppRunner | None = None

    async def serve(self, address: Address) -> Address:
        """Starts to answer, and gives where. Raises `Unserved`."""
        app = web.Application()
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        if self._metrics is not None:
            app.router.add_get("/metrics", partial(_tell, self._metrics))
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


async def _tell(registry: CollectorRegistry, request: web.Request) -> web.Response:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    # In a thread: a thousand releases take a third of a second, which decisions are not to wait for.
    body = await asyncio.to_thread(encode, registry)
    return web.Response(body=body, headers={"Content-Type": content_type})


def _answer(conditions: Mapping[str, Trouble]) -> web.Response:
    troubles = {name: trouble() for name, trouble in conditions.items()}
    is_ok = not any(troubles.values())
    body = {"ok": is_ok, "conditions": {name: _described(trouble) for name, trouble in troubles.items()}}
    return web.json_response(body, status=_OK if is_ok else _UNAVAILABLE)


def _described(trouble: str) -> dict[str, object]:
    return {"met": False, "reason": trouble} if trouble else {"met": True}
