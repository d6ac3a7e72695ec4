"""What the server tells Prometheus of itself, at `/metrics`, to whoever may read. docs/metrics.md describes it."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import Response

from trimtab.control.api.hub import Hub
from trimtab.control.api.tail import Tail
from trimtab.streams.metrics import build_info, register_process

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")


class Tally:
    """Answers, counted by method and status."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, int]] = Counter()

    def count(self, method: str, status: int) -> None:
        """Counts one; methods that nobody knows are one."""
        self.answers[method if method in _METHODS else "other", status] += 1


class ApiMetrics(Collector):
    """The counters of one server."""

    def __init__(self, tally: Tally, hub: Hub, tail: Tail) -> None:
        self._tally, self._hub, self._tail = tally, hub, tail

    def describe(self) -> Iterable[Metric]:
        """Gives nothing, so that registering asks for no counters."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Gives the metrics as they stand."""
        yield build_info()
        answers = CounterMetricFamily("trimtab_api_answers", "Requests answered", labels=["method", "status"])
        for (method, status), count in sorted(self._tally.answers.items()):
            answers.add_metric([method, str(status)], count)
        yield answers
        yield GaugeMetricFamily("trimtab_api_viewers", "Streams that are open", value=self._hub.count)
        yield GaugeMetricFamily("trimtab_api_ring_bytes", "Decisions kept in memory", value=self._hub.rings.bytes)
        yield GaugeMetricFamily(
            "trimtab_api_decisions_followed", "1 while decisions are read as they come", value=not self._tail.trouble
        )

    def routes(self) -> APIRouter:
        """Gives the route."""
        registry = CollectorRegistry()
        register_process(registry)
        registry.register(self)
        routes = APIRouter()

        async def metrics() -> Response:
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

        routes.add_api_route("/metrics", metrics, include_in_schema=False)
        return routes
