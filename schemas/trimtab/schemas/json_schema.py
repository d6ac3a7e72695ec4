"""JSON Schemas (2020-12) of the public contract, derived from the types that read and write it.

What travels as MessagePack is described by the same schema: a map is an object, and a text with
`contentEncoding: base64` stands for plain binary there.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from trimtab.schemas import evidence
from trimtab.schemas.audit import AuditEntry
from trimtab.schemas.dead_letter import DeadLetter
from trimtab.schemas.decision import Decision, WeightsRecord
from trimtab.schemas.label import LabelEvent
from trimtab.schemas.release import Release
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.telemetry import ColumnBatch, Event, RowBatch
from trimtab.schemas.worker import WorkerReport

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Document = dict[str, object]

_EVENTS: Final = "a telemetry message in rows (JSON or MessagePack): one event, an array of events, or a batch"

_MESSAGES: Final[Mapping[str, tuple[object, str]]] = {
    "telemetry-columns": (ColumnBatch, "a telemetry message in packed little-endian columns (MessagePack)"),
    "evidence": (evidence.Record, "a record of the evidence log (MessagePack)"),
    "decision": (Decision, "one decision on one release, with its reasons (JSON)"),
    "weights": (WeightsRecord, "what a sidecar needs of a decision (JSON)"),
    "dead-letter": (DeadLetter, "what could not be counted, and why (JSON)"),
    "audit-entry": (AuditEntry, "a change that somebody asked for, and what became of it (JSON)"),
    "label": (LabelEvent, "what a model answered, or what turned out to be true (JSON)"),
    "sidecar-report": (SidecarReport, "what a sidecar reports of itself (JSON)"),
    "worker-report": (WorkerReport, "what a worker reports of itself (JSON)"),
}


def documents() -> dict[str, Document]:
    """Gives the schemas by name: of the release file, and of every message and record."""
    return {
        "release": _titled("release", "a release file (YAML or JSON)", _release()),
        "telemetry-events": _titled("telemetry-events", _EVENTS, _events()),
    } | {name: _titled(name, what, msgspec.json.schema(type_)) for name, (type_, what) in _MESSAGES.items()}


def _release() -> Document:
    """Gives the schema of what a person may write, with the defaults as that person would write them."""
    schema, written = Release.model_json_schema(), Release.model_json_schema(mode="serialization")
    for name, definition in schema["$defs"].items():
        for field, detail in definition["properties"].items():
            if "default" in detail:
                detail["default"] = written["$defs"][name]["properties"][field]["default"]
    return schema


def _events() -> Document:
    one_of, definitions = msgspec.json.schema_components((Event, list[Event], RowBatch))
    return {"oneOf": list(one_of), "$defs": definitions}


def _titled(name: str, what: str, schema: Mapping[str, object]) -> Document:
    own = {key: value for key, value in schema.items() if key not in ("title", "description")}
    document: Document = msgspec.json.decode(msgspec.json.encode(own))  # tuples among the defaults become arrays
    return {"$schema": DIALECT, "title": name, "description": what, **document}
