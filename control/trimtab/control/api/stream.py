"""Server-sent events over ASGI: no queue of bytes, an end for whoever does not read, and one for the server's own."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Final

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trimtab.control.api.hub import Viewer

MEDIA_TYPE: Final = "text/event-stream"
HEARTBEAT_S: Final = 15.0
SLOW_S: Final = 20.0
"""How long a viewer may keep us from sending; after that its connection ends, and it resumes by `Last-Event-ID`."""
HEARTBEAT: Final = b": \n\n"
RETRY: Final = b"retry: 1000\n\n"

_log = structlog.get_logger()

_HEADERS: Final = (
    (b"content-type", MEDIA_TYPE.encode() + b"; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)


class EventStream(Response):
    """A response that lasts: sends what `events` gives until the viewer goes, is too slow, or is to end."""

    def __init__(self, viewer: Viewer, events: AsyncGenerator[bytes], close: Callable[[], None]) -> None:
        """`close` is called at the end, whatever it is."""
        super().__init__(media_type=MEDIA_TYPE)
        self._viewer, self._events, self._close = viewer, events, close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        leaving = asyncio.create_task(self._await_leave(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            async with aclosing(self._events) as events:
                async for chunk in events:
                    async with asyncio.timeout(SLOW_S):
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                    if self._viewer.is_over:
                        break
            async with asyncio.timeout(SLOW_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            _log.info("viewer_dropped", path=scope["path"], waited_s=SLOW_S)
        finally:
            leaving.cancel()
            self._close()

    async def _await_leave(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._viewer.end()
