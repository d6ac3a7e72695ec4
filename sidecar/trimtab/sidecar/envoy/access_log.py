"""The access log: what Envoy saw, entry by entry, as telemetry.

The entry at a request's start becomes a request event, the one at its end a response event. Both carry the stamp of
the route that took the request (`stamp.py`), so a pair names the same revision, however often the weights moved in
between. Where visitors are sticky the entry at the start does not know the cluster yet: both events are told at the
end then, as of the end, for its start may be too long ago to be counted.
"""

from collections import Counter
from collections.abc import Collection
from typing import Final, Protocol

from envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType, HTTPAccessLogEntry

from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.inference import Served
from trimtab.schemas.stamp import OUTSIDE, Stamped, read_stamp
from trimtab.schemas.telemetry import RoutingKey
from trimtab.sidecar.envoy.answer import Answers
from trimtab.sidecar.envoy.bootstrap import TAG_CLUSTER, TAG_MODEL, TAG_MODELS, TAG_STAMP, TAG_TRACE, TAG_VERSION
from trimtab.sidecar.envoy.failure import failure

_START: Final = AccessLogType.DownstreamStart
_END: Final = AccessLogType.DownstreamEnd

_MAX_STAMPS: Final = 1024
"""Stamps kept read. Requests in flight name a few revisions at a time; a slow one is read anew."""

_MAX_BYTES: Final = (1 << 32) - 1
"""What the telemetry column holds."""


_NOBODY: Final = Stamped({}, is_sticky=False)


class Publisher(Protocol):
    """Where events go: `trimtab.client.Telemetry`."""

    def request(self, key: RoutingKey, time_ms: int | None = None) -> None:
        """Tells that a request was routed."""

    def response(  # noqa: PLR0913 - as the client has it
        self,
        key: RoutingKey,
        duration_ms: float,
        status: int,
        *,
        size: int = 0,
        failure: int = 0,
        time_ms: int | None = None,
    ) -> None:
        """Tells that a request ended."""

    def trace(self, traceparent: str) -> None:
        """Has the next message name a request's trace."""


class AccessLog:
    """Turns log entries into events of `telemetry`, and counts what was routed where, and what names no variant.

    `answers` tells whose answers those of models are.
    """

    def __init__(self, telemetry: Publisher) -> None:
        self.answers = Answers()
        self._telemetry = telemetry
        self._stamps: dict[str, Stamped] = {}
        self.unattributed = 0
        self.entries = 0
        """all that came, whoever they are of: what Envoy says it wrote beyond that was lost on the way"""
        self.routed: Counter[tuple[str, str]] = Counter()
        """(release, variant) -> requests"""

    def publish(self, entries: Collection[HTTPAccessLogEntry]) -> None:
        """Publishes an event for each entry at the start or the end of a request that a release routed."""
        self.entries += len(entries)
        for entry in entries:
            common = entry.common_properties
            kind = common.access_log_type
            if kind not in (_START, _END):
                continue
            tags = common.custom_tags
            text = tags.get(TAG_STAMP, "")
            if text == OUTSIDE:
                continue
            stamped = self._stamps.get(text) or self._read(text)
            key, is_sticky = stamped.keys.get(tags.get(TAG_CLUSTER, "")), stamped.is_sticky
            if key is None:
                self.unattributed += 1
                continue
            start = common.start_time
            start_ms = start.seconds * 1000 + start.nanos // 1_000_000
            if kind == _END:
                self._publish_end(key, entry, start_ms, stamped)
            elif not is_sticky:
                self._route(key, start_ms)

    def _route(self, key: RoutingKey, time_ms: int) -> None:
        self.routed[key.release, key.variant] += 1
        self._telemetry.request(key, time_ms)

    def _publish_end(self, key: RoutingKey, entry: HTTPAccessLogEntry, start_ms: int, stamped: Stamped) -> None:
        common, response = entry.common_properties, entry.response
        last_byte, whole = common.time_to_last_downstream_tx_byte, common.duration
        end_ms = whole.seconds * 1e3 + whole.nanos * 1e-6
        if stamped.is_sticky:
            self._route(key, start_ms + int(end_ms))
        tags = common.custom_tags
        if TAG_TRACE in tags:
            self._telemetry.trace(tags[TAG_TRACE])
        if TAG_MODELS in tags:
            served = Served(tags.get(TAG_MODEL, ""), tags.get(TAG_VERSION, ""))
            key = self.answers.key(
                stamped, key, served, path=entry.request.path, status=response.response_code.value
            )  # fmt: skip
        duration_ms = last_byte.seconds * 1e3 + last_byte.nanos * 1e-6 or end_ms
        self._telemetry.response(
            key, duration_ms, response.response_code.value, size=min(common.downstream_wire_bytes_sent, _MAX_BYTES),
            failure=failure(common.response_flags.SerializeToString()), time_ms=start_ms + int(end_ms),
        )  # fmt: skip

    def _read(self, text: str) -> Stamped:
        if not text:
            return _NOBODY
        if len(self._stamps) >= _MAX_STAMPS:
            self._stamps.clear()
        try:
            read = read_stamp(text)
        except InvalidRecord:
            read = _NOBODY
        self._stamps[text] = read
        return read
