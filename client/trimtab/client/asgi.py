"""Releases within one ASGI service (FastAPI, Starlette, …): each request gets a variant, and telemetry is told of it.

    from trimtab.client.asgi import Trimtab

    app.add_middleware(Trimtab, release="checkout", kafka="kafka:9092", redis="redis://redis", default="v1")

and, wherever the request is answered, `request.state.trimtab.variant`. Responses carry the headers that a proxy would
set, and `x-trimtab-token`, by which whoever learns the outcome can name the request (`trimtab.client.Outcome`).
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

from trimtab.client.assign import Assign, Assignment
from trimtab.client.telemetry import Telemetry
from trimtab.client.weights import Weights
from trimtab.schemas.condition_field import amiss_in_name
from trimtab.schemas.ids import is_name
from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.request_match import Request
from trimtab.schemas.telemetry import Failure

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
KeyOf = Callable[[Scope], str | None]

_REQUEST_ID: Final = b"x-request-id"
_KEPT_S: Final = 30 * 24 * 3600
_ERROR: Final = 500


class Trimtab:
    """The middleware, for one release. Everything else than HTTP passes as it is.

    `cookie`: the name of a cookie by which visitors are recognised, who get one where they have none; or `key`: gives
    by what a request is recognised, such as a user's id; without either each request is drawn for by itself.
    `default`: the variant before any weights have come. `publisher` names the process; it has to be its own.
    """

    def __init__(  # noqa: PLR0913 - what a release takes, all but the app by name
        self,
        app: App,
        *,
        release: str,
        default: str,
        kafka: str | KafkaConnection = "",
        redis: str | RedisConnection = "",
        cookie: str = "",
        key: KeyOf | None = None,
        publisher: str = "",
        telemetry: Telemetry | None = None,
        weights: Weights | None = None,
    ) -> None:
        """`telemetry`, `weights`: those that the process has already, in place of `kafka` and `redis`."""
        if cookie and (amiss := amiss_in_name("cookie", cookie)):
            raise ValueError(f"cookie: expected {amiss}, got {cookie!r}")
        if cookie and key is not None:
            raise ValueError("expected either a cookie or a key, by which a visitor is recognised; got both")
        if not is_name(default):
            raise ValueError(f"default {default!r}: expected a variant of the release file")
        self._app, self._release, self._cookie, self._key = app, release, cookie, key
        self._telemetry = telemetry or Telemetry(kafka, publisher=publisher or f"{release}-{uuid.uuid4()}")
        self._weights = weights or Weights(redis, [release])
        self._owned = [owned for given, owned in ((telemetry, self._telemetry), (weights, self._weights)) if not given]
        self._assign = Assign(self._weights, default={release: default})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one connection, as ASGI has it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._closing(send))
        elif scope["type"] == "http":
            await self._serve(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _closing(self, send: Send) -> Send:
        """Closes what was opened here once the app has shut down."""

        async def told(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown"):
                await asyncio.gather(*(owned.close_async() for owned in self._owned))
            await send(message)

        return told

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = _request(scope)
        key, is_new = self._recognised(scope, request)
        assignment = self._assign.pick(self._release, key, request=request, request_id=_header(scope, _REQUEST_ID))
        scope.setdefault("state", {})["trimtab"] = assignment
        if not assignment.takes_part:
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, _headers(assignment) + ([_set_cookie(self._cookie, str(key))] if is_new else []))
        self._telemetry.request(assignment.key, assignment.started_ms)
        began_s, failure = time.perf_counter(), Failure.NONE
        try:
            await self._app(scope, receive, answer.send)
        except asyncio.CancelledError:
            failure = Failure.CLIENT
            raise
        finally:
            duration_ms = 1_000 * (time.perf_counter() - began_s)
            # Without an answer the server makes one: an error of the service.
            self._telemetry.response(
                assignment.key, duration_ms, answer.status or _ERROR, size=answer.size, failure=failure
            )

    def _recognised(self, scope: Scope, request: Request) -> tuple[str | None, bool]:
        """Gives by what a request is recognised, and whether that is new to the visitor."""
        if self._key is not None:
            return self._key(scope), False
        if not self._cookie:
            return None, False
        known = _cookie(request, self._cookie)
        return known or str(uuid.uuid4()), not known


class _Answer:
    """What an app answers, watched on its way."""

    def __init__(self, send: Send, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self._send, self._headers = send, headers
        self.status, self.size = 0, 0

    async def send(self, message: Message) -> None:
        """Takes note of a message, and lets it go on."""
        if message["type"] == "http.response.start":
            self.status = int(message["status"])
            message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)


def _request(scope: Mapping[str, Any]) -> Request:
    query = scope.get("query_string", b"").decode("latin-1")
    path = scope.get("raw_path") or scope["path"].encode()
    target = path.decode("latin-1") + (f"?{query}" if query else "")
    return Request(target, tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]))


def _header(scope: Mapping[str, Any], wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted), "")


def _cookie(request: Request, wanted: str) -> str:
    lines = [value for name, value in request.headers if name.lower() == "cookie"]
    pairs = [pair.strip().partition("=") for line in lines for pair in line.split(";")]
    return next((value for name, _, value in pairs if name == wanted), "")


def _headers(assignment: Assignment) -> list[tuple[bytes, bytes]]:
    key = assignment.key
    told = {
        "release": key.release, "variant": key.variant, "revision": f"{key.era}.{key.revision}",
        "segment": key.segment, "token": assignment.token,
    }  # fmt: skip
    return [(f"x-trimtab-{name}".encode(), value.encode()) for name, value in told.items() if value]


def _set_cookie(name: str, value: str) -> tuple[bytes, bytes]:
    return b"set-cookie", f"{name}={value}; Path=/; Max-Age={_KEPT_S}; HttpOnly; SameSite=Lax".encode()
