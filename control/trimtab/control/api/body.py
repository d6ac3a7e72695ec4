"""Bodies of requests: of the type that is expected, within a limit, and by their rules."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from trimtab.control.api.problem import ApiProblem, Wrong

MAX_BYTES: Final = 256 * 1024
"""Far more than any release file."""
JSON: Final = "application/json"
YAML: Final = ("application/yaml", "application/x-yaml", "text/yaml")

M = TypeVar("M", bound=BaseModel)


def too_large() -> ApiProblem:
    """Gives the answer for a body over the limit. The rest of it is not read, so the connection ends."""
    detail = f"the body is over {MAX_BYTES} bytes"
    return ApiProblem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers={"Connection": "close"})


class BodyLimit:
    """Refuses a body that says that it is over the limit before a byte of it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] == "http":
            length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
            if not length.isdigit() or int(length) > MAX_BYTES:
                await too_large().response()(scope, receive, send)
                return
        await self._app(scope, receive, send)


async def read_body(request: Request, types: Sequence[str] = (JSON,)) -> bytes:
    """Gives the body. Raises the answers 415 and 413; a body without a length is read up to the limit."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in types:
        expected = " or ".join(types)
        raise ApiProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"expected Content-Type {expected}, got {given or 'none'!r:.80}",
            headers={"Accept": ", ".join(types)},
        )  # fmt: skip
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise too_large()
    return bytes(body)


async def read_model(request: Request, model: type[M]) -> M:
    """Gives what the JSON body says. Raises the answers 413, 415 and 422."""
    return validated(await read_body(request), model)


def validated(body: bytes, model: type[M]) -> M:
    """Gives what JSON says. Raises the answer 422, with every field and its rule."""
    try:
        return model.model_validate_json(body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ApiProblem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "the body breaks its rules",
            errors=[_wrong(one) for one in error.errors(include_url=False, include_context=False)],
        ) from None  # fmt: skip


def request_body(model: type[BaseModel]) -> dict[str, Any]:
    """Gives the part of the OpenAPI document that describes a JSON body."""
    return {"requestBody": {"required": True, "content": {JSON: {"schema": model.model_json_schema()}}}}


def _wrong(error: Any) -> Wrong:
    message = str(error["msg"]).removeprefix("Value error, ")
    field, colon, rule = message.partition(": ")
    if error["type"] == "value_error" and colon and " " not in field:
        return {"field": field, "rule": rule}
    return {"field": ".".join(map(str, error["loc"])) or "(body)", "rule": message}
