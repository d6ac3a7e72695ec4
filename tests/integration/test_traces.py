"""The way of a request into weights, as spans: from its own trace to the proxy that has the revision in force."""

import asyncio
import time

import pytest

from integration.collector import Collector
from integration.worker_rig import WorkerRig
from trimtab.client import RoutingKey, Telemetry
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.trace_context import TraceContext, context_of
from trimtab.schemas.tracing import Tracing, TracingSettings
from trimtab.sidecar.metrics import SidecarMetrics
from trimtab.sidecar.report import ReportDesk

pytestmark = [pytest.mark.integration, pytest.mark.long]

REQUEST = TraceContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)


async def report(rig: WorkerRig, collector: Collector, *revisions: tuple[int, int]) -> None:
    """What a sidecar reports, one revision after the other."""
    tracing = Tracing(TracingSettings(endpoint=collector.url), "trimtab-sidecar")
    desk = ReportDesk(rig.redis, SidecarMetrics(), tracing)
    for revision in revisions:
        now_ms = time.time_ns() // 1_000_000
        made = SidecarReport(sidecar="edge-1", proxy="envoy", release="checkout", in_force=revision, time_ms=now_ms)
        assert await desk.write([made])
    await desk.close()


def test_a_request_leads_to_the_weights_that_came_of_it() -> None:
    with Collector() as collector, WorkerRig() as rig:
        worker = rig.start_worker(settings=[f"TRIMTAB_TRACING__ENDPOINT={collector.url}"])
        rig.apply()
        rig.await_rule("applied")
        with Telemetry(rig.kafka, publisher="edge-1") as telemetry:
            telemetry.trace(REQUEST.header.decode())
            telemetry.response(RoutingKey("checkout", "v1", "", 1, 1), 12.0, 200)
            telemetry.trace("no traceparent")
            assert telemetry.flush(60)
        made = rig.await_counted(1)
        asyncio.run(report(rig, collector, (0, 0), made.id))
        assert worker.end() == 0  # which sends what is left
    (fold,) = [span for span in collector.named("trimtab.fold") if span.links]
    own = context_of("checkout", made.id)
    (decide,) = [span for span in collector.named("trimtab.decide") if span.at == own]
    (publish,) = [span for span in collector.named("trimtab.publish") if span.at.trace_id == own.trace_id]
    (in_force,) = collector.named("trimtab.in_force")
    assert fold.links == [REQUEST]
    assert fold.attributes["trimtab.telemetry.messages"] in range(1, 9), "with heartbeats and ticks"
    assert fold.at in decide.links
    assert decide.parent == 0
    assert decide.attributes["trimtab.weight.v1"] == made.weights["v1"]
    assert (publish.parent, in_force.parent, in_force.at.trace_id) == (own.span_id, own.span_id, own.trace_id)
    assert (in_force.service, in_force.attributes["trimtab.sidecar"]) == ("trimtab-sidecar", "edge-1")
    times = [fold.start_ns, fold.end_ns, decide.end_ns, publish.end_ns]
    assert times == sorted(times)
