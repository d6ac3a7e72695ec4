"""What sidecars report reaches the decisions of their release."""

import time

import pytest
from redis import Redis

from conftest import Eventually
from integration.publisher import Publisher
from integration.worker_rig import WorkerRig
from trimtab.schemas import sidecar
from trimtab.schemas.decision import Decision
from trimtab.schemas.redis_keys import sidecar_key
from trimtab.schemas.sidecar import SidecarReport

pytestmark = pytest.mark.integration

WORDS = "sidecar edge-1 (envoy) refuses revision 9: no such cluster"


def newest(rig: WorkerRig) -> Decision:
    decision = rig.decision()
    assert decision is not None
    return decision


def report(rig: WorkerRig, refused: str) -> None:
    """Writes what a sidecar would, at the newest revision."""
    told = SidecarReport(
        sidecar="edge-1", proxy="envoy", release="checkout", in_force=newest(rig).id, offered=(newest(rig).era, 9),
        refused=refused, time_ms=time.time_ns() // 1_000_000,
    )  # fmt: skip
    with Redis.from_url(rig.redis) as client:
        client.set(sidecar_key("checkout", "edge-1"), sidecar.encode(told), ex=60)
        client.set(sidecar_key("checkout", "edge-2"), b"nonsense", ex=60)
        client.hset(sidecar_key("checkout", "edge-3"), "no", "text")


@pytest.mark.long
def test_weights_are_held_while_a_sidecar_tells_of_a_refusal(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        worker = rig.start_worker()
        rig.apply()
        publisher = Publisher(rig.kafka, seed=5)
        try:
            rig.await_counted(500)
            assert newest(rig).divergences == []
            report(rig, "no such cluster")
            eventually(lambda: newest(rig).divergences, what="a decision that knows of the refusal")
            held = newest(rig)
            assert [one.words for one in held.divergences] == [WORDS]
            eventually(lambda: newest(rig).rule == f"observed: weights are held, {WORDS}", what="a rule that says so")
            assert newest(rig).weights == held.weights
            report(rig, "")
            eventually(lambda: not newest(rig).divergences, what="a decision that goes on")
        finally:
            publisher.stop()
        assert "sidecars_diverge" in worker.output
        assert "sidecars_follow" in worker.output
