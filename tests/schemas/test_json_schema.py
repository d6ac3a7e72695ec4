"""The schemas, checked by a small validator that knows exactly the keywords they use."""

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
import yaml

from schemas.records import DECISION, ENTRY, LETTER, PANES, WEIGHTS, WORKER_REPORT
from schemas.release_text import CANARY, FULL
from trimtab.schemas import evidence
from trimtab.schemas.json_schema import DIALECT, documents
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.telemetry import Outcome, Request, Response, RowBatch
from trimtab.schemas.telemetry_columns import pack

Schema = dict[str, Any]
Rule = Callable[[Schema, Any, Schema], bool]

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
}
UNCHECKED = {"$schema", "$defs", "title", "description", "default", "discriminator", "contentEncoding"}


def is_object(value: Any) -> bool:
    return isinstance(value, dict)


def has_only_known(schema: Schema, value: Any, root: Schema) -> bool:
    extra = schema["additionalProperties"]
    unknown = [item for name, item in value.items() if name not in schema.get("properties", {})]
    return all(extra is not False and (extra is True or fits(extra, item, root)) for item in unknown)


RULES: dict[str, Rule] = {
    "$ref": lambda schema, value, root: fits(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root),
    "type": lambda schema, value, _: TYPES[schema["type"]](value),
    "enum": lambda schema, value, _: value in schema["enum"],
    "const": lambda schema, value, _: value == schema["const"],
    "anyOf": lambda schema, value, root: any(fits(option, value, root) for option in schema["anyOf"]),
    "oneOf": lambda schema, value, root: sum(fits(option, value, root) for option in schema["oneOf"]) == 1,
    "required": lambda schema, value, _: not is_object(value) or set(schema["required"]) <= set(value),
    "properties": lambda schema, value, root: (
        not is_object(value)
        or all(fits(part, value[name], root) for name, part in schema["properties"].items() if name in value)
    ),
    "additionalProperties": lambda schema, value, root: not is_object(value) or has_only_known(schema, value, root),
    "items": lambda schema, value, root: (
        not isinstance(value, list) or schema["items"] is False
        or all(fits(schema["items"], item, root) for item in value[len(schema.get("prefixItems", [])) :])
    ),
    "prefixItems": lambda schema, value, root: (
        not isinstance(value, list)
        or all(fits(part, item, root) for part, item in zip(schema["prefixItems"], value, strict=False))
    ),
    "minItems": lambda schema, value, _: not isinstance(value, list) or len(value) >= schema["minItems"],
    "maxItems": lambda schema, value, _: not isinstance(value, list) or len(value) <= schema["maxItems"],
    "minLength": lambda schema, value, _: not isinstance(value, str) or len(value) >= schema["minLength"],
    "maxLength": lambda schema, value, _: not isinstance(value, str) or len(value) <= schema["maxLength"],
    "multipleOf": lambda schema, value, _: not TYPES["number"](value) or value % schema["multipleOf"] == 0,
    "pattern": lambda schema, value, _: (
        not isinstance(value, str) or re.search(schema["pattern"].replace("$", r"\Z"), value) is not None
    ),
    "minimum": lambda schema, value, _: not TYPES["number"](value) or value >= schema["minimum"],
    "maximum": lambda schema, value, _: not TYPES["number"](value) or value <= schema["maximum"],
    "exclusiveMinimum": lambda schema, value, _: not TYPES["number"](value) or value > schema["exclusiveMinimum"],
    "exclusiveMaximum": lambda schema, value, _: not TYPES["number"](value) or value < schema["exclusiveMaximum"],
}  # fmt: skip


def fits(schema: Schema, value: Any, root: Schema) -> bool:
    return all(RULES[keyword](schema, value, root) for keyword in schema if keyword not in UNCHECKED)


def is_valid(name: str, value: object) -> bool:
    schema: Schema = documents()[name]
    return fits(schema, value, schema)


def plain(record: msgspec.Struct | list[Any]) -> Any:
    return msgspec.json.decode(msgspec.json.encode(record))


def schemas_within(schema: Any) -> Iterator[Schema]:
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from schemas_within(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from schemas_within(part)


REQUEST = Request(release="a", variant="b", time_ms=5)
RESPONSE = Response(release="a", variant="b", time_ms=5, duration_ms=1.5, status=200)
OUTCOME = Outcome(release="a", variant="b", time_ms=5, metric="m", value=1.0)

SAMPLES: list[tuple[str, Any]] = [
    ("release", yaml.safe_load(CANARY)),
    ("release", yaml.safe_load(FULL)),
    ("telemetry-events", plain(REQUEST)),
    ("telemetry-events", plain(OUTCOME)),
    ("telemetry-events", plain([REQUEST, RESPONSE, OUTCOME])),
    ("telemetry-events", plain(RowBatch(events=[RESPONSE], publisher="p", seq=1, sent_ms=5))),
    ("telemetry-columns", plain(pack([REQUEST, RESPONSE], publisher="p", seq=1, sent_ms=5))),
    ("evidence", plain(PANES)),
    ("evidence", plain(evidence.Tick())),
    ("evidence", plain(evidence.Spec(release="a", document=b"{}"))),
    ("evidence", plain(evidence.Command(release="a", action="pause"))),
    ("decision", plain(DECISION)),
    ("weights", plain(WEIGHTS)),
    ("dead-letter", plain(LETTER)),
    ("audit-entry", plain(ENTRY)),
    ("sidecar-report", plain(SidecarReport(sidecar="s", proxy="envoy", release="a"))),
    ("worker-report", plain(WORKER_REPORT)),
]


@pytest.mark.parametrize(("name", "value"), SAMPLES)
def test_what_our_code_writes_fits_its_schema(name: str, value: object) -> None:
    assert is_valid(name, value)


def without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {field: part for field, part in value.items() if field != name}


MESSAGES = [(name, value) for name, value in SAMPLES if isinstance(value, dict)]


@pytest.mark.parametrize(("name", "value"), MESSAGES)
def test_what_lacks_a_required_field_does_not_fit(name: str, value: dict[str, Any]) -> None:
    required = {field for schema in schemas_within(documents()[name]) for field in schema.get("required", [])}
    needed = [field for field in value if field in required and not is_valid(name, without(value, field))]
    assert needed


@pytest.mark.parametrize("name", documents())
@pytest.mark.parametrize("value", [None, 5, "text", {}, [5], {"kind": "dance"}, {"t": "dance"}])
def test_anything_else_does_not_fit(name: str, value: object) -> None:
    assert not is_valid(name, value)


def release_with(change: Callable[[Any], object]) -> Any:
    release = yaml.safe_load(FULL)
    change(release)
    return release


@pytest.mark.parametrize(
    "change",
    [
        lambda release: release.update(apiVersion="v2"),
        lambda release: release.update(status={}),
        lambda release: release["metadata"].update(name="Upper"),
        lambda release: release["spec"].update(variants=release["spec"]["variants"][:1]),
        lambda release: release["spec"]["limits"].update(minWeight=10_001),
        lambda release: release["spec"]["limits"].update(minWeight="5"),
        lambda release: release["spec"]["guardrails"][0].update(max=1.5),
        lambda release: release["spec"]["guardrails"][0].update(metric="dance"),
        lambda release: release["spec"]["guardrails"][0].update(window="20s"),
        lambda release: release["spec"]["strategy"].update(type="dance"),
        lambda release: release["spec"]["strategy"].update(steps=[5]),
        lambda release: release["spec"]["strategy"].update(interval=None),
    ],
)
def test_a_release_with_a_mistake_does_not_fit(change: Callable[[Any], object]) -> None:
    assert not is_valid("release", release_with(change))


def test_every_default_fits_the_field_it_is_for() -> None:
    for name, document in documents().items():
        for schema in schemas_within(document):
            if "default" in schema and not isinstance(schema["default"], dict):
                assert fits(schema, schema["default"], document), (name, schema)


def test_durations_have_defaults_that_a_person_would_write() -> None:
    definitions: Any = documents()["release"]["$defs"]
    assert definitions["Bandit"]["properties"]["interval"]["default"] == "1s"
    assert definitions["ErrorRateGuardrail"]["properties"]["window"]["default"] == "10s"


def test_fields_of_the_release_file_say_their_unit() -> None:
    definitions: Any = documents()["release"]["$defs"]
    assert definitions["LatencyGuardrail"]["properties"]["max"]["description"] == "milliseconds"


def test_the_documents_have_these_names_and_say_what_they_are() -> None:
    found = documents()
    assert set(found) == {
        "release", "telemetry-events", "telemetry-columns", "evidence", "decision", "weights", "dead-letter",
        "audit-entry",
        "label",
        "sidecar-report",
        "worker-report",
    }  # fmt: skip
    for name, document in found.items():
        assert (document["$schema"], document["title"]) == (DIALECT, name)
        assert document["description"]


def test_the_documents_are_json_and_refer_to_themselves_alone() -> None:
    for document in documents().values():
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        definitions: Any = document.get("$defs", {})
        for schema in schemas_within(document):
            if isinstance(reference := schema.get("$ref"), str):
                assert reference.removeprefix("#/$defs/") in definitions


def test_numbers_beyond_what_json_reads_exactly_do_not_fit() -> None:
    assert is_valid("telemetry-events", plain(REQUEST) | {"time_ms": 2**53 - 1})
    assert not is_valid("telemetry-events", plain(REQUEST) | {"time_ms": 2**53})
    assert not is_valid("telemetry-events", plain(REQUEST) | {"time_ms": math.pi})
