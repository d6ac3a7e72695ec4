"""Builders of access log entries, as Envoy writes them."""

from typing import Any

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType, HTTPAccessLogEntry

from sidecar.weights import stamp_of, weights

START_S = 1_767_225_700
STAMP = stamp_of(weights(revision=57))


def start(*, tags: dict[str, str] | None = None, nanos: int = 250_999_999) -> HTTPAccessLogEntry:
    """The entry of a request that begins a quarter of a second after START_S."""
    entry = HTTPAccessLogEntry()
    common = entry.common_properties
    common.access_log_type = AccessLogType.DownstreamStart
    common.start_time.seconds, common.start_time.nanos = START_S, nanos
    common.custom_tags.update({"stamp": STAMP, "cluster": "at-v2"} if tags is None else tags)
    return entry


def end(*flags: str, status: int = 200, **properties: Any) -> HTTPAccessLogEntry:
    """The entry of that request when it ends: the last byte went out after 1.5 ms, all was over after 2.5 ms."""
    entry = start()
    common = entry.common_properties
    common.access_log_type = AccessLogType.DownstreamEnd
    common.time_to_last_downstream_tx_byte.nanos = 1_500_000
    common.duration.nanos = 2_500_000
    common.downstream_wire_bytes_sent = properties.get("size", 253)
    common.response_flags.SetInParent()
    for flag in flags:
        setattr(common.response_flags, flag, True)
    entry.response.response_code.value = status
    return entry
