"""Rewards that come seconds after their requests, from the client through a worker to weights."""

import threading
import time

import pytest

from conftest import Eventually
from integration.worker_rig import WorkerRig
from trimtab.client import RoutingKey, Telemetry
from trimtab.control.apply import apply_file
from trimtab.schemas.decision import Decision, Verdict

pytestmark = [pytest.mark.integration, pytest.mark.long]

RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  objective: {metric: rating, attribution: {window: 3s, default: 0.25, repeated: last}}
  guardrails: [{metric: sample_ratio, severity: signal}]
  limits: {minWeight: 1000, maxStep: 10000}
  strategy: {type: bandit, interval: 200ms}
"""
DELAY_MS = 1_000


class Shop:
    """Publishes as many requests of each variant; those of v2 are rated after a second, first badly, then well."""

    def __init__(self, kafka: str) -> None:
        self._stop = threading.Event()
        self._telemetry = Telemetry(kafka, publisher="shop")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self.revision = (0, 0)
        """of the weights that route"""

    def _run(self) -> None:
        asked: list[tuple[int, str, RoutingKey]] = []
        while not self._stop.wait(0.02):
            now_ms = int(time.time() * 1000)
            for variant in ("v1", "v2"):
                key = RoutingKey("checkout", variant, "", *self.revision)
                self._telemetry.request(key, now_ms)
                asked.append((now_ms, f"{variant}-{now_ms}", key))
            while asked and asked[0][0] <= now_ms - DELAY_MS:
                started_ms, request, key = asked.pop(0)
                for value in (0.0, 1.0) if key.variant == "v2" else ():
                    self._telemetry.outcome(
                        key, "rating", value, time_ms=now_ms, started_ms=started_ms, request=request
                    )

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        assert self._telemetry.flush(60)
        assert self._telemetry.stats.invalid == 0
        self._telemetry.close()


def test_a_bandit_learns_of_requests_once_their_outcomes_are_in(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        file = rig.folder / "checkout.yaml"
        file.write_text(RELEASE)
        apply_file(file, kafka=rig.kafka, wait_s=120)
        first = rig.await_counted(0)
        shop = Shop(rig.kafka)
        shop.revision = (first.era, first.revision)
        try:
            eventually(lambda: _trials(rig.decision()) > 200, what="requests matured")
        finally:
            shop.stop()
        history = rig.decisions()
    unripe = [one for one in history if not _trials(one)]
    assert {one.weights["v2"] for one in unripe if one.seen.counted} <= set(range(4_000, 6_001)) | {0}
    last = history[-1]
    rewards = {arm.variant: arm.reward_sum / arm.trials for arm in last.arms}
    assert rewards == {"v1": 0.25, "v2": 1.0}
    assert last.weights["v2"] > 8_000
    assert all(arm.trials < arm.requests and arm.maturing > 0 and arm.outside == 0 for arm in last.arms)
    (ratio,) = [one for one in last.assessments if one.guardrail == "sample_ratio"]
    assert (ratio.verdict, ratio.samples) == (Verdict.INCONCLUSIVE, 0), "all weight was on v1 by that revision"


def _trials(decision: Decision | None) -> int:
    return min(arm.trials for arm in decision.arms) if decision else 0
