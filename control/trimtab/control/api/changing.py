"""What every change goes through, whatever it is: rate, role, revision, at most once, and the audit log."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Header, Request
from starlette.responses import Response

from trimtab.control.api.auditing import Auditing
from trimtab.control.api.identity import Identity, Role, at_least, identity_of
from trimtab.control.api.live import Live
from trimtab.control.api.once import IdempotencyKey, Once
from trimtab.control.api.problem import ApiProblem
from trimtab.control.api.rate import Rate
from trimtab.control.api.revision_path import etag, matches, written
from trimtab.control.audit_log import Author
from trimtab.control.release_view import ReleaseView

IfMatch = Annotated[str | None, Header(description="ETag of the revision that is to be changed: 412 for any other.")]
IfNoneMatch = Annotated[str | None, Header(description="`*`: only where there is no such release yet.")]

_RECORDED: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.PRECONDITION_FAILED)
"""Refusals of changes that somebody meant; the others are mistakes of form, or come from the workers."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A change that somebody asks for."""

    name: str
    action: str
    reason: str
    role: Role
    """that it takes"""
    body: bytes
    if_match: str | None = None
    if_none_match: str | None = None
    key: IdempotencyKey = None
    may_create: bool = False


Carry = Callable[[Identity, Author, ReleaseView | None], Awaitable[Response]]


class Changing:
    """Lets a change through, or refuses it."""

    def __init__(self, live: Live, auditing: Auditing, per_minute: int) -> None:
        self._live, self._auditing = live, auditing
        self._rate, self._once = Rate(per_minute), Once()

    def admit(self, request: Request) -> None:
        """Counts a request for a change, before anything of it is read. Raises the answer 429."""
        self._rate.take(identity_of(request).actor)

    async def carry_out(self, request: Request, wish: Wish, carry: Carry) -> Response:
        """Gives what `carry` answers, once it may. Raises the answers 403, 404, 409, 412 and 422."""
        identity = identity_of(request)
        told = b"\n".join((request.method.encode(), request.url.path.encode(), request.url.query.encode(), wish.body))
        fingerprint = hashlib.sha256(told).digest()
        return await self._once.give(
            identity.actor, wish.key, fingerprint, lambda: self._checked(request, identity, wish, carry)
        )

    async def _checked(self, request: Request, identity: Identity, wish: Wish, carry: Carry) -> Response:
        view = None
        try:
            view = await self._live.newest.get(wish.name)
            at_least(request, wish.role)
            _check(wish, view)
        except ApiProblem as problem:
            if problem.status in _RECORDED:
                refused = (wish.name, wish.action, wish.reason, view, problem)
                await self._auditing.refuse(request, identity, *refused)
            raise
        return await carry(identity, self._auditing.author(request, identity), view)


def _check(wish: Wish, view: ReleaseView | None) -> None:
    """Raises the answers 404 and 412 where a release is not what the change is meant for."""
    revision, name = (view.decision.id if view else None), wish.name
    if view is None and not wish.may_create:
        raise ApiProblem(HTTPStatus.NOT_FOUND, f"no release {name!r}")
    headers = {"ETag": etag(revision)} if revision else {}
    if wish.if_match is not None and not matches(wish.if_match, revision):
        now = f"is at revision {written(revision)}" if revision else "does not exist"
        raise ApiProblem(
            HTTPStatus.PRECONDITION_FAILED, f"release {name} {now}, expected {wish.if_match:.200}", headers=headers
        )
    if wish.if_none_match is not None and matches(wish.if_none_match, revision):
        raise ApiProblem(HTTPStatus.PRECONDITION_FAILED, f"release {name} exists, expected none", headers=headers)
