"""What-if: the recorded evidence of a release, decided on under a changed release file, beside what was decided."""

import asyncio
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from trimtab.control.api.apart import Failed, TookTooLong, apart
from trimtab.control.api.body import JSON, read_body
from trimtab.control.api.identity import identity_of
from trimtab.control.api.live import Live
from trimtab.control.api.negotiation import gives
from trimtab.control.api.problem import ApiProblem, no_release
from trimtab.control.api.rate import Rate
from trimtab.control.api.revision_path import Name, written
from trimtab.schemas import release_file
from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.release import Release
from trimtab.schemas.topics import EVIDENCE, evidence_partition

WITHIN_S: Final = 60.0
MOST_ITEMS: Final = 5_000
_ASK_S: Final = 10.0
_PER_MINUTE: Final = 10
_DEEPEST: Final = 32


class Supposing:
    """Answers what-if; one question at a time, for each takes a core."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._rate = Rate(_PER_MINUTE)
        self._turn = asyncio.Lock()

    def routes(self) -> APIRouter:
        """Gives the routes."""
        routes = APIRouter(prefix="/api/v1", tags=["evidence"], dependencies=[gives("application/json")])
        routes.add_api_route(
            "/releases/{name}/what-if", self.what_if, methods=["POST"], response_class=Response,
            openapi_extra=_request_body(),
        )  # fmt: skip
        return routes

    async def what_if(self, request: Request, name: Name) -> Response:
        """Compare what was decided with what would have been, with parts of the release file changed.

        The body is a merge patch (RFC 7396) of `spec`; `policy` may stand for `strategy.policy`. Nothing is applied.
        """
        self._rate.take(identity_of(request).actor)
        patch = _patch(await read_body(request))
        view = await self._live.newest.get(name)
        if view is None:
            raise no_release(name)
        other = await self._live.threads.parse(changed, view.document, patch)
        if self._turn.locked():
            raise ApiProblem(HTTPStatus.TOO_MANY_REQUESTS, "another what-if is under way", headers={"Retry-After": "5"})
        async with self._turn:
            found = await self._live.threads.run(self._compare, other)
        return Response(found, media_type=JSON)

    def _compare(self, other: Release) -> bytes:
        try:
            return apart(compare, self._live.settings.kafka, other.document(), within_s=WITHIN_S)
        except TookTooLong as error:
            told = f"{error}; `trimtab replay --with` has no such bound"
            raise ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, told) from error
        except Failed as error:
            raise ApiProblem(HTTPStatus.SERVICE_UNAVAILABLE, str(error)) from error


def _patch(body: bytes) -> dict[str, Any]:
    try:
        patch = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unfit(f"not JSON: {error}") from None
    if not isinstance(patch, dict) or not patch:
        raise _unfit("expected an object with parts of a release file's spec, such as limits or policy")
    if "policy" in patch:
        strategy = patch.setdefault("strategy", {})
        policy = patch.pop("policy")
        if not isinstance(strategy, dict) or "policy" in strategy:
            raise _unfit("expected policy in one place")
        strategy["policy"] = policy
    return patch


def _unfit(rule: str) -> ApiProblem:
    errors = [{"field": "(body)", "rule": rule}]
    return ApiProblem(HTTPStatus.UNPROCESSABLE_ENTITY, rule, errors=errors)  # type: ignore[arg-type]  # without a line


def changed(document: bytes, patch: dict[str, Any]) -> Release:
    """Gives the release of a document with its spec changed. Raises `InvalidRelease` for what breaks a rule."""
    plain = msgspec.json.decode(document)
    plain["spec"] = merged(plain["spec"], patch)
    return release_file.load(msgspec.json.encode(plain).decode(), "what-if")[0]


def merged(old: Any, new: Any, depth: int = 0) -> Any:
    """Gives JSON with a merge patch on it (RFC 7396); a part of another `type` takes the place of the old one.

    >>> merged({"a": 1, "b": {"c": 2, "d": 3}}, {"b": {"c": 4, "d": None}})
    {'a': 1, 'b': {'c': 4}}
    >>> merged({"type": "canary", "steps": [1]}, {"type": "bandit"})
    {'type': 'bandit'}
    """
    if not isinstance(new, dict) or depth > _DEEPEST:
        return new
    keeps = isinstance(old, dict) and new.get("type", old.get("type")) == old.get("type")
    found = dict(old) if keeps else {}
    for name, value in new.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = merged(found.get(name), value, depth + 1)
    return found


def compare(kafka: KafkaConnection, document: bytes) -> bytes:
    """Gives, as JSON, where both stand at each moment at which weights or phase of either change."""
    # Imported here: the engine's arithmetic is for the process apart alone.
    from trimtab.control.evidence_log import TopicLog  # noqa: PLC0415
    from trimtab.control.kafka_log import KafkaLog  # noqa: PLC0415
    from trimtab.control.what_if import what_if  # noqa: PLC0415
    from trimtab.control.what_if_report import lines_of, plain_of  # noqa: PLC0415
    from trimtab.schemas.release import parse_document  # noqa: PLC0415
    from trimtab.streams.guest_policies import guest_policies  # noqa: PLC0415

    other = parse_document(document)
    with KafkaLog(kafka, _ASK_S) as log:
        home = evidence_partition(other.name, log.partitions(EVIDENCE))
        found = what_if(TopicLog(log, home), {str(other.name): other}, factories=guest_policies())[other.name]
    plain = plain_of(found)
    items = _turns(plain["decisions"])
    return msgspec.json.encode(
        {
            "items": items[-MOST_ITEMS:], "truncated": len(items) > MOST_ITEMS, "worth": plain["worth"],
            "lines": lines_of(found),
        }
    )  # fmt: skip


def _turns(decisions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Gives the moments at which either side turns, each with where both stand from then on."""
    turns: list[dict[str, Any]] = []
    stands: dict[str, Any] = {"actual": None, "other": None}
    for moment in decisions:
        now = {side: moment[side] or stands[side] for side in stands}
        if any(_place(now[side]) != _place(stands[side]) for side in stands):
            turns.append({"revision": written(tuple(moment["revision"])), **now})
        stands = now
    return turns


def _place(stand: dict[str, Any] | None) -> tuple[Any, ...] | None:
    return None if stand is None else (stand["phase"], stand["weights"], stand["segments"])


def _request_body() -> dict[str, Any]:
    schema = {
        "type": "object", "minProperties": 1,
        "description": "Parts of a release file's `spec`; `policy` may stand alone.",
        "examples": [{"limits": {"maxStep": 500}}, {"policy": {"type": "thompson"}}],
    }  # fmt: skip
    return {"requestBody": {"required": True, "content": {JSON: {"schema": schema}}}}
