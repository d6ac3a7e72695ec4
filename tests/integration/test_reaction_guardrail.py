"""How fast a worker reacts reaches the decisions of a release that asks for it, and holds its weights."""

import pytest

from integration.publisher import Publisher
from integration.worker_rig import WorkerRig
from trimtab.schemas.decision import Verdict

pytestmark = pytest.mark.integration


@pytest.mark.long
def test_weights_are_held_by_a_bound_that_nobody_can_keep() -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        rig.apply(more="guardrails: [{metric: reaction_time, max: 1, minSamples: 3}]")
        publisher = Publisher(rig.kafka, seed=5)
        try:
            held = rig.await_rule("guardrail: weights are held, v2: reaction_time over 1m has ")
        finally:
            publisher.stop()
    (said,) = held.assessments
    assert (said.verdict, said.variant, said.limit) == (Verdict.FAIL, "v2", 1)
    assert said.n >= 3
    assert said.value is not None
    assert 1 < said.value < 60_000
