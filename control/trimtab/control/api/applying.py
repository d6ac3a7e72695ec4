"""The route that applies a release file."""

from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from trimtab.catalog.errors import CatalogError
from trimtab.control.api.body import JSON, YAML, read_body
from trimtab.control.api.catalogue import Catalogue
from trimtab.control.api.changing import Changing, IfMatch, IfNoneMatch, Wish
from trimtab.control.api.identity import Identity, Role
from trimtab.control.api.live import Live
from trimtab.control.api.negotiation import gives
from trimtab.control.api.once import IdempotencyKey
from trimtab.control.api.problem import ApiProblem, invalid
from trimtab.control.api.reading import answer
from trimtab.control.api.revision_path import Name, written
from trimtab.control.apply import missing_policies, publish
from trimtab.control.audit_log import Author
from trimtab.control.model_arms import has_models, resolve
from trimtab.control.release_view import ReleaseView
from trimtab.schemas import release_file
from trimtab.schemas.release import Release, parse_document

_WAIT_S: Final = 5.0

DryRun = Annotated[bool, Query(alias="dryRun", description="Check it and tell what it would change; apply nothing.")]


class Change(StrEnum):
    """What a release file changes."""

    CREATED = "created"
    CONFIGURED = "configured"
    UNCHANGED = "unchanged"


class Applying:
    """Takes release files."""

    def __init__(self, live: Live, changing: Changing, catalogue: Catalogue) -> None:
        self._live, self._changing, self._catalogue = live, changing, catalogue

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["releases"], dependencies=[gives("application/json")])
        routes.add_api_route(
            "/releases/{name}", self.apply, methods=["PUT"], response_class=Response, openapi_extra=_request_body()
        )
        return routes

    async def apply(  # noqa: PLR0913 - one argument a header
        self, request: Request, name: Name, if_match: IfMatch = None, if_none_match: IfNoneMatch = None,
        idempotency_key: IdempotencyKey = None, *, dry_run: DryRun = False,
    ) -> Response:  # fmt: skip
        """Apply a release file, in YAML or JSON; its mistakes are told with field, rule and line."""
        self._changing.admit(request)
        body = await read_body(request, (JSON, *YAML))
        release = await self._live.threads.parse(_release, body, name)
        wish = Wish(
            name, "apply", "", Role.VIEWER if dry_run else Role.ADMIN, body, if_match, if_none_match, idempotency_key,
            may_create=True,
        )  # fmt: skip

        async def carry(identity: Identity, by: Author, view: ReleaseView | None) -> Response:
            resolved = await self._with_models(release, view)
            change = _change(resolved, view)
            if not dry_run and change is not Change.UNCHANGED:
                await self._live.threads.run(self._publish, resolved, identity.actor, by, view)
                self._live.newest.forget(name)
            return _told(resolved, change, view, dry_run=dry_run)

        return await self._changing.carry_out(request, wish, carry)

    async def _with_models(self, release: Release, view: ReleaseView | None) -> Release:
        """Gives a release in which every variant that is a model has it; raises the answer 409 where one may not be."""
        if not has_models(release):
            return release
        before = parse_document(view.document) if view else None
        try:
            return await self._live.threads.run(lambda: resolve(release, self._catalogue.view.now(), before))
        except CatalogError as error:
            raise ApiProblem(HTTPStatus.CONFLICT, str(error)) from error

    def _publish(self, release: Release, actor: str, by: Author, view: ReleaseView | None) -> None:
        before = {str(release.name): view.decision} if view else {}
        publish([release], kafka=self._live.settings.kafka, wait_s=_WAIT_S, actor=actor, by=by, before=before)


def _release(body: bytes, name: str) -> Release:
    """Gives the one release of the body. Raises `InvalidRelease`, and the answers for other bodies."""
    try:
        text = body.decode()
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


def _told(release: Release, change: Change, view: ReleaseView | None, *, dry_run: bool) -> Response:
    is_new = change is Change.CREATED and not dry_run
    told = {
        "name": release.name, "change": str(change), "dry_run": dry_run, "warnings": missing_policies([release]),
        "replaces": written(view.decision.id) if view else None,
        "release": release.model_dump(mode="json", by_alias=True),
    }  # fmt: skip
    headers = {"Location": f"/api/v1/releases/{release.name}"} if is_new else None
    return answer(told, status=HTTPStatus.CREATED if is_new else HTTPStatus.OK, headers=headers)


def _request_body() -> dict[str, Any]:
    schema = Release.model_json_schema()
    return {
        "requestBody": {"required": True, "content": {type_: {"schema": schema} for type_ in (JSON, YAML[0])}}
    }  # fmt: skip
