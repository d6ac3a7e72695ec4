"""The console's files, for every address that is no route: `/` is its page."""

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from trimtab.control.api.problem import ApiProblem
from trimtab.control.console import STATIC

_READS: Final = ("GET", "HEAD")


class ConsoleFiles:
    """Answers what no route does: with a file, or with 404."""

    def __init__(self) -> None:
        self._files = GZipMiddleware(StaticFiles(directory=STATIC, html=True, check_dir=False), compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        is_file = scope["type"] == "http" and scope["method"] in _READS and not scope["path"].startswith("/api/")
        try:
            if is_file and STATIC.is_dir():
                await self._files(scope, receive, send)
                return
        except HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND:
                raise
        await ApiProblem(HTTPStatus.NOT_FOUND, "there is nothing at this address").response()(scope, receive, send)
