"""The AsyncAPI document holds together, and what we publish is what it says."""

from collections.abc import Iterator
from typing import Any

import pytest

from schemas.records import SAMPLES, Sample, title
from schemas.test_json_schema import fits
from trimtab.schemas.asyncapi import document
from trimtab.schemas.redis_keys import sidecar_key, weights_channel, weights_key
from trimtab.schemas.topics import AUDIT, DEAD_LETTERS, DECISIONS, EVIDENCE, TELEMETRY, WEIGHTS

DOCUMENT = document("0.1.0")
SCHEMA_OF = {
    "telemetry-columns": "telemetry-columns", "telemetry": "telemetry-events", "evidence": "evidence",
    "decision": "decision", "weights": "weights", "dead-letter": "dead-letter", "sidecar-report": "sidecar-report",
    "audit-entry": "audit-entry",
}  # fmt: skip


# What travels as MessagePack has plain binary where JSON has base64; test_json_schema.py looks at that.
TRAVELLING = [one for one in SAMPLES if one.form == "json" and not one.name.startswith("worker")]


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(part, list):
        for one in part:
            yield from references(one)


def at(reference: str) -> Any:
    assert reference.startswith("#/")
    found: Any = DOCUMENT
    for part in reference[2:].split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return found


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > 50
    for reference in found:
        assert at(reference) is not None


def test_all_topics_are_there() -> None:
    addresses = {channel["address"] for channel in DOCUMENT["channels"].values()}
    assert {TELEMETRY, EVIDENCE, DECISIONS, WEIGHTS, DEAD_LETTERS, AUDIT} <= addresses


@pytest.mark.parametrize(
    ("channel", "values", "expected"),
    [
        ("weightsChannel", {"key": "{checkout}"}, weights_channel("checkout")),
        ("weightsKey", {"key": "{checkout}"}, weights_key("checkout")),
        ("sidecarReport", {"key": "{checkout}", "id": "edge-1"}, sidecar_key("checkout", "edge-1")),
    ],
)
def test_addresses_in_redis_are_those_of_the_grammar(channel: str, values: dict[str, str], expected: str) -> None:
    address, parameters = (DOCUMENT["channels"][channel][name] for name in ("address", "parameters"))
    assert set(parameters) == set(values)
    for name, value in values.items():
        assert value in parameters[name]["examples"]
        address = address.replace(f"{{{name}}}", value)
    assert address == expected


def schema_of(sample: Sample) -> str:
    [longest] = [name for name in sorted(SCHEMA_OF, key=len, reverse=True) if sample.name.startswith(name)][:1]
    return SCHEMA_OF[longest]


@pytest.mark.parametrize("sample", TRAVELLING, ids=title)
def test_what_travels_is_what_the_document_says(sample: Sample) -> None:
    name = schema_of(sample)
    schema = DOCUMENT["components"]["schemas"][name]
    # The validator of these tests looks references up in the schema itself.
    assert fits(unrooted(schema, name), sample.plain, unrooted(schema, name))


def unrooted(part: Any, name: str) -> Any:
    if isinstance(part, dict):
        return {
            key: value.replace(f"#/components/schemas/{name}/", "#/") if key == "$ref" else unrooted(value, name)
            for key, value in part.items()
        }
    return [unrooted(one, name) for one in part] if isinstance(part, list) else part


def test_operations_are_those_of_trimtab() -> None:
    actions = {name: of["action"] for name, of in DOCUMENT["operations"].items()}
    assert actions["receiveTelemetry"] == "receive"
    assert actions["sendWeights"] == actions["announceWeights"] == "send"
