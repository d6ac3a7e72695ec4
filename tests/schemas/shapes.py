"""The shape of everything that travels or is stored, as plain data that can be committed and compared.

A shape says what a change could break: names, types, order, defaults, codes. It says nothing of what a field means.
"""

import zlib
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Any, Final

import msgspec
from msgspec.inspect import type_info

from trimtab.engine import ledger, release_state, sketch
from trimtab.schemas import audit, dead_letter, decision, evidence, ids, redis_keys, sidecar, telemetry, topics, worker
from trimtab.schemas.release import Release
from trimtab.streams import snapshots

Shape = dict[str, Any]

_Struct = msgspec.inspect.StructType | msgspec.inspect.DataclassType

REQUIRED: Final = "required"
"""How the text of a field ends that has no default."""


def shapes() -> dict[str, Shape]:
    """Gives kind of record -> its shape: `version`, `root` (a type), `structs` (name -> struct), `constants`."""
    return {
        "telemetry": _shape(
            telemetry.VERSION,
            tuple[telemetry.ColumnBatch, telemetry.RowBatch, list[telemetry.Event]],
            columns=[list(column) for column in telemetry.COLUMNS],
            added_columns=[list(column) for column in telemetry.ADDED_COLUMNS],
            kinds=_codes(telemetry.Kind),
            failures=_codes(telemetry.Failure),
        ),
        "evidence": _shape(
            evidence.VERSION,
            evidence.Record,
            counts=list(evidence.ALWAYS),
            failures=list(evidence.FAILURES),
            repeated=list(evidence.REPEATED),
            value_scale=evidence.VALUE_SCALE,
            max_value=evidence.MAX_VALUE,
            buckets=sketch.BUCKETS,
            bucket_edges_crc32=zlib.crc32(sketch.EDGES_US.astype("<i8").tobytes()),
        ),
        "decision": _shape(decision.VERSION, decision.Decision, basis_points=ids.BASIS_POINTS),
        "weights": _shape(decision.VERSION, decision.WeightsRecord, basis_points=ids.BASIS_POINTS),
        "dead-letter": _shape(dead_letter.VERSION, dead_letter.DeadLetter),
        "audit-entry": _shape(audit.VERSION, audit.AuditEntry),
        "sidecar-report": _shape(sidecar.VERSION, sidecar.SidecarReport),
        "worker-report": _shape(worker.VERSION, worker.WorkerReport),
        "ledger-snapshot": _shape(ledger._SNAPSHOT_VERSION, ledger.LedgerSnapshot),
        "release-snapshot": _shape(release_state.VERSION, release_state.ReleaseSnapshot),
        "snapshot-entry": _shape(snapshots._VERSION, snapshots._Stored),
        "release": _release(),
        "places": {"version": 1, "root": "", "structs": {}, "constants": _places()},
    }


def _places() -> Shape:
    """Where things are kept: names that two releases of Trimtab have to agree on, too."""
    return {
        "topics": [topics.TELEMETRY, topics.EVIDENCE, topics.DECISIONS, topics.WEIGHTS, topics.DEAD_LETTERS],
        "audit topic": topics.AUDIT,
        "evidence partition of checkout among 16": topics.evidence_partition("checkout", 16),
        "keys": [
            redis_keys.RELEASES,
            redis_keys.weights_key("NAME"),
            redis_keys.weights_channel("NAME"),
            redis_keys.sidecar_key("NAME", "ID"),
            redis_keys.worker_key("ID"),
        ],
        "names": ids.NAME_PATTERN,
        "names of releases": ids.RELEASE_PATTERN,
    }


def _codes(codes: type[IntEnum]) -> dict[str, int]:
    return {member.name: member.value for member in codes}


def _shape(version: int, root: Any, **constants: Any) -> Shape:
    info = type_info(root)
    structs = {struct.cls.__name__: _struct(struct) for struct in _structs_in(info)}
    return {"version": version, "root": _name(info), "structs": dict(sorted(structs.items())), "constants": constants}


def _struct(struct: _Struct) -> Shape:
    tag, is_array = "", False
    if isinstance(struct, msgspec.inspect.StructType):
        tag, is_array = f"{struct.tag_field}={struct.tag}" if struct.tag_field else "", struct.array_like
    return {
        "tag": tag,
        "is_array": is_array,
        "fields": {field.encode_name: f"{_name(field.type)}, {_need(field)}" for field in struct.fields},
    }


def _need(field: msgspec.inspect.Field) -> str:
    if field.required:
        return REQUIRED
    made = field.default_factory is not msgspec.NODEFAULT
    default = field.default_factory() if made else field.default
    return f"default {_json(msgspec.to_builtins(default))}"


def _json(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


def _structs_in(info: Any) -> Iterator[_Struct]:
    if isinstance(info, _Struct):
        yield info
    parts = [field.type for field in getattr(info, "fields", ())]
    parts += [part for name in ("item_type", "key_type", "value_type") if (part := getattr(info, name, None))]
    for part in (*parts, *getattr(info, "item_types", ()), *getattr(info, "types", ())):
        yield from _structs_in(part)


def _name(info: Any) -> str:
    """Gives a type as text, its limits and members included."""
    named = _NAMES.get(type(info))
    if named is not None:
        return named(info)
    limits = [f"{limit}={getattr(info, limit)}" for limit in ("gt", "ge", "lt", "le") if _has(info, limit)]
    plain = type(info).__name__.removesuffix("Type").lower()
    return f"{plain} {' '.join(limits)}".strip()


_NAMES: Final[dict[type, Callable[[Any], str]]] = {
    msgspec.inspect.StructType: lambda info: str(info.cls.__name__),
    msgspec.inspect.DataclassType: lambda info: str(info.cls.__name__),
    msgspec.inspect.EnumType: lambda info: "|".join(repr(member.value) for member in info.cls),
    msgspec.inspect.LiteralType: lambda info: "|".join(sorted(map(repr, info.values))),
    msgspec.inspect.UnionType: lambda info: "|".join(sorted(map(_name, info.types))),
    msgspec.inspect.DictType: lambda info: f"{{{_name(info.key_type)}: {_name(info.value_type)}}}",
    msgspec.inspect.TupleType: lambda info: f"({', '.join(map(_name, info.item_types))})",
    msgspec.inspect.ListType: lambda info: f"[{_name(info.item_type)}]",
}


def _has(info: Any, limit: str) -> bool:
    return getattr(info, limit, None) is not None


def _release() -> Shape:
    """The release file, which the evidence log keeps as it was applied. Version 2 offers more to choose from; version 3
    metrics of one's own and segments, whose features it holds in the policy's place; version 4 sample ratios; version 5
    names of several releases of one service; version 6 conditions; version 7 ensembles."""
    schema = Release.model_json_schema()
    structs = {"Release": schema} | schema["$defs"]
    return {"version": 7, "root": "Release", "constants": {}, "structs": {
        name: {"tag": "", "is_array": False, "fields": _properties(struct)} for name, struct in sorted(structs.items())
    }}  # fmt: skip


def _properties(schema: Shape) -> dict[str, str]:
    described: dict[str, str] = {}
    for name, detail in schema["properties"].items():
        telling = _json({key: value for key, value in detail.items() if key not in ("title", "description", "default")})
        is_required = name in schema.get("required", [])
        described[name] = telling + (f", {REQUIRED}" if is_required else f", default {_json(detail.get('default'))}")
    return described
