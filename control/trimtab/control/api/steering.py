"""The route that steers: an order, and the decision that it makes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from trimtab.control.api.body import read_model, request_body
from trimtab.control.api.identity import Role, at_least
from trimtab.control.api.live import Live
from trimtab.control.api.order import Order
from trimtab.control.api.problem import ApiProblem, no_release
from trimtab.control.api.reading import answer
from trimtab.control.api.revision_path import Name, etag, matches, written
from trimtab.control.release_view import ReleaseView
from trimtab.control.steer import NotTaken, OrderRefused, steer
from trimtab.schemas.decision import encode
from trimtab.schemas.evidence import Command

WAIT_S: Final = 10.0
"""How long an order may wait for a worker before it is answered by 202."""
_AT_ONCE: Final = 4
_WAITING: Final = 16

IfMatch = Annotated[str | None, Header(description="ETag of the revision that is to be steered: 412 for any other.")]


class Steering:
    """Takes orders."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._threads = ThreadPoolExecutor(_AT_ONCE, "steer")
        self._room = asyncio.Semaphore(_WAITING)

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["commands"])
        routes.add_api_route(
            "/releases/{name}/commands", self.command, methods=["POST"], response_class=Response,
            openapi_extra=request_body(Order),
        )  # fmt: skip
        return routes

    async def command(self, request: Request, name: Name, if_match: IfMatch = None) -> Response:
        """Steer a release. 200 with the decision that was made, or 202 where no worker has taken the order yet."""
        identity = at_least(request, Role.OPERATOR)
        order = await read_model(request, Order)
        view = await self._live.newest.get(name)
        if view is None:
            raise no_release(name)
        check_revision(name, view, if_match)
        return await self._give(view, order.command(name, identity.actor))

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _give(self, view: ReleaseView, command: Command) -> Response:
        if self._room.locked():
            raise ApiProblem(HTTPStatus.TOO_MANY_REQUESTS, "too many orders wait", headers={"Retry-After": "1"})
        call = partial(steer, command, kafka=self._live.settings.kafka, wait_s=WAIT_S)
        try:
            async with self._room:
                decision = await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except OrderRefused as error:
            raise ApiProblem(HTTPStatus.CONFLICT, str(error)) from error
        except NotTaken as error:
            place = written((view.decision.era, error.revision))
            address = f"/api/v1/releases/{command.release}/decisions/{place}"
            return answer({"detail": str(error)}, status=HTTPStatus.ACCEPTED, headers={"Location": address})
        self._live.hub.publish([(decision, encode(decision))])
        self._live.newest.forget(command.release)
        headers = {"ETag": etag(decision.id)}
        return Response(b'{"decision":%s}' % encode(decision), HTTPStatus.OK, headers, "application/json")


def check_revision(name: str, view: ReleaseView | None, if_match: str | None) -> None:
    """Raises the answer 412 where a release is not of the revision that is asked for."""
    if if_match is None or matches(if_match, view.decision.id if view else None):
        return
    now = f"is at revision {written(view.decision.id)}" if view else "does not exist"
    headers = {"ETag": etag(view.decision.id)} if view else {}
    raise ApiProblem(HTTPStatus.PRECONDITION_FAILED, f"release {name} {now}, expected {if_match:.200}", headers=headers)
