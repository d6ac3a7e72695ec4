"""From a real request through a real HAProxy to the weights that it caused, and back into the proxy."""

import subprocess
import sys

import pytest

from conftest import Eventually
from integration.test_whole_path import counted_once, newest_variants, phase_of, run_release
from integration.worker_rig import WorkerRig
from sidecar.haproxy_rig import HAProxyRig, needs_haproxy, release
from trimtab.schemas.decision import Phase

pytestmark = [pytest.mark.integration, pytest.mark.proxies, needs_haproxy]


def rig_of(rig: WorkerRig, second: str) -> HAProxyRig:
    variants = [{"name": "v1", "target": "at-v1"}, {"name": "v2", "target": second}]
    releases = (release(variants=variants),)
    return HAProxyRig(redis=rig.redis, kafka=rig.kafka, releases=releases, servers=("at-v1", second), file_mode=True)


def test_a_variant_that_fails_is_rolled_back_and_no_request_reaches_it_any_more(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        run_release("nobody", "60s", rig)
        with rig_of(rig, "nobody") as proxy:
            proxy.addresses["nobody"] = "127.0.0.1:1"
            proxy.start_sidecar()
            eventually(lambda: proxy.report().time_ms, what="the sidecar")
            # Unchecked: HAProxy is not to take it away before the guardrail has.
            proxy.start_haproxy(proxy.config().replace("check inter 2s fall 3 rise 2", ""))
            with proxy.world.visit(proxy.port) as visit:
                eventually(lambda: phase_of(rig) is Phase.ROLLED_BACK, what="rolled back")
                rolled_back = len(visit.answers)
                eventually(lambda: len(visit.answers) > rolled_back + 100, what="more answers")
                eventually(lambda: newest_variants(visit) == {"v1"}, what="all answers from v1")
            failed = [answer for answer in visit.answers if not answer.is_good]
            assert {answer.variant for answer in failed} == {"v2"}
            assert 20 <= len(failed) < 1_000  # in the minute that the step holds there would be thousands
            counted_once(rig, len(visit.answers))


def test_a_variant_that_does_well_is_promoted(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        run_release("at-v2", "1s", rig)
        with rig_of(rig, "at-v2") as proxy:
            proxy.start_sidecar()
            eventually(lambda: proxy.report().time_ms, what="the sidecar")
            proxy.start_haproxy()
            with proxy.world.visit(proxy.port) as visit:
                eventually(lambda: phase_of(rig) is Phase.PROMOTED, what="promoted")
                eventually(lambda: newest_variants(visit) == {"v2"}, what="all answers from v2")
            assert [answer for answer in visit.answers if not answer.is_good] == []
            eventually(lambda: proxy.report().shares == {"v1": 0, "v2": 10_000}, what="it in the report")
            command = [sys.executable, "-m", "trimtab.control.cli", "get", "sidecars", f"--redis={rig.redis}"]
            wide = ["/usr/bin/env", "COLUMNS=200", *command]
            listed = subprocess.run(wide, capture_output=True, text=True, check=True)
            assert "v1=0 v2=10000" in listed.stdout
