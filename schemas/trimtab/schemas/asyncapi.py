"""The protocol for everyone else: an AsyncAPI 3 document of topics, keys and channels, from the types that travel.

What Trimtab does is said as of Trimtab: it receives telemetry and sends weights, so that others send the one and
receive the other. Payloads are the JSON Schemas of `json_schema.py`; what is MessagePack is described by the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from trimtab.schemas.json_schema import documents
from trimtab.schemas.redis_keys import sidecar_key, weights_channel
from trimtab.schemas.topics import AUDIT, DEAD_LETTERS, DECISIONS, EVIDENCE, LABELS, TELEMETRY, WEIGHTS

Document = dict[str, Any]

_JSON: Final = "application/json"
_MESSAGE_PACK: Final = "application/vnd.msgpack"
_COMPONENTS: Final = "#/components/schemas/"
_OF_OTHERS: Final = ("$schema", "discriminator")

_MESSAGES: Final[Mapping[str, tuple[str, str, str]]] = {
    "telemetryEvents": ("telemetry-events", _JSON, "one event, several, or a batch; as MessagePack just as well"),
    "telemetryColumns": (
        "telemetry-columns",
        _MESSAGE_PACK,
        "up to 500 events in packed columns: what our client sends",
    ),
    "evidence": ("evidence", _MESSAGE_PACK, "between workers; of no use to others, and kept for replay"),
    "decision": ("decision", _JSON, "a decision with its reasons"),
    "weights": ("weights", _JSON, "weights in force from now on"),
    "deadLetter": ("dead-letter", _JSON, "what could not be counted, and why"),
    "label": ("label", _JSON, "what a model answered to a request, or what was true of it"),
    "auditEntry": ("audit-entry", _JSON, "a change that somebody asked for, and what became of it"),
    "sidecarReport": ("sidecar-report", _JSON, "what a sidecar has in force; gone ten seconds after its sidecar"),
}
"""message -> its schema, content type, and what it tells"""

_KAFKA: Final[Mapping[str, tuple[str, tuple[str, ...], str]]] = {
    "telemetry": (
        TELEMETRY,
        ("telemetryEvents", "telemetryColumns"),
        "What proxies and services saw. Key: the publisher.",
    ),
    "evidence": (EVIDENCE, ("evidence",), "All that decisions rest on, partitioned by service."),
    "decisions": (DECISIONS, ("decision",), "Every decision, in order. Key: the release."),
    "weights": (WEIGHTS, ("weights",), "The newest weights of each release, compacted. Key: the release."),
    "deadLetters": (DEAD_LETTERS, ("deadLetter",), "What could not be counted."),
    "labels": (LABELS, ("label",), "What models answered and what was true, in either order. Key: the request's id."),
    "audit": (AUDIT, ("auditEntry",), "Who changed what, and why. Key: the release."),
}
"""channel -> topic, messages, and what it is for"""

_KEY: Final = {
    "description": "The name of a release between braces, which are literal: they keep its keys in one slot.",
    "examples": ["{checkout}"],
}
_OPERATIONS: Final[Mapping[str, tuple[str, str, str]]] = {
    "receiveTelemetry": ("receive", "telemetry", "Publish what your service or proxy saw."),
    "receiveLabels": ("receive", "labels", "Publish what a model answered, and what turned out to be true."),
    "sendDecisions": ("send", "decisions", "Read why weights moved."),
    "sendWeights": ("send", "weights", "Follow weights over Kafka."),
    "announceWeights": (
        "send",
        "weightsChannel",
        "Follow weights over Redis: subscribe, then read the key, then follow.",
    ),
    "sendAudit": ("send", "audit", "Keep account of who changed what."),
    "sendDeadLetters": ("send", "deadLetters", "Learn what of your telemetry was not counted."),
}
"""operation -> action, channel, and what others do by it"""


def document(version: str) -> Document:
    """Gives the document, of this version of Trimtab."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trimtab",
            "version": version,
            "description": "Release decisions from live traffic: telemetry in, weights out.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": _JSON,
        "servers": {
            "kafka": {"host": "kafka:9092", "protocol": "kafka"},
            "redis": {"host": "redis:6379", "protocol": "redis"},
        },
        "channels": _channels(),
        "operations": {name: _operation(*of) for name, of in _OPERATIONS.items()},
        "components": {
            "schemas": {name: _rooted(schema, name) for name, schema in documents().items() if name in _schemas()},
            "messages": {name: _message(name, *of) for name, of in _MESSAGES.items()},
        },
    }


def _schemas() -> set[str]:
    return {schema for schema, _, _ in _MESSAGES.values()}


def _channels() -> Document:
    topics = {
        name: _channel(topic, "kafka", what, messages) for name, (topic, messages, what) in _KAFKA.items()
    }  # fmt: skip
    address = weights_channel("key")  # the braces around it make it a parameter
    redis = {
        "weightsChannel": _channel(
            address,
            "redis",
            "Each newer revision of a release's weights; the newest again every 5 s while a worker stands behind it.",
            ["weights"],
        ),
        "weightsKey": _channel(
            address, "redis", "A hash of the same name; its field `weights` has the newest ones.", ["weights"]
        ),
        "sidecarReport": _channel(
            sidecar_key("key", "{id}"), "redis", "A string that expires, for each sidecar.", ["sidecarReport"]
        ),
    }
    for channel in redis.values():
        channel["parameters"] = {"key": _KEY}
    redis["sidecarReport"]["parameters"]["id"] = {"description": "The sidecar's own name.", "examples": ["edge-1"]}
    return {**topics, **redis}


def _channel(address: str, server: str, what: str, messages: Iterable[str]) -> Document:
    return {
        "address": address,
        "description": what,
        "servers": [{"$ref": f"#/servers/{server}"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
    }


def _operation(action: str, channel: str, what: str) -> Document:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": what}


def _message(name: str, schema: str, content_type: str, what: str) -> Document:
    return {
        "name": name, "contentType": content_type, "summary": what, "payload": {"$ref": f"{_COMPONENTS}{schema}"},
    }  # fmt: skip


def _rooted(part: Any, schema: str) -> Any:
    """Gives a schema whose references stand in the whole document.

    The dialect is AsyncAPI's own, and so is its `discriminator`, which is not that of JSON Schemas made by msgspec.
    """
    if isinstance(part, dict):
        return {
            key: f"{_COMPONENTS}{schema}/{value.removeprefix('#/')}" if key == "$ref" else _rooted(value, schema)
            for key, value in part.items()
            if key not in _OF_OTHERS
        }
    return [_rooted(one, schema) for one in part] if isinstance(part, list) else part
