"""A worker's metrics, asked for as Prometheus does."""

import re
import time
from urllib.request import urlopen

import msgspec
import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from conftest import Eventually
from integration.worker_rig import READY_S, WorkerRig
from sidecar.program import Program
from trimtab.schemas.telemetry import Response
from trimtab.schemas.topics import TELEMETRY
from trimtab.streams.backend import Backend

pytestmark = [pytest.mark.integration, pytest.mark.long]

HEALTH = ("--health", "127.0.0.1:0")


def metrics(worker: Program) -> dict[str, Metric]:
    """Families by name."""
    port = re.findall(r'"port": (\d+)', worker.output)[0]
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """The value of a sample; 0 where there is none."""
    found = [sample for family in families.values() for sample in family.samples if sample.name == name]
    return next((one.value for one in found if labels.items() <= one.labels.items()), 0.0)


def releases(worker: Program) -> set[str]:
    return {sample.labels["release"] for sample in metrics(worker)["trimtab_release_info"].samples}


def response(release: str) -> bytes:
    return msgspec.json.encode(
        [Response(release=release, variant="v1", time_ms=time.time_ns() // 1_000_000, duration_ms=12.0, status=200)]
    )


def test_a_worker_tells_of_events_decisions_and_how_long_they_took(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker(*HEALTH)
        eventually(lambda: "worker_started" in worker.output, what="a start", timeout_s=READY_S)
        rig.apply()
        rig.await_counted(0)
        rig.publish(TELEMETRY, response("checkout"))
        rig.publish(TELEMETRY, b"poison")
        rig.await_counted(1)
        rig.await_refused(1)
        reactions = "trimtab_decision_latency_seconds_count"
        eventually(lambda: value(metrics(worker), reactions) >= 1, what="a reaction")  # Redis has it a moment before
        told = metrics(worker)
        assert value(told, "trimtab_events_total") == 2
        assert value(told, "trimtab_events_refused_total", code="undecodable") == 1
        assert value(told, "trimtab_dead_letters_total", source=TELEMETRY) == 1
        assert value(told, "trimtab_decisions_total", action="start", rule="applied") == 1
        assert value(told, "trimtab_release_events_total", release="checkout", fate="counted") == 1
        assert value(told, "trimtab_variant_weight", release="checkout", variant="v1") > 0
        assert 0 < value(told, "trimtab_decision_latency_seconds_sum") < READY_S
        for stage in ("telemetry", "fold", "decide", "publish"):
            assert value(told, "trimtab_stage_latency_seconds_count", stage=stage) >= 1
        assert value(told, "trimtab_assignments_total") >= 1
        assert value(told, "trimtab_redis_up") == 1
        assert value(told, "process_cpu_seconds_total") > 0
        assert worker.end() == 0


@pytest.mark.local  # the embedded broker takes half a minute to give its partitions to the next worker
def test_a_release_is_told_of_by_the_worker_that_speaks_for_it_and_no_other(eventually: Eventually) -> None:
    names = {"checkout", "search", "cart", "login", "pay"}
    with WorkerRig() as rig:
        if rig.backend is Backend.EMBEDDED:
            pytest.skip(f"backend {rig.backend}: a second worker needs genuine Kafka")
        first = rig.start_worker(*HEALTH)
        for name in names:
            rig.apply(name)
        for name in names:
            rig.await_counted(0, name)
        assert releases(first) == names
        second = rig.start_worker(*HEALTH)
        eventually(lambda: "worker_started" in second.output, what="a start", timeout_s=READY_S)

        seen: list[list[str]] = []

        def is_shared() -> bool:
            here, there = releases(first), releases(second)
            seen[:] = [sorted(here), sorted(there)]
            return bool(here and there) and here | there == names and not here & there

        try:
            eventually(is_shared, what="each release told of once", timeout_s=READY_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; last seen: {seen}") from error


@pytest.mark.local  # as above
def test_a_worker_speaks_for_releases_of_which_nothing_comes(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        first = rig.start_worker(*HEALTH)
        rig.apply()
        rig.await_counted(0)
        assert first.end() == 0
        second = rig.start_worker(*HEALTH)
        eventually(lambda: "worker_started" in second.output, what="a start", timeout_s=READY_S)
        eventually(lambda: releases(second) == {"checkout"}, what="the release of before", timeout_s=READY_S)
