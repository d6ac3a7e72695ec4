"""What a sidecar tells Prometheus: the reports that it writes to Redis anyway.

A server of its own answers in a thread. docs/metrics.md describes each metric.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Final, Protocol

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trimtab.schemas.address import Address
from trimtab.schemas.sidecar import SidecarReport

REASONS: Final = {
    "timeout": re.compile(r"ended by force|timed out|timeout", re.IGNORECASE),
    "unreachable": re.compile(r"does not answer|cannot connect|connection refused|unreachable", re.IGNORECASE),
    "denied": re.compile(r"\b40[13]\b|permission denied|forbidden|unauthorized", re.IGNORECASE),
    "missing": re.compile(r"\b404\b|no such|not found|unknown|\bhas no\b|\bis no\b|\bno rule has\b", re.IGNORECASE),
    "conflict": re.compile(r"\b409\b|\b422\b|conflict", re.IGNORECASE),
    "failed": re.compile(r"exit code|ended by|cannot run|cannot write", re.IGNORECASE),
}
"""Classes of refusals, and the words of proxies that tell them; the first that fits counts, else `other`."""

_log = structlog.get_logger()


def reason_of(words: str) -> str:
    """Gives the class of a refusal in a proxy's own words."""
    return next((reason for reason, marks in REASONS.items() if marks.search(words)), "other")


class Following(Protocol):
    """What knows the newest weights of releases: `trimtab.client.Weights`."""

    @property
    def connected(self) -> bool:
        """Whether newer ones would be told."""


class SidecarMetrics(Collector):
    """The newest reports of one sidecar, and a server for them where there is an address.

    Raises `OSError` for one that cannot be listened on.
    """

    def __init__(self, address: Address | None = None) -> None:
        self._weights: Following | None = None
        self._reports: list[SidecarReport] = []
        self._refusals: Counter[tuple[str, str]] = Counter()
        self._close: Callable[[], None] = _serve(self, address) if address else lambda: None

    def follow(self, weights: Following) -> None:
        """Takes what knows the newest weights."""
        self._weights = weights

    def take(self, reports: Sequence[SidecarReport]) -> None:
        """Takes the reports of all releases, as they are written every second.

        Refusals since the last ones count by the words that stand now.
        """
        known = {report.release: report.refusals for report in self._reports}
        for report in reports:
            if more := report.refusals - known.get(report.release, 0):
                self._refusals[report.release, reason_of(report.refused)] += more
        self._reports = list(reports)

    def close(self) -> None:
        """Stops answering."""
        self._close()

    def describe(self) -> Iterable[Metric]:
        """Gives nothing, so that registering asks for no reports."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Gives the metrics as they stand."""
        reports = self._reports
        info = GaugeMetricFamily("trimtab_build_info", "Always 1; the label says which version", labels=["version"])
        info.add_metric([version("trimtab")], 1)
        yield info
        yield GaugeMetricFamily(
            "trimtab_sidecar_redis_up",
            "Whether newer weights would be told",
            value=bool(self._weights and self._weights.connected),
        )
        yield from self._weights_of(reports)
        yield self._refused(reports)
        yield from _log_counts(reports[:1])
        yield from _traffic(reports)

    def _weights_of(self, reports: Sequence[SidecarReport]) -> Iterable[Metric]:
        of = ["sidecar", "proxy", "release"]
        in_force = GaugeMetricFamily("trimtab_sidecar_revision", "The revision that the proxy has in force", labels=of)
        offered = GaugeMetricFamily("trimtab_sidecar_offered_revision", "The newest that it was sent", labels=of)
        refuses = GaugeMetricFamily("trimtab_sidecar_refuses", "1 while it refuses the newest", labels=of)
        age = GaugeMetricFamily(
            "trimtab_sidecar_weights_age_seconds", "Since somebody stood behind its weights last", labels=of
        )
        stale = GaugeMetricFamily("trimtab_sidecar_weights_stale", "1 while they are past their age", labels=of)
        fallback = GaugeMetricFamily("trimtab_sidecar_fallback", "1 while all goes to the baseline for that", labels=of)
        for report in reports:
            labels = [report.sidecar, report.proxy, report.release]
            in_force.add_metric(labels, report.in_force[1])
            offered.add_metric(labels, report.offered[1])
            refuses.add_metric(labels, bool(report.refused))
            stale.add_metric(labels, report.stale)
            fallback.add_metric(labels, bool(report.fallback))
            if report.age_s is not None:
                age.add_metric(labels, report.age_s)
        return in_force, offered, refuses, age, stale, fallback

    def _refused(self, reports: Sequence[SidecarReport]) -> Metric:
        family = CounterMetricFamily(
            "trimtab_sidecar_refusals", "Times that the proxy refused weights", labels=["sidecar", "release", "reason"]
        )
        for (release, reason), count in dict(self._refusals).items():
            family.add_metric([reports[0].sidecar, release, reason], count)
        return family


def _log_counts(reports: Sequence[SidecarReport]) -> Iterable[Metric]:
    """Gives what is counted once a sidecar, and stands in the report of each of its releases."""
    families = []
    for field, about in (
        ("events", "Events published"),
        ("dropped", "Events that could not be published"),
        ("unattributed", "Entries of the log that name no variant of ours"),
        ("gaps", "Times that part of the log was lost"),
        ("entries", "Entries of Envoy's log that came over gRPC, whoever they are of"),
    ):
        family = CounterMetricFamily(f"trimtab_sidecar_{field}", about, labels=["sidecar"])
        for report in reports:
            family.add_metric([report.sidecar], getattr(report, field))
        families.append(family)
    answers = CounterMetricFamily(
        "trimtab_sidecar_model_answers", "Answers of models, by what they said of their version",
        labels=["sidecar", "version"],
    )  # fmt: skip
    for report in reports:
        for kind, count in report.answers.items():
            answers.add_metric([report.sidecar, kind], count)
    return [*families, answers]


def _traffic(reports: Sequence[SidecarReport]) -> Iterable[Metric]:
    of = ["sidecar", "release", "variant"]
    share = GaugeMetricFamily("trimtab_sidecar_share", "What the proxy's own weights give, basis points", labels=of)
    routed = CounterMetricFamily("trimtab_sidecar_routed", "Requests by its log", labels=of)
    for report in reports:
        for variant, points in report.shares.items():
            share.add_metric([report.sidecar, report.release, variant], points)
        for variant, requests in report.routed.items():
            routed.add_metric([report.sidecar, report.release, variant], requests)
    return share, routed


def _serve(metrics: SidecarMetrics, address: Address) -> Callable[[], None]:
    """Starts to answer, and gives what ends it."""
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    registry.register(metrics)
    server, thread = start_http_server(address.port, address.host, registry)
    _log.info("metrics_listening", host=address.host, port=server.server_port)

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return close
