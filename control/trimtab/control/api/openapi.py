"""The OpenAPI 3.1 document: what FastAPI knows of the routes, with the shape of every answer beside it.

Records are described by the types that read and write them, as `trimtab schema` has them.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from trimtab.control.api.problem import MEDIA_TYPE as PROBLEM
from trimtab.control.api.session import COOKIE
from trimtab.control.api.stream import MEDIA_TYPE as EVENTS
from trimtab.schemas.audit import AuditEntry
from trimtab.schemas.decision import Decision
from trimtab.schemas.release import Release
from trimtab.schemas.sidecar import SidecarReport

Schema = dict[str, Any]

_AT: Final = "#/components/schemas/"
_JSON: Final = "application/json"
_V1: Final = "/api/v1"
_NAMED: Final = f"{_V1}/releases/{{name}}"
_ANYBODY: Final = ("/livez", "/readyz")
_OF_FASTAPI: Final = ("HTTPValidationError", "ValidationError")
"""Its own form of problems, which is not ours."""
_BY_ALL: Final = (401, 403, 406, 421, 500, 503)
_BY_CHANGES: Final = (409, 412, 413, 415, 429)
_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_MAYBE: Final[Schema] = {"type": ["string", "null"]}
_NUMBER: Final[Schema] = {"type": ["number", "null"]}
_WEIGHTS: Final[Schema] = {
    "type": "object",
    "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 10_000},
}


def _ref(name: str) -> Schema:
    return {"$ref": _AT + name}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


_SUMMARY: Final = _object(
    name=_TEXT, service=_TEXT, strategy=_TEXT, phase=_ref("Phase"), queued_behind=_TEXT, era=_COUNT, revision=_COUNT,
    time_ms=_COUNT, weights=_WEIGHTS, baseline=_TEXT, rule=_TEXT, sidecars=_COUNT, stuck=_COUNT,
    trend=_list({"type": "array", "items": {"anyOf": [_COUNT, _WEIGHTS]}, "minItems": 2, "maxItems": 2}),
)  # fmt: skip
_WINDOW: Final = _object(
    variant=_TEXT, responses=_COUNT, error_ratio=_NUMBER, p50_ms=_NUMBER, p99_ms=_NUMBER, age_ms=_COUNT,
    metrics={"type": "object", "additionalProperties": _NUMBER},
    segments={"type": "object", "additionalProperties": _ref("SegmentArm")},
)  # fmt: skip
_STAND: Final = {
    "oneOf": [
        {"type": "null"},
        _object(
            time_ms=_COUNT, phase=_ref("Phase"), weights=_WEIGHTS,
            segments={"type": "object", "additionalProperties": _WEIGHTS}, rule=_TEXT,
        ),
    ]
}  # fmt: skip
_APPLIED: Final = _object(
    name=_TEXT, change={"enum": ["created", "configured", "unchanged"]}, dry_run={"type": "boolean"},
    warnings=_list(_TEXT), replaces=_MAYBE, release=_ref("Release"),
)  # fmt: skip
_SIDECARS: Final = _object(items=_list(_ref("SidecarReport")), unread=_list(_TEXT))
_ENTRIES: Final = _object(items=_list(_ref("AuditEntry")), next=_MAYBE)
_SESSION: Final = _object(
    actor=_TEXT, role={"enum": ["viewer", "operator", "admin"]}, version=_TEXT, catalogue={"type": "boolean"}
)
_HEALTH: Final = _object(ok={"type": "boolean"}, conditions={"type": "object"})
_REVOKED: Final = _object(reason=_TEXT, actor=_TEXT, timeS=_COUNT)
_NODE_STATUS: Final = {**_object(ref=_TEXT, revision=_COUNT), "properties": {
    "ref": _TEXT, "revision": _COUNT, "revoked": _REVOKED,
}}  # fmt: skip
_NODE: Final = _object(kind=_TEXT, name=_TEXT, status=_NODE_STATUS)
_LINEAGE: Final = _object(
    start=_TEXT, nodes=_list(_object(ref=_TEXT, depth=_COUNT, revoked={"type": "boolean"})),
    edges=_list({"type": "object", "properties": {"from": _TEXT, "to": _TEXT}, "required": ["from", "to"]}),
)  # fmt: skip
_CHOICE: Final = _object(
    chosen=_MAYBE, why_none=_TEXT, revision=_COUNT, considered=_COUNT, matched=_COUNT,
    front=_list(_object(ref=_TEXT, score=_NUMBER, figures={"type": "object", "additionalProperties": _NUMBER})),
    exclusions=_list(_object(constraint=_TEXT, excluded=_COUNT, unknown=_COUNT, alone=_COUNT, hint=_TEXT)),
)  # fmt: skip
_WRITTEN: Final = _object(
    revision=_COUNT,
    outcomes={"type": "object", "additionalProperties": {"enum": ["created", "configured", "unchanged"]}},
)

_ANSWERS: Final[Mapping[tuple[str, str], Mapping[int, Schema | None]]] = {
    ("get", f"{_V1}/session"): {200: _SESSION},
    ("post", f"{_V1}/session"): {200: _SESSION},
    ("delete", f"{_V1}/session"): {204: None},
    ("get", f"{_V1}/releases"): {200: _object(items=_list(_SUMMARY), unread=_list(_TEXT))},
    ("get", _NAMED): {200: _ref("ReleaseWithStatus"), 304: None},
    ("put", _NAMED): {200: _APPLIED, 201: _APPLIED},
    ("get", f"{_NAMED}/decisions"): {200: _object(items=_list(_ref("Decision")), next=_MAYBE)},
    ("get", f"{_NAMED}/decisions/{{revision}}"): {200: _ref("Decision")},
    ("get", f"{_NAMED}/decisions/{{revision}}/explanation"): {200: _object(lines=_list(_TEXT))},
    ("get", f"{_NAMED}/windows"): {200: _object(time_ms=_COUNT, variants=_list(_WINDOW))},
    ("get", f"{_NAMED}/sidecars"): {200: _SIDECARS},
    ("get", f"{_V1}/sidecars"): {200: _SIDECARS},
    ("get", f"{_V1}/audit"): {200: _ENTRIES},
    ("get", f"{_NAMED}/commands"): {200: _ENTRIES},
    ("post", f"{_NAMED}/commands"): {200: _object(decision=_ref("Decision")), 202: _object(detail=_TEXT)},
    ("post", f"{_NAMED}/what-if"): {
        200: _object(
            items=_list(_object(revision=_TEXT, actual=_STAND, other=_STAND)), truncated={"type": "boolean"},
            worth={"type": ["object", "null"]}, lines=_list(_TEXT),
        )
    },
    ("get", f"{_V1}/models"): {200: _object(items=_list(_NODE))},
    ("post", f"{_V1}/models"): {200: _WRITTEN},
    ("get", f"{_V1}/models/choice"): {200: _CHOICE},
    ("get", f"{_V1}/models/{{kind}}/{{name}}"): {200: _NODE},
    ("get", f"{_V1}/models/{{kind}}/{{name}}/lineage"): {200: _LINEAGE},
    ("post", f"{_V1}/models/{{kind}}/{{name}}/revoke"): {200: _WRITTEN},
    ("post", f"{_V1}/models/{{kind}}/{{name}}/reinstate"): {200: _WRITTEN},
    ("get", f"{_V1}/answers/{{release}}/{{variant}}/lineage"): {200: _LINEAGE},
    ("get", "/livez"): {200: _HEALTH},
    ("get", "/readyz"): {200: _HEALTH, 503: _HEALTH},
}  # fmt: skip
_STREAMS: Final = (f"{_V1}/events", f"{_NAMED}/events")


def install(app: FastAPI) -> None:
    """Has the application give this document, made once."""
    made: Schema = {}

    def give() -> Schema:
        if not made:
            made.update(document(app))
        return made

    app.openapi = give  # type: ignore[method-assign]  # as FastAPI says to extend it


def document(app: FastAPI) -> Schema:
    """Gives the document of an application."""
    found = get_openapi(
        title=app.title, version=app.version, openapi_version="3.1.0", description=app.description, routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )  # fmt: skip
    of_routes = found.get("components", {}).get("schemas", {})
    parts = {name: part for name, part in of_routes.items() if name not in _OF_FASTAPI} | components()
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            operation["responses"] = _responses(method, path, operation)
            _hoist_body(operation, parts)
            if path in _ANYBODY or (path == f"{_V1}/session" and method != "get"):
                operation["security"] = []
    found["components"] = {
        "schemas": parts,
        "securitySchemes": {
            "bearer": {"type": "http", "scheme": "bearer"},
            "console": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        },
    }
    found["security"] = [{"bearer": []}, {"console": []}]
    return found


def components() -> Schema:
    """Gives the schemas of records and of problems."""
    _, records = msgspec.json.schema_components((Decision, SidecarReport, AuditEntry), ref_template=_AT + "{name}")
    parts: Schema = dict(msgspec.json.decode(msgspec.json.encode(records)))
    release = Release.model_json_schema(mode="serialization", ref_template=_AT + "Release.{model}")
    for name, part in release.pop("$defs").items():
        parts[f"Release.{name}"] = part
    parts["Release"] = release
    status = _object(decision=_ref("Decision"), sidecars=_list(_ref("SidecarReport")), unread=_list(_TEXT))
    parts["ReleaseWithStatus"] = {
        **release, "properties": {**release["properties"], "status": status},
        "required": [*release.get("required", []), "status"],
    }  # fmt: skip
    parts["Problem"] = {
        **_object(type=_TEXT, title=_TEXT, status={"type": "integer"}, detail=_TEXT),
        "properties": {
            "type": _TEXT, "title": _TEXT, "status": {"type": "integer"}, "detail": _TEXT,
            "errors": _list({**_object(field=_TEXT, rule=_TEXT, line=_COUNT), "required": ["field", "rule"]}),
        },
    }  # fmt: skip
    return parts


def _responses(method: str, path: str, operation: Schema) -> Schema:
    if path in _STREAMS:
        answers: Schema = {"200": _described(HTTPStatus.OK, EVENTS, _TEXT)}
    else:
        told = _ANSWERS.get((method, path), {200: {}})
        answers = {str(status): _described(HTTPStatus(status), _JSON, schema) for status, schema in told.items()}
    if path in _ANYBODY:
        return answers
    statuses = {*_BY_ALL, *(_BY_CHANGES if method in ("post", "put") else ())}
    if operation.get("parameters") or operation.get("requestBody"):
        statuses |= {400, 404, 422}
    for status in sorted(statuses):
        answers.setdefault(str(status), _described(HTTPStatus(status), PROBLEM, _ref("Problem")))
    return answers


def _described(status: HTTPStatus, type_: str, schema: Schema | None) -> Schema:
    told: Schema = {"description": status.phrase}
    return told if schema is None else {**told, "content": {type_: {"schema": schema}}}


def _hoist_body(operation: Schema, parts: Schema) -> None:
    """Puts the definitions of a body among the components, where a reference of the document can lead to them."""
    name = operation["operationId"].split("_api_")[0]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = content["schema"]
        for title, part in schema.get("$defs", {}).items():
            parts[f"{name}.{title}"] = _moved(part, name)
        content["schema"] = _moved({key: value for key, value in schema.items() if key != "$defs"}, name)


def _moved(part: Any, name: str) -> Any:
    if isinstance(part, dict):
        return {key: _reference(value, name) if key == "$ref" else _moved(value, name) for key, value in part.items()}
    if isinstance(part, list):
        return [_moved(one, name) for one in part]
    return _reference(part, name) if isinstance(part, str) else part


def _reference(text: str, name: str) -> str:
    return re.sub(r"^#/\$defs/", f"{_AT}{name}.", text)
