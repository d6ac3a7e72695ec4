"""Spans, sent to whoever takes OTLP over HTTP. Where no address is set there is none of it.

They go as JSON, which OTLP/HTTP has beside protobuf (opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), from a
thread of its own, out of a bounded queue: what nobody takes is dropped and counted, and no decision waits. It is done
here and not by OpenTelemetry's SDK because the protobuf classes of its exporter cannot be installed beside those that
come with Envoy's: both packages write the same files.
"""

import http.client
import logging
import secrets
import threading
import urllib.request
from collections import deque
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any, Final, Self

import msgspec
from pydantic import BaseModel, Field, model_validator

from trimtab.schemas.setting import SETTING, broken
from trimtab.schemas.trace_context import MOST_TRACED, TraceContext

_NS_PER_MS: Final = 1_000_000
_INTERNAL: Final = 1
"""The kind of all spans, in OTLP's numbers."""
_SAMPLED: Final = 1
_MOST_WAITING: Final = 4_096
_MOST_AT_ONCE: Final = 512
_EVERY_S: Final = 1.0
_TIMEOUT_S: Final = 5.0
_LAST_S: Final = 2.0
_LOG: Final = logging.getLogger("trimtab.tracing")

Attributes = Mapping[str, str | int | float | bool]


class TracingSettings(BaseModel):
    """Whether and where spans are sent."""

    model_config = SETTING

    endpoint: str = ""
    """where spans go, over OTLP/HTTP: http://HOST:4318/v1/traces; without it there are none"""
    sample_ratio: Annotated[float, Field(gt=0, le=1)] = 1.0
    """the share of traces that are sent; the same traces everywhere, where it is the same everywhere"""

    @model_validator(mode="after")
    def _is_address(self) -> Self:
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise broken("endpoint", "expected a URL that begins with http:// or https://")
        return self


NO_TRACING: Final = TracingSettings()


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *_args: Any, **_options: Any) -> None:
        return None


class Tracing:
    """Sends the spans of one program. `span` is for one thread, and never waits."""

    def __init__(self, settings: TracingSettings, service: str) -> None:
        self._endpoint, self._bound = settings.endpoint, round(settings.sample_ratio * (1 << 64))
        self._resource = {"attributes": _attributes({"service.name": service, "service.version": version("trimtab")})}
        self._opener = urllib.request.build_opener(_Straight())
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_MOST_WAITING)
        self._wake, self._is_stopping, self._is_taken = threading.Event(), False, True
        self.dropped = 0
        """spans that nobody took, or that were too many"""
        self._thread = threading.Thread(target=self._send_forever, name="trimtab tracing", daemon=True)
        self._thread.start()

    def span(  # noqa: PLR0913 - what a span is, by name
        self,
        name: str,
        *,
        start_ms: float,
        end_ms: float,
        own: TraceContext | None = None,
        parent: TraceContext | None = None,
        links: Sequence[TraceContext] = (),
        attributes: Attributes | None = None,
    ) -> TraceContext | None:
        """Sends a span, and gives where it is; None where its trace is not one of those that are sent.

        `own`: where it is to be, else somewhere new, or in the trace of `parent`. Times are since the epoch.
        """
        at = own or TraceContext(parent.trace_id if parent else secrets.randbits(127) + 1, secrets.randbits(63) + 1)
        # By the trace's number alone: what one program sends of a trace, others do, too.
        if at.trace_id & ((1 << 64) - 1) >= self._bound:
            return None
        self.dropped += len(self._waiting) == _MOST_WAITING
        self._waiting.append(
            {
                **_numbers(at), "parentSpanId": f"{parent.span_id:016x}" if parent else "", "name": name,
                "kind": _INTERNAL, "flags": _SAMPLED, "startTimeUnixNano": str(round(start_ms * _NS_PER_MS)),
                "endTimeUnixNano": str(round(max(start_ms, end_ms) * _NS_PER_MS)),
                "attributes": _attributes(attributes or {}),
                "links": [{**_numbers(one), "flags": _SAMPLED} for one in links[:MOST_TRACED]],
            }
        )  # fmt: skip
        return at

    def close(self) -> None:
        """Sends what is there, for two seconds at most, and ends."""
        self._is_stopping = True
        self._wake.set()
        self._thread.join(_LAST_S)

    def _send_forever(self) -> None:
        while not self._is_stopping:
            self._wake.wait(_EVERY_S)
            while batch := list(islice(self._waiting, _MOST_AT_ONCE)):
                for _ in batch:
                    self._waiting.popleft()
                self._post(batch)

    def _post(self, spans: list[dict[str, Any]]) -> None:
        scopes = [{"scope": {"name": "trimtab"}, "spans": spans}]
        body = msgspec.json.encode({"resourceSpans": [{"resource": self._resource, "scopeSpans": scopes}]})
        request = urllib.request.Request(  # noqa: S310 - http and https alone: the settings have checked it
            self._endpoint, body, {"Content-Type": "application/json", "User-Agent": "trimtab"}
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S):
                self._is_taken = True
        except (OSError, http.client.HTTPException) as error:
            self.dropped += len(spans)
            if self._is_taken:
                _LOG.warning("spans_untaken endpoint=%s error=%s", self._endpoint, error)
            self._is_taken = False


def _numbers(at: TraceContext) -> dict[str, str]:
    return {"traceId": f"{at.trace_id:032x}", "spanId": f"{at.span_id:016x}"}


def _attributes(attributes: Attributes) -> list[dict[str, object]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: object) -> dict[str, object]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case _:
            return {"stringValue": str(value)}


def open_tracing(settings: TracingSettings, service: str) -> Tracing | None:
    """Gives what sends the spans of a program; None where none are asked for."""
    return Tracing(settings, service) if settings.endpoint else None


def traced(headers: Sequence[tuple[str, bytes | None]] | None) -> list[bytes]:
    """Gives the values of `traceparent` among the headers of a Kafka message."""
    return [value for name, value in headers or () if name == "traceparent" and isinstance(value, bytes)]
