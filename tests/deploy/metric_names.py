"""Every metric that the code tells, from collectors that have something to say of each."""

from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from control.decisions import arm, assessment, decision
from trimtab.control.api.hub import Hub
from trimtab.control.api.metrics import ApiMetrics, Tally
from trimtab.control.api.ring import Rings
from trimtab.control.api.tail import Tail
from trimtab.schemas.sidecar import SidecarReport
from trimtab.sidecar.metrics import SidecarMetrics
from trimtab.streams.app import create_app
from trimtab.streams.decide import Decide
from trimtab.streams.decision_kind import Kind
from trimtab.streams.fold import Fold
from trimtab.streams.latency import Latency
from trimtab.streams.metrics import WorkerMetrics
from trimtab.streams.progress import Progress, Standing
from trimtab.streams.publication import Publication
from trimtab.streams.release_metrics import release_metrics
from trimtab.streams.settings import DecideSettings, FoldSettings, KafkaSettings, RedisSettings
from trimtab.streams.watchdog import Watchdog


class Told(NamedTuple):
    """A metric as it is documented."""

    name: str
    kind: str
    labels: frozenset[str]


class StillWeights:
    """A follower of weights whose connection stands."""

    connected = True


def worker_metrics() -> CollectorRegistry:
    """What a worker would tell, with a count in each counter, and no release."""
    registry = CollectorRegistry()
    latency = Latency(registry)
    app, publication = create_app(KafkaSettings()), Publication(RedisSettings())
    fold = Fold(app, FoldSettings(), 4, latency)
    decide = Decide(app, DecideSettings(), app.Table("t", partitions=1), publication, {}, latency=latency)
    fold.refused["future"] += 3
    decide.decided[Kind("move", "canary")] += 1
    progress = Progress(app, {}, 10.0)
    progress._standings = {"t/3": Standing("t/3", 5, has_begun=True, end=9, seen_end=9)}
    registry.register(WorkerMetrics(fold, decide, publication, progress, Watchdog(app, 10.0)))
    return registry


def sidecar_metrics() -> SidecarMetrics:
    """What a sidecar would tell of one release."""
    metrics = SidecarMetrics()
    metrics.follow(StillWeights())
    metrics.take(
        [
            SidecarReport(
                sidecar="edge", proxy="haproxy", release="checkout", in_force=(7, 41), offered=(7, 42), refusals=2,
                refused="no such server", events=9, shares={"v1": 9_961.0}, routed={"v1": 5}, age_s=2.5,
                answers={"missing": 3},
            )
        ]
    )  # fmt: skip
    return metrics


def api_metrics() -> ApiMetrics:
    """What `trimtab serve` would tell, with an answer counted."""
    tally, hub = Tally(), Hub(Rings())
    tally.count("GET", 200)
    return ApiMetrics(tally, hub, Tail(KafkaSettings(), hub))


def told() -> set[Told]:
    """Every metric of ours."""
    releases = release_metrics([decision(arms=[arm()], assessments=[assessment()])])
    return {_told(family) for family in (*_ours(worker_metrics().collect()), *releases, *sidecar_metrics().collect(),
                                      *_ours(api_metrics().collect()))
            if family.samples}  # fmt: skip


def _ours(families: Iterable[Metric]) -> list[Metric]:
    return [family for family in families if family.name.startswith("trimtab_")]


def _told(family: Metric) -> Told:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = {label for sample in family.samples for label in sample.labels} - {"le"}
    return Told(name, family.type, frozenset(labels))
