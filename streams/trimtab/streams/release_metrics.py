"""What Prometheus is told of releases: their newest decisions, as numbers.

Labels are names of a release file (release, variant, guardrail) or of a closed set, never what came with traffic; of
closed sets (phase, verdict) there is a series of 0 or 1 for each member. A release that a worker no longer speaks for
has no series there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from trimtab.schemas.decision import Decision, Phase, Verdict
from trimtab.schemas.divergence import Kind


def release_metrics(decisions: Sequence[Decision]) -> Iterator[Metric]:
    """Gives the metrics of the releases that the decisions are of."""
    yield from _standing(decisions)
    yield from _events(decisions)
    yield _divergences(decisions)
    yield from _variants(decisions)
    yield from _variant_counts(decisions)
    yield from _guardrails(decisions)


def _gauge(name: str, about: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"trimtab_{name}", about, labels=labels)


def _counter(name: str, about: str, labels: Sequence[str]) -> CounterMetricFamily:
    return CounterMetricFamily(f"trimtab_{name}", about, labels=labels)


def _standing(decisions: Iterable[Decision]) -> Iterable[Metric]:
    info = _gauge("release_info", "Always 1", ["release", "strategy"])
    phases = _gauge("release_phase", "1 for the phase that it is in, else 0", ["release", "phase"])
    step = _gauge("release_step", "The step that it stands on, from 0", ["release"])
    revision = _gauge("release_revision", "Number of its newest decision, within the log's era", ["release"])
    queued = _gauge("release_queued", "1 while another release keeps the traffic of its service", ["release"])
    decided = _gauge("last_decision_timestamp_seconds", "When its newest decision was made", ["release"])
    for decision in decisions:
        name = decision.release
        info.add_metric([name, decision.strategy], 1)
        for phase in Phase:
            phases.add_metric([name, phase], decision.phase is phase)
        step.add_metric([name], decision.step)
        revision.add_metric([name], decision.revision)
        queued.add_metric([name], bool(decision.queued_behind))
        decided.add_metric([name], decision.time_ms / 1000)
    return info, phases, step, revision, queued, decided


def _events(decisions: Iterable[Decision]) -> Iterable[Metric]:
    events = _counter(
        "release_events", "What became of its events: counted, late or dead-lettered", ["release", "fate"]
    )
    for decision in decisions:
        seen = decision.seen
        for fate, count in (("counted", seen.counted), ("late", seen.late), ("dead_lettered", seen.dead_lettered)):
            events.add_metric([decision.release, fate], count)
    return (events,)


def _divergences(decisions: Iterable[Decision]) -> Metric:
    about = "Ways in which traffic was seen not to follow the weights, which are held for as long"
    found = _gauge("release_divergences", about, ["release", "kind"])
    for decision in decisions:
        kinds = Counter(one.kind for one in decision.divergences)
        for kind in get_args(Kind):
            found.add_metric([decision.release, kind], kinds[kind])
    return found


def _variants(decisions: Iterable[Decision]) -> Iterable[Metric]:
    of = ["release", "variant"]
    weight = _gauge("variant_weight", "Its share of the traffic, basis points", of)
    excluded = _gauge("variant_excluded", "1 where it may take no traffic", of)
    mean = _gauge("variant_posterior_mean", "Believed mean reward", of)
    best = _gauge("variant_probability_best", "Probability that it is the best", of)
    errors = _gauge("variant_error_ratio", "Errors among responses of the last minute", of)
    latency = _gauge("variant_latency_seconds", "Response time of the last minute", [*of, "quantile"])
    for decision in decisions:
        for arm in decision.arms:
            labels = [decision.release, arm.variant]
            weight.add_metric(labels, arm.weight)
            excluded.add_metric(labels, bool(arm.excluded))
            mean.add_metric(labels, arm.mean)
            best.add_metric(labels, arm.probability_best)
            if arm.error_ratio is not None:
                errors.add_metric(labels, arm.error_ratio)
            for quantile, value_ms in (("0.5", arm.p50_ms), ("0.99", arm.p99_ms)):
                if value_ms is not None:
                    latency.add_metric([*labels, quantile], value_ms / 1000)
    return weight, excluded, mean, best, errors, latency


def _variant_counts(decisions: Iterable[Decision]) -> Iterable[Metric]:
    of = ["release", "variant"]
    requests = _counter("variant_requests", "Requests since the release began", of)
    responses = _counter("variant_responses", "Responses since the release began", of)
    errors = _counter("variant_errors", "Of these, errors", of)
    for decision in decisions:
        for arm in decision.arms:
            for family, count in ((requests, arm.requests), (responses, arm.responses), (errors, arm.errors)):
                family.add_metric([decision.release, arm.variant], count)
    return requests, responses, errors


def _guardrails(decisions: Iterable[Decision]) -> Iterable[Metric]:
    of = ["release", "guardrail", "variant", "bound"]
    status = _gauge("guardrail_status", "1 for the verdict that it gave last, else 0", [*of, "verdict"])
    value = _gauge("guardrail_value", "What was seen, in the metric's unit", of)
    limit = _gauge("guardrail_limit", "What must not be crossed, in the same unit", of)
    for decision in decisions:
        for found in decision.assessments:
            labels = [decision.release, found.guardrail, found.variant, found.bound]
            for verdict in Verdict:
                status.add_metric([*labels, verdict], found.verdict is verdict)
            if found.value is not None:
                value.add_metric(labels, found.value)
            limit.add_metric(labels, found.limit)
    return status, value, limit
