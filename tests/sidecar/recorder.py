"""A publisher of telemetry that publishes to nobody."""

from typing import Any

from trimtab.schemas.telemetry import RoutingKey


class Recorder:
    """Takes events as `Telemetry` does, and keeps them."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.traces: list[str] = []

    def request(self, key: RoutingKey, time_ms: int | None = None) -> None:
        self.events.append(("request", key, time_ms))

    def response(  # noqa: PLR0913 - the signature of Telemetry
        self, key: RoutingKey, duration_ms: float, status: int, *, size: int = 0, failure: int = 0,
        time_ms: int | None = None,
    ) -> None:  # fmt: skip
        self.events.append(("response", key, time_ms, duration_ms, status, size, failure))

    def trace(self, traceparent: str) -> None:
        self.traces.append(traceparent)
