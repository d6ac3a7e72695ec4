"""Routes of the audit log, and what the API writes into it."""

from typing import Annotated, Final, Literal

import msgspec
import structlog
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from trimtab.control.api.access import Access
from trimtab.control.api.identity import Identity
from trimtab.control.api.live import Live
from trimtab.control.api.negotiation import gives
from trimtab.control.api.problem import ApiProblem
from trimtab.control.api.reading import Limit, answer
from trimtab.control.api.revision_path import Name
from trimtab.control.audit_log import AuditLog, Author, now_ms, page
from trimtab.control.release_view import ReleaseView
from trimtab.schemas.audit import AuditEntry, Standing

_PAGE: Final = 50
_log = structlog.get_logger()

BeforeEntry = Annotated[
    str | None, Query(pattern="^[0-9]{1,18}$", description="`next` of the page before: only what is older.")
]


class Auditing:
    """Reads and writes entries."""

    def __init__(self, live: Live, access: Access) -> None:
        self._live, self._access = live, access
        self._entries = AuditLog(live.settings.kafka)

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["audit"], dependencies=[gives("application/json")])
        routes.add_api_route("/audit", self.all, response_class=Response)
        routes.add_api_route("/releases/{name}/commands", self.release, response_class=Response)
        return routes

    async def all(self, limit: Limit = _PAGE, before: BeforeEntry = None) -> Response:
        """List who changed what, newest first. `next` is what to give as `before` for more."""
        return await self._page("", limit, before)

    async def release(self, name: Name, limit: Limit = _PAGE, before: BeforeEntry = None) -> Response:
        """List who changed a release, newest first."""
        return await self._page(name, limit, before)

    def author(self, request: Request, identity: Identity) -> Author:
        """Gives who asks for a change, for the entry that is made of it."""
        source: Literal["api", "console"] = "console" if identity.source == "console" else "api"
        return Author(identity.role.label, source, self._access.address(request), self._entries, _unrecorded)

    async def refuse(  # noqa: PLR0913, PLR0917 - what the entry has
        self, request: Request, identity: Identity, name: str, action: str, reason: str, view: ReleaseView | None,
        problem: ApiProblem,
    ) -> None:  # fmt: skip
        """Records a change that the API itself refuses."""
        by = self.author(request, identity)
        entry = AuditEntry(
            time_ms=now_ms(), actor=identity.actor, role=by.role, source=by.source, release=name, action=action,
            reason=reason, before=Standing.of(view.decision) if view else None, outcome="refused",
            detail=problem.detail, address=by.address,
        )  # fmt: skip
        await self._live.threads.run(by.record, self._live.settings.kafka, entry)

    async def of_catalogue(  # noqa: PLR0913 - what the entry has
        self, request: Request, identity: Identity, action: str, *, subject: str, reason: str, refused: str = "",
        detail: str = "",
    ) -> None:  # fmt: skip
        """Records a change of the catalogue, or that it was `refused`, and why."""
        by = self.author(request, identity)
        entry = AuditEntry(
            time_ms=now_ms(), actor=identity.actor, role=by.role, source=by.source, release="", action=action,
            reason=reason, outcome="refused" if refused else "done", detail=refused or detail, address=by.address,
            subject=subject,
        )  # fmt: skip
        await self._live.threads.run(by.record, self._live.settings.kafka, entry)

    async def _page(self, release: str, limit: int, before: str | None) -> Response:
        place = int(before) if before else None
        found = await self._live.threads.read_kafka(lambda log: page(log, place, limit, release))
        following = None if found.next is None else str(found.next)
        return answer({"items": msgspec.to_builtins(found.items), "next": following})


def _unrecorded(entry: AuditEntry, error: str) -> None:
    _log.error("audit_unwritten", error=error, entry=msgspec.to_builtins(entry))
