"""Routes of the models' catalogue: list, show, lineage, choose, register, revoke, reinstate."""

import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from trimtab.catalog.choice import choose, plain_choice, why_nothing
from trimtab.catalog.entry import Change, Written
from trimtab.catalog.errors import CatalogError, TooMuch, UnknownNode
from trimtab.catalog.listing import answered_by, entries_of, matching, plain_lineage
from trimtab.catalog.model_file import load_nodes, plain
from trimtab.catalog.store import MAX_DEPTH, Direction
from trimtab.catalog.writing import MAX_REASON
from trimtab.control.api.auditing import Auditing
from trimtab.control.api.body import JSON, YAML, read_body, read_model, request_body
from trimtab.control.api.catalogue import Catalogue
from trimtab.control.api.changing import Changing
from trimtab.control.api.identity import Role, at_least, identity_of
from trimtab.control.api.live import Live
from trimtab.control.api.problem import ApiProblem, invalid, wrong_file
from trimtab.control.api.reading import answer
from trimtab.control.goals import first_mistake, read_goals
from trimtab.schemas.errors import InvalidFile
from trimtab.schemas.model_ref import Kind, ModelRef, parse_ref
from trimtab.schemas.preference import ModelChoice

Where = Annotated[str, Query(description="A query; without one, all models.")]
Name = Annotated[str, InPath(description="NAME, of a model NAME:VERSION.", max_length=256)]
Depth = Annotated[int, Query(ge=1, le=MAX_DEPTH, description="Edges to follow, at most.")]
Towards = Annotated[Direction, Query(description="`down` to the data, or `up` to the deployments.")]
_NODE: Final = "/models/{kind}/{name}"

_RECORDED: Final = (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
"""Refusals of changes that somebody meant; the others are mistakes of form."""
_LONGEST_SUBJECT: Final = 4_000

T = TypeVar("T")


class _Told(NamedTuple):
    """What the audit log is told of a change."""

    action: str
    subject: str
    reason: str


class Reason(BaseModel, extra="forbid"):
    """Why a node is revoked, or reinstated."""

    reason: Annotated[str, Field(min_length=1, max_length=MAX_REASON)]


class Models:
    """Answers what is asked of the catalogue."""

    def __init__(self, live: Live, catalogue: Catalogue, changing: Changing, auditing: Auditing) -> None:
        self._live = live
        self._catalogue = catalogue
        self._changing, self._auditing = changing, auditing

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["models"])
        for path, endpoint, method, extra in (
            ("/models", self.list, "GET", None),
            ("/models", self.register, "POST", _nodes_body()),
            ("/models/choice", self.choice, "GET", None),
            ("/answers/{release}/{variant}/lineage", self.answer_lineage, "GET", None),
            (_NODE, self.show, "GET", None),
            (f"{_NODE}/lineage", self.lineage, "GET", None),
            (f"{_NODE}/revoke", self.revoke, "POST", request_body(Reason)),
            (f"{_NODE}/reinstate", self.reinstate, "POST", request_body(Reason)),
        ):
            routes.add_api_route(path, endpoint, methods=[method], response_class=Response, openapi_extra=extra)
        return routes

    async def list(self, where: Where = "", kind: Kind = Kind.MODEL) -> Response:
        """List the models that a query means, revoked ones included, or all of another kind."""
        if where and kind is not Kind.MODEL:
            raise invalid("where", f"queries are about models, got the kind {kind}")
        where = _query(where, "").where
        store = await self._asked(lambda: self._catalogue.store)
        ask = (lambda: matching(store, where)) if kind is Kind.MODEL else (lambda: entries_of(store, kind))
        return answer({"items": [plain(entry) for entry in await self._asked(ask)]})

    async def show(self, kind: Kind, name: Name) -> Response:
        """Get one node, with its newest figures and why it is revoked."""
        ref = _ref(kind, name)
        return answer(plain(await self._asked(lambda: self._catalogue.store.entry(ref))))

    async def lineage(
        self, kind: Kind, name: Name, direction: Towards = "down", depth: Depth = MAX_DEPTH
    ) -> Response:  # fmt: skip
        """Get what a node rests on, or what rests on it."""
        ref = _ref(kind, name)
        return answer(
            plain_lineage(await self._asked(lambda: self._catalogue.store.lineage(ref, direction, depth)))
        )  # fmt: skip

    async def answer_lineage(self, release: str, variant: str, revision: str = "") -> Response:
        """Get what an answer came from. `revision` is ERA.REVISION or REVISION of its attribution; else the newest."""

        def walk() -> Any:
            text = f"answer/{release}/{variant}" + (f"@{revision}" if revision else "")
            store = self._catalogue.store
            return store.lineage(answered_by(store, text), "down")

        return answer(plain_lineage(await self._asked(walk)))

    async def choice(self, where: Where = "", prefer: str = "") -> Response:
        """Choose a model. `prefer` is METRIC,METRIC (an order) or METRIC=WEIGHT,METRIC=WEIGHT."""
        query = _query(where, prefer)
        made = await self._asked(lambda: choose(self._catalogue.view.now(), query))
        return answer({**plain_choice(made), "why_none": "" if made.front else why_nothing(made)})

    async def register(self, request: Request) -> Response:
        """Register nodes, in YAML or JSON, one document each: all of them or, with a mistake, none."""
        self._changing.admit(request)
        body = await read_body(request, (JSON, *YAML))
        try:
            nodes = tuple(await self._live.threads.parse(load_nodes, body.decode(), "body"))
        except UnicodeDecodeError as error:
            raise ApiProblem(HTTPStatus.BAD_REQUEST, f"expected UTF-8: {error.reason}") from error
        except InvalidFile as error:
            raise wrong_file("the body has mistakes", error) from error
        refs = ", ".join(node.ref for node in nodes)
        return await self._change(request, Role.ADMIN, Change(nodes=nodes), _Told("register", refs, ""))

    async def revoke(self, request: Request, kind: Kind, name: Name) -> Response:
        """Say that a node must not be used any more: releases that follow the catalogue take its traffic away."""
        return await self._set_revoked(request, _ref(kind, name), undo=False)

    async def reinstate(self, request: Request, kind: Kind, name: Name) -> Response:
        """Undo a revocation."""
        return await self._set_revoked(request, _ref(kind, name), undo=True)

    async def _set_revoked(self, request: Request, ref: ModelRef, *, undo: bool) -> Response:
        self._changing.admit(request)
        reason = (await read_model(request, Reason)).reason
        change = Change(revoked={ref: "" if undo else reason})
        told = _Told("reinstate" if undo else "revoke", str(ref), reason)
        return await self._change(request, Role.OPERATOR, change, told)

    async def _change(self, request: Request, role: Role, change: Change, told: _Told) -> Response:
        """Writes a change, which whoever has the role may, and records it; also that it was refused."""
        identity = identity_of(request)
        record = partial(
            self._auditing.of_catalogue, request, identity, told.action, subject=told.subject[:_LONGEST_SUBJECT],
            reason=told.reason,
        )  # fmt: skip
        timed = change._replace(time_s=int(time.time()), actor=identity.actor)
        try:
            at_least(request, role)
            done = await self._asked(lambda: self._catalogue.store.write(timed))
        except ApiProblem as problem:
            if problem.status in _RECORDED:
                await record(refused=problem.detail)
            raise
        outcomes = sorted(set(done.outcomes.values()))
        await record(detail=f"revision {done.revision}: {', '.join(outcomes)}")
        return _written(done)

    async def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return await self._live.threads.run(ask)
        except UnknownNode as error:
            raise ApiProblem(HTTPStatus.NOT_FOUND, str(error)) from error
        except TooMuch as error:
            raise ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        except CatalogError as error:
            raise ApiProblem(HTTPStatus.CONFLICT, str(error)) from error


def _written(done: Written) -> Response:
    return answer({"revision": done.revision, "outcomes": dict(done.outcomes)})


def _ref(kind: Kind, name: str) -> ModelRef:
    try:
        return parse_ref(f"{kind}/{name}")
    except ValueError as error:
        raise invalid("name", str(error)) from error


def _query(where: str, prefer: str) -> ModelChoice:
    try:
        return ModelChoice(where=where, prefer=read_goals(prefer))
    except ValidationError as error:
        raise invalid(*first_mistake(error)) from error
    except ValueError as error:
        raise invalid("prefer", str(error)) from error


def _nodes_body() -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {type_: {"schema": {}} for type_ in (JSON, YAML[0])}}}
