"""The route that applies a release file."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from trimtab.control.api.body import JSON, YAML, read_body
from trimtab.control.api.identity import Role, at_least
from trimtab.control.api.live import Live
from trimtab.control.api.problem import ApiProblem, invalid
from trimtab.control.api.reading import answer
from trimtab.control.api.revision_path import Name, matches, written
from trimtab.control.api.steering import IfMatch, check_revision
from trimtab.control.apply import missing_policies, publish
from trimtab.control.release_view import ReleaseView
from trimtab.schemas import release_file
from trimtab.schemas.release import Release

_WAIT_S: Final = 5.0

DryRun = Annotated[bool, Query(alias="dryRun", description="Check it and tell what it would change; apply nothing.")]
IfNoneMatch = Annotated[str | None, Header(description="`*`: only where there is no such release yet.")]


class Change(StrEnum):
    """What a release file changes."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


class Applying:
    """Takes release files."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["releases"])
        routes.add_api_route(
            "/releases/{name}", self.apply, methods=["PUT"], response_class=Response, openapi_extra=_request_body()
        )
        return routes

    async def apply(
        self, request: Request, name: Name, if_match: IfMatch = None, if_none_match: IfNoneMatch = None,
        *, dry_run: DryRun = False,
    ) -> Response:  # fmt: skip
        """Apply a release file, in YAML or JSON; its mistakes are told with field, rule and line."""
        identity = at_least(request, Role.ADMIN)
        release = await _read_release(request, name)
        view = await self._live.newest.get(name)
        check_revision(name, view, if_match)
        if if_none_match is not None and matches(if_none_match, view.decision.id if view else None):
            raise ApiProblem(HTTPStatus.PRECONDITION_FAILED, f"release {name} exists, expected none")
        change = _change(release, view)
        if not dry_run and change is not Change.UNCHANGED:
            await self._live.threads.run(self._publish, release, identity.actor)
            self._live.newest.forget(name)
        is_new = change is Change.CREATED and not dry_run
        return answer(
            _told(release, change, view, dry_run=dry_run),
            status=HTTPStatus.CREATED if is_new else HTTPStatus.OK,
            headers={"Location": f"/api/v1/releases/{name}"} if is_new else None,
        )

    def _publish(self, release: Release, actor: str) -> None:
        publish([release], kafka=self._live.settings.kafka, wait_s=_WAIT_S, actor=actor)


async def _read_release(request: Request, name: str) -> Release:
    """Gives the one release of the body. Raises `InvalidRelease`, and the answers for other bodies."""
    try:
        text = (await read_body(request, (JSON, *YAML))).decode()
    except UnicodeDecodeError as error:
        raise ApiProblem(HTTPStatus.BAD_REQUEST, f"expected UTF-8: {error.reason}") from error
    releases = release_file.load(text, "body")
    if len(releases) != 1:
        raise invalid("(document)", f"expected one release, got {len(releases)}")
    if releases[0].name != name:
        raise invalid("metadata.name", f"expected {name!r}, as the address has it, got {releases[0].name!r}")
    return releases[0]


def _change(release: Release, view: ReleaseView | None) -> Change:
    if view is None:
        return Change.CREATED
    return Change.UNCHANGED if view.document == release.document() else Change.CONFIGURED


def _told(release: Release, change: Change, view: ReleaseView | None, *, dry_run: bool) -> dict[str, Any]:
    return {
        "name": release.name, "change": str(change), "dry_run": dry_run, "warnings": missing_policies([release]),
        "replaces": written(view.decision.id) if view else None,
        "release": release.model_dump(mode="json", by_alias=True),
    }  # fmt: skip


def _request_body() -> dict[str, Any]:
    schema = Release.model_json_schema()
    return {
        "requestBody": {"required": True, "content": {type_: {"schema": schema} for type_ in (JSON, YAML[0])}}
    }  # fmt: skip
