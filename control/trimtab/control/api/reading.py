"""Routes that read: releases, decisions, evidence windows, sidecars."""

import time
from http import HTTPStatus
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from trimtab.control.api import revision_path
from trimtab.control.api.live import Live
from trimtab.control.api.negotiation import gives
from trimtab.control.api.problem import ApiProblem, no_release
from trimtab.control.api.revision_path import Before, Name, RevisionPath, etag, matches, written
from trimtab.control.api.summary import listed, windows
from trimtab.control.explain import explain
from trimtab.control.history import Found, History, Page
from trimtab.control.kafka_log import KafkaLog
from trimtab.control.limited import limited
from trimtab.control.release_view import ReleaseView
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.ids import NO_REVISION, Revision

_JSON: Final = "application/json"
_PAGE: Final = 50
_LONGEST_PAGE: Final = 500
_encode = msgspec.json.Encoder().encode

Limit = Annotated[int, Query(ge=1, le=_LONGEST_PAGE, description="How many, at most.")]
IfNoneMatch = Annotated[str | None, Header(description="ETags that are known already: they are answered by 304.")]


def answer(data: object, *, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """Gives JSON."""
    return Response(_encode(data), status, headers, _JSON)


class Reading:
    """Answers what is read."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", dependencies=[gives("application/json")])
        for path, endpoint, tag in (
            ("/releases", self.releases, "releases"),
            ("/releases/{name}", self.release, "releases"),
            ("/releases/{name}/decisions", self.decisions, "decisions"),
            ("/releases/{name}/decisions/{revision}", self.decision, "decisions"),
            ("/releases/{name}/decisions/{revision}/explanation", self.explanation, "decisions"),
            ("/releases/{name}/windows", self.windows, "evidence"),
            ("/releases/{name}/sidecars", self.sidecars_of, "sidecars"),
            ("/sidecars", self.sidecars, "sidecars"),
        ):
            routes.add_api_route(path, endpoint, tags=[tag], response_class=Response)
        return routes

    async def releases(self) -> Response:
        """List all releases, each in a line."""
        found = await self._live.newest.all()
        items = [listed(view, self._live.rings) for view in found.views.values()]
        return answer({"items": items, "unread": found.unread})

    async def release(self, name: Name, if_none_match: IfNoneMatch = None) -> Response:
        """Get a release file as JSON, with its status: newest decision, sidecars."""
        view = await self._view(name)
        headers = {"ETag": etag(view.decision.id), "Cache-Control": "no-cache"}
        if if_none_match is not None and matches(if_none_match, view.decision.id):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return answer(view.plain(), headers=headers)

    async def decisions(self, name: Name, limit: Limit = _PAGE, before: Before = None) -> Response:
        """List the decisions on a release, newest first. `next` is what to give as `before` for more."""
        older = revision_path.read(before) if before else None
        frames = self._live.rings.before(name, older, limit)
        if frames is not None:
            first = frames[-1]
            return _page([frame.json for frame in frames], first.id if first.replaces != NO_REVISION else None)
        await self._view(name)
        page = await self._live.threads.read_kafka(lambda log: _page_of(log, name, older, limit))
        return _page([found.payload for found in page.items], page.next)

    async def decision(self, name: Name, revision: RevisionPath) -> Response:
        """Get one decision, as the topic has it."""
        return Response((await self._found(name, revision)).payload, media_type=_JSON)

    async def explanation(self, name: Name, revision: RevisionPath) -> Response:
        """Explain a decision: what it saw, what it concluded, which rule moved which weights."""
        decision = (await self._found(name, revision)).decision
        replaced = await self._find(name, decision.replaces) if decision.replaces != NO_REVISION else None
        view = await self._view(name)
        bounds = limited(view.document) if view.decision.id == decision.id else None
        return answer({"lines": explain(decision, replaced and replaced.decision, bounds)})

    async def windows(self, name: Name) -> Response:
        """Get the evidence of the newest decision: what each variant showed, and how old that is."""
        view = await self._view(name)
        return answer(windows(view.decision, self._live.rings, time.time_ns() // 1_000_000))

    async def sidecars_of(self, name: Name) -> Response:
        """List the sidecars that follow a release."""
        return answer(_sidecars([await self._view(name)]))

    async def sidecars(self) -> Response:
        """List all sidecars."""
        return answer(_sidecars((await self._live.newest.all()).views.values()))

    async def _view(self, name: str) -> ReleaseView:
        view = await self._live.newest.get(name)
        if view is None:
            raise no_release(name)
        return view

    async def _found(self, name: str, revision: str) -> Found:
        found = await self._find(name, revision_path.read(revision))
        if found is None:
            await self._view(name)
            raise ApiProblem(
                HTTPStatus.NOT_FOUND, f"release {name}: no decision of revision {revision}, or it is kept no more"
            )
        return found

    async def _find(self, name: str, revision: Revision) -> Found | None:
        wanted = self._with_era(name, revision)
        frame = self._live.rings.find(name, wanted)
        if frame is not None:
            return Found(decode_decision(frame.json), frame.json)
        found = await self._live.threads.read_kafka(lambda log: History(log, name).get(wanted))
        return Found(found, _encode(found)) if found else None

    def _with_era(self, name: str, revision: Revision) -> Revision:
        newest: Decision | None = self._live.rings.newest(name)
        return (newest.era, revision[1]) if newest and not revision[0] else revision


def _page_of(log: KafkaLog, name: str, before: Revision | None, limit: int) -> Page:
    return History(log, name).page(before, limit)


def _page(items: list[bytes], following: Revision | None) -> Response:
    told = _encode(written(following) if following else None)
    return Response(b'{"items":[%s],"next":%s}' % (b",".join(items), told), media_type=_JSON)


def _sidecars(views: Any) -> dict[str, Any]:
    return {
        "items": [msgspec.to_builtins(report) for view in views for report in view.sidecars],
        "unread": [line for view in views for line in view.unread],
    }
