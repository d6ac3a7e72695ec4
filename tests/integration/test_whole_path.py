"""From a real request through a real Envoy to the weights that it caused, and back into the proxy."""

from itertools import pairwise

import pytest

from conftest import Eventually
from integration.worker_rig import WorkerRig
from sidecar.rig import Rig
from sidecar.world import Visit
from trimtab.control.apply import apply_file
from trimtab.schemas.decision import Phase

pytestmark = pytest.mark.integration

RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  baseline: v1
  variants:
    - {name: v1, target: at-v1}
    - {name: v2, target: SECOND}
  guardrails: [{metric: error_rate, max: 0.05}]
  strategy: STRATEGY
"""
SHADOW = "{type: shadow, duration: 1s, minResponses: 100}"


def run_release(second: str, hold: str, rig: WorkerRig) -> None:
    run_strategy(second, f"{{type: canary, steps: [2000], hold: {hold}}}", rig)


def run_strategy(second: str, strategy: str, rig: WorkerRig) -> None:
    file = rig.folder / "checkout.yaml"
    file.write_text(RELEASE.replace("SECOND", second).replace("STRATEGY", strategy))
    apply_file(file, kafka=rig.kafka, wait_s=120)
    rig.await_counted(0)


def phase_of(rig: WorkerRig) -> Phase | None:
    decision = rig.decision()
    return decision.phase if decision else None


def newest_variants(visit: Visit) -> set[str]:
    return {answer.variant for answer in visit.answers[-40:]}


def test_a_variant_that_fails_is_rolled_back_and_no_request_reaches_it_any_more(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        run_release("nobody", "60s", rig)
        with Rig(redis=rig.redis, kafka=rig.kafka, variants=("v1",)) as proxy:
            proxy.start_sidecar()
            envoy = proxy.start_envoy()
            with proxy.world.visit(envoy.port) as visit:
                eventually(lambda: phase_of(rig) is Phase.ROLLED_BACK, what="rolled back")
                rolled_back = len(visit.answers)
                eventually(lambda: len(visit.answers) > rolled_back + 100, what="more answers")
                eventually(lambda: newest_variants(visit) == {"v1"}, what="all answers from v1")
            failed = [answer for answer in visit.answers if not answer.is_good]
            assert {answer.variant for answer in failed} == {"v2"}
            assert 20 <= len(failed) < 1_000  # in the minute that the step holds there would be thousands
            counted_once(rig, len(visit.answers))


def counted_once(rig: WorkerRig, answers: int) -> None:
    """Every request that a visitor sent is counted, as one request and one response."""
    decision = rig.await_counted(2 * answers)
    assert decision.seen.counted == 2 * answers
    assert sum(arm.requests for arm in decision.arms) == answers
    assert sum(arm.responses for arm in decision.arms) == answers
    (second,) = (arm for arm in decision.arms if arm.variant == "v2")
    assert second.errors == second.responses
    assert "error_rate over 10s" in second.excluded


@pytest.mark.long
def test_a_variant_that_does_well_is_promoted(eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        run_release("at-v2", "1s", rig)
        with Rig(redis=rig.redis, kafka=rig.kafka) as proxy:
            proxy.start_sidecar()
            envoy = proxy.start_envoy()
            with proxy.world.visit(envoy.port) as visit:
                eventually(lambda: phase_of(rig) is Phase.PROMOTED, what="promoted")
                eventually(lambda: newest_variants(visit) == {"v2"}, what="all answers from v2")
            assert [answer for answer in visit.answers if not answer.is_good] == []
            steps = [decision.weights["v2"] for decision in rig.decisions()]
            assert steps == sorted(steps)
            assert max(b - a for a, b in pairwise(steps)) <= 2_000


@pytest.mark.long
@pytest.mark.parametrize(("second", "phase"), [("at-v2", Phase.COMPLETED), ("nobody", Phase.ROLLED_BACK)])
def test_a_shadow_answers_copies_alone_until_it_is_known(second: str, phase: Phase, eventually: Eventually) -> None:
    with WorkerRig() as rig:
        rig.start_worker()
        run_strategy(second, SHADOW, rig)
        with Rig(redis=rig.redis, kafka=rig.kafka) as proxy:
            proxy.start_sidecar()
            envoy = proxy.start_envoy()
            with proxy.world.visit(envoy.port) as visit:
                eventually(lambda: phase_of(rig) is phase, what=str(phase))
            assert {(answer.is_good, answer.variant) for answer in visit.answers} == {(True, "v1")}
            decision = rig.decision()
            assert decision is not None
            seen = {arm.variant: (arm.responses, arm.errors) for arm in decision.arms}
            assert seen["v2"][0] >= 20
            assert seen["v2"][1] == (seen["v2"][0] if second == "nobody" else 0)
            assert seen["v1"][1] == 0
