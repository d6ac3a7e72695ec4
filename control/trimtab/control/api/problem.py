"""What goes wrong, as RFC 9457 has it: `application/problem+json`, and nothing else, for every error."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NotRequired, TypedDict

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from trimtab.schemas.errors import InvalidFile, InvalidRecord, InvalidRelease, NewerVersion, Unreachable

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_S: Final = 1


class Wrong(TypedDict):
    """A field, the rule that it breaks, and its line where a file was sent."""

    field: str
    rule: str
    line: NotRequired[int]


class ApiProblem(Exception):
    """Ends a request: with a status, what is wrong, and which fields break which rules."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.errors, self.headers = status, detail, list(errors), dict(headers or {})

    def response(self) -> Response:
        """Gives the answer."""
        body: dict[str, object] = {
            "type": "about:blank", "title": self.status.phrase, "status": int(self.status), "detail": self.detail,
        }  # fmt: skip
        if self.errors:
            body["errors"] = self.errors
        return Response(msgspec.json.encode(body), self.status, self.headers, MEDIA_TYPE)


def no_release(name: str) -> ApiProblem:
    """Gives the answer for a release that does not exist."""
    return ApiProblem(HTTPStatus.NOT_FOUND, f"no release {name!r}")


def invalid(field: str, rule: str) -> ApiProblem:
    """Gives the answer for one field that breaks a rule."""
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {rule}", errors=[{"field": field, "rule": rule}])


def unreachable(error: Unreachable) -> ApiProblem:
    """Gives the answer where Kafka or Redis does not."""
    return ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": str(_RETRY_S)})


def unreadable(error: InvalidRecord) -> ApiProblem:
    """Gives the answer for a record that this version cannot read."""
    more = "; upgrade trimtab here" if isinstance(error, NewerVersion) else ""
    return ApiProblem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{error}{more}")


def wrong_release(error: InvalidRelease) -> ApiProblem:
    """Gives the answer for a release file with mistakes."""
    return wrong_file("the release file has mistakes", error)


def wrong_file(detail: str, error: InvalidFile) -> ApiProblem:
    """Gives the answer for a file with mistakes."""
    wrong: list[Wrong] = [
        {"field": problem.field, "rule": problem.message, "line": problem.line} for problem in error.problems
    ]
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=wrong)


def install(app: FastAPI) -> None:
    """Has the application answer every error so."""

    @app.exception_handler(ApiProblem)
    async def _own(_request: Request, error: ApiProblem) -> Response:
        return error.response()

    @app.exception_handler(HTTPException)
    async def _of_framework(_request: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        detail = {HTTPStatus.NOT_FOUND: "there is nothing at this address"}.get(status, str(error.detail))
        return ApiProblem(status, detail, headers=error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def _of_arguments(_request: Request, error: RequestValidationError) -> Response:
        wrong: list[Wrong] = [
            {"field": ".".join(map(str, one["loc"][1:])) or str(one["loc"][0]), "rule": str(one["msg"])}
            for one in error.errors()
        ]
        return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, "arguments break their rules", errors=wrong).response()

    @app.exception_handler(Unreachable)
    async def _unreachable(_request: Request, error: Unreachable) -> Response:
        return unreachable(error).response()

    @app.exception_handler(InvalidRecord)
    async def _unreadable(_request: Request, error: InvalidRecord) -> Response:
        return unreadable(error).response()

    @app.exception_handler(InvalidRelease)
    async def _wrong_release(_request: Request, error: InvalidRelease) -> Response:
        return wrong_release(error).response()
