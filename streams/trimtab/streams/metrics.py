"""What a worker tells Prometheus of itself; `release_metrics` has what it tells of releases.

Everything is read when Prometheus asks, from counters that are kept anyway, by a thread of its own: decisions do not
wait for it. docs/metrics.md describes each metric.
"""

from collections.abc import Iterable
from importlib.metadata import version

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from trimtab.schemas.topics import EVIDENCE, TELEMETRY
from trimtab.streams.decide import Decide
from trimtab.streams.fold import Fold
from trimtab.streams.progress import Progress
from trimtab.streams.publication import Publication
from trimtab.streams.release_metrics import release_metrics
from trimtab.streams.watchdog import Watchdog


def register_process(registry: CollectorRegistry) -> None:
    """Adds what Prometheus' own client tells of a process: memory, CPU, files, collections."""
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)


class WorkerMetrics(Collector):
    """The counters of a worker, and the releases that it speaks for at that moment."""

    def __init__(
        self, fold: Fold, decide: Decide, publication: Publication, progress: Progress, watchdog: Watchdog
    ) -> None:
        self._fold, self._decide, self._publication = fold, decide, publication
        self._progress, self._watchdog = progress, watchdog

    def describe(self) -> Iterable[Metric]:
        """Gives nothing, so that registering asks for no counters."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Gives the metrics as they stand."""
        yield build_info()
        yield from self._telemetry()
        yield from self._decisions()
        yield from self._servers()
        yield from release_metrics(self._decide.newest())

    def _telemetry(self) -> Iterable[Metric]:
        yield CounterMetricFamily("trimtab_events", "Events taken from telemetry", value=self._fold.events)
        refused = CounterMetricFamily("trimtab_events_refused", "Events not counted, by code", labels=["code"])
        for code, events in dict(self._fold.refused + self._decide.refused).items():
            refused.add_metric([code], events)
        yield refused
        letters = CounterMetricFamily("trimtab_dead_letters", "Dead letters written", labels=["source"])
        letters.add_metric([TELEMETRY], self._fold.letters)
        letters.add_metric([EVIDENCE], self._decide.letters)
        yield letters
        lag = GaugeMetricFamily("trimtab_partition_lag", "Offsets not taken yet", labels=["topic", "partition"])
        for standing in self._progress.standings:
            lag.add_metric(standing.name.rsplit("/", 1), standing.lag)
        yield lag

    def _decisions(self) -> Iterable[Metric]:
        decided = CounterMetricFamily("trimtab_decisions", "Decisions published", labels=["action", "rule"])
        for kind, count in dict(self._decide.decided).items():
            decided.add_metric(kind, count)
        yield decided
        publication = self._publication
        yield CounterMetricFamily("trimtab_revisions_written", "Revisions that Redis took", value=publication.written)
        yield GaugeMetricFamily("trimtab_revisions_waiting", "Releases not up to date in Redis", publication.waiting)

    def _servers(self) -> Iterable[Metric]:
        yield GaugeMetricFamily("trimtab_kafka_up", "Whether Kafka answers", value=not self._progress.trouble)
        yield GaugeMetricFamily("trimtab_redis_up", "Whether Redis takes weights", value=not self._publication.trouble)
        yield CounterMetricFamily("trimtab_assignments", "Rebalances taken part in", value=self._watchdog.assignments)


def build_info() -> Metric:
    """Gives which version this is."""
    family = GaugeMetricFamily("trimtab_build_info", "Always 1; the label says which version", labels=["version"])
    family.add_metric([version("trimtab")], 1)
    return family
