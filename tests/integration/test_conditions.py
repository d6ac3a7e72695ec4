"""Conditions of a release file reach the proxy, and give way to what is decided."""

import pytest

from conftest import Eventually
from integration.worker_rig import WorkerRig
from sidecar.rig import Rig
from trimtab.control.apply import apply_file
from trimtab.schemas.decision import Phase

pytestmark = [pytest.mark.integration, pytest.mark.long]

RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  route: {condition: host = shop.example}
  baseline: v1
  variants:
    - {name: v1, target: at-v1}
    - {name: v2, target: nobody, condition: has header X-Canary}
  guardrails: [{metric: error_rate, max: 0.05}]
  strategy: {type: canary, steps: [100], hold: 1h}
"""


def test_who_is_sent_to_a_variant_is_its_evidence_until_it_is_rolled_back(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        file = rig.folder / "checkout.yaml"
        file.write_text(RELEASE)
        apply_file(file, kafka=rig.kafka, wait_s=120)
        rig.await_counted(0)
        with Rig(redis=rig.redis, kafka=rig.kafka, variants=("v1",)) as proxy:
            proxy.start_sidecar()
            envoy = proxy.start_envoy()
            tester = {"Host": "shop.example", "X-Canary": "1"}

            def is_rolled_back() -> bool:
                proxy.ask(envoy, 20, **tester)
                decision = rig.decision()
                return decision is not None and decision.phase is Phase.ROLLED_BACK

            assert {answer.variant for answer in proxy.ask(envoy, 5, **tester)} == {"v2"}
            assert {(a.service, a.release) for a in proxy.ask(envoy, 5, **{"X-Canary": "1"})} == {("v1", "")}
            eventually(is_rolled_back, what="rolled back")
            eventually(lambda: proxy.ask(envoy, 1, **tester)[0].is_good, what="testers at the baseline")
            assert {answer.variant for answer in proxy.ask(envoy, 20, **tester)} == {"v1"}
