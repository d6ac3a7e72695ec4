"""A real worker stands behind the weights of a release at rest, and not while it has lost Kafka."""

import pytest

from conftest import Eventually
from integration.worker_rig import WorkerRig
from trimtab.client import Weights
from trimtab.schemas.stale_weights import VOUCHED_EVERY_S

pytestmark = [pytest.mark.integration, pytest.mark.proxies]


def test_weights_are_vouched_for_while_a_worker_follows_the_evidence(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        with Weights(rig.redis, ["checkout"]) as weights:
            held = weights.wait("checkout", 60)
            eventually(lambda: weights.stats.vouched >= 2, what="its word, twice")
            assert weights.get("checkout") == held

            rig.broker.down()
            eventually(lambda: "kafka_unreachable" in worker.output, what="Kafka missed")
            known = weights.stats.vouched
            eventually(lambda: (weights.age_s("checkout") or 0.0) > 1.5 * VOUCHED_EVERY_S, what="silence")
            assert weights.stats.vouched <= known + 1  # the one that may have been on its way
            assert weights.connected

            rig.broker.up()
            if not worker.is_running:
                rig.start_worker()
            known = weights.stats.vouched
            eventually(lambda: weights.stats.vouched > known, what="its word again")
