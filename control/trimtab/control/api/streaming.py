"""Routes of streams."""

from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.responses import Response

from trimtab.control.api import revision_path
from trimtab.control.api.hub import ALL, TooManyViewers, Viewer
from trimtab.control.api.live import Live
from trimtab.control.api.negotiation import gives
from trimtab.control.api.problem import ApiProblem, invalid, no_release
from trimtab.control.api.revision_path import Name
from trimtab.control.api.stream import MEDIA_TYPE, EventStream

LastEventId = Annotated[
    str | None, Header(alias="Last-Event-ID", description="ERA-OFFSET of the last decision that came; the next follow.")
]


class Streaming:
    """Opens streams."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["streams"], dependencies=[gives(MEDIA_TYPE)])
        routes.add_api_route("/events", self.all, response_class=Response)
        routes.add_api_route("/releases/{name}/events", self.release, response_class=Response)
        return routes

    async def release(self, name: Name, last_event_id: LastEventId = None) -> Response:
        """Follow a release: `decision` for each one, without a gap after `Last-Event-ID`, and `sidecars`."""
        try:
            last = revision_path.read(last_event_id) if last_event_id else None
        except ValueError as error:
            raise invalid("Last-Event-ID", str(error)) from error
        view = await self._live.newest.get(name)
        if view is None:
            raise no_release(name)
        self._live.remember(view.decision)
        stack, viewer = self._viewer(name)
        return EventStream(viewer, self._live.watching.release(viewer, name, last), stack.close)

    async def all(self) -> Response:
        """Follow all releases: `release` with each one's line, now and whenever it changes."""
        await self._live.newest.all()
        stack, viewer = self._viewer(ALL)
        return EventStream(viewer, self._live.watching.all(viewer), stack.close)

    def _viewer(self, release: str) -> tuple[ExitStack, Viewer]:
        stack = ExitStack()
        try:
            return stack, stack.enter_context(self._live.hub.watch(release))
        except TooManyViewers as error:
            raise ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"}) from error
