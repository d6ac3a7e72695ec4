"""Headers that every answer has, and the end of a request that went wrong in a way that nobody thought of."""

from http import HTTPStatus
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trimtab.control.api.metrics import Tally
from trimtab.control.api.problem import ApiProblem

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
_ALWAYS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
_NO_STORE: Final = (b"cache-control", b"no-store")
_NO_CACHE: Final = (b"cache-control", b"no-cache")
_log = structlog.get_logger()


class Outermost:
    """Adds headers, and counts; answers 500 where nothing was answered yet."""

    def __init__(self, app: ASGIApp, tally: Tally) -> None:
        self._app, self._tally = app, tally

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal is_started
            if message["type"] == "http.response.start":
                is_started = True
                self._tally.count(scope["method"], message["status"])
                message = {**message, "headers": _with_ours(list(message["headers"]), scope["path"])}
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except ClientDisconnect:
            pass  # it went while it was sending: there is nobody to answer
        except Exception as error:  # noqa: BLE001 - see below
            # The last resort of the server, as a worker's loop has one: told in full, and the server goes on.
            _log.exception("request_failed", method=scope["method"], path=scope["path"], error=str(error))
            if not is_started:
                detail = "this is a mistake of ours; the log of the server tells more"
                problem = ApiProblem(HTTPStatus.INTERNAL_SERVER_ERROR, detail)
                await problem.response()(scope, receive, send_with_headers)


def _with_ours(headers: list[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    if not any(name == _NO_STORE[0] for name, _ in headers):
        headers.append(_NO_STORE if path.startswith("/api/") else _NO_CACHE)
    return [*headers, *_ALWAYS]
