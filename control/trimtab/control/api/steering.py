"""The route that steers: an order, and the decision that it makes."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from trimtab.control.api.body import read_body, request_body, validated
from trimtab.control.api.changing import Changing, IfMatch, Wish
from trimtab.control.api.identity import Identity, Role
from trimtab.control.api.live import Live
from trimtab.control.api.negotiation import gives
from trimtab.control.api.once import IdempotencyKey
from trimtab.control.api.order import Order
from trimtab.control.api.problem import ApiProblem, no_release
from trimtab.control.api.reading import answer
from trimtab.control.api.revision_path import Name, etag, written
from trimtab.control.audit_log import Author
from trimtab.control.release_view import ReleaseView
from trimtab.control.steer import NotTaken, OrderRefused, steer
from trimtab.schemas.decision import encode
from trimtab.schemas.evidence import Command

WAIT_S: Final = 10.0
"""How long an order may wait for a worker before it is answered by 202."""
_AT_ONCE: Final = 4
_WAITING: Final = 16


class Steering:
    """Takes orders."""

    def __init__(self, live: Live, changing: Changing) -> None:
        self._live, self._changing = live, changing
        self._threads = ThreadPoolExecutor(_AT_ONCE, "steer")
        self._room = asyncio.Semaphore(_WAITING)

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["commands"], dependencies=[gives("application/json")])
        routes.add_api_route(
            "/releases/{name}/commands", self.command, methods=["POST"], response_class=Response,
            openapi_extra=request_body(Order),
        )  # fmt: skip
        return routes

    async def command(
        self, request: Request, name: Name, if_match: IfMatch = None, idempotency_key: IdempotencyKey = None
    ) -> Response:
        """Steer a release. 200 with the decision that was made, or 202 where no worker has taken the order yet."""
        self._changing.admit(request)
        body = await read_body(request)
        order = validated(body, Order)
        wish = Wish(name, order.action, order.reason, Role.OPERATOR, body, if_match, key=idempotency_key)

        async def carry(identity: Identity, by: Author, view: ReleaseView | None) -> Response:
            if view is None:
                raise no_release(name)
            return await self._give(view, order.command(name, identity.actor), by)

        return await self._changing.carry_out(request, wish, carry)

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _give(self, view: ReleaseView, command: Command, by: Author) -> Response:
        if self._room.locked():
            raise ApiProblem(HTTPStatus.TOO_MANY_REQUESTS, "too many orders wait", headers={"Retry-After": "1"})
        kafka = self._live.settings.kafka
        call = partial(steer, command, kafka=kafka, wait_s=WAIT_S, by=by, before=view.decision)
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
