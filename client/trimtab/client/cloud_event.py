"""CloudEvents 1.0 headers in the binary content mode of its Kafka binding."""

from typing import Final

TELEMETRY_TYPE: Final = "dev.trimtab.telemetry.v1"
MESSAGE_PACK: Final = "application/vnd.msgpack"

Headers = list[tuple[str, bytes]]


def attributes(event_type: str, source: str, content_type: str) -> Headers:
    """Gives the headers that all messages of one source share; each message adds its `ce_id`."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", event_type.encode()),
        ("ce_source", source.encode()),
        ("content-type", content_type.encode()),
    ]
