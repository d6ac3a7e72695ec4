"""Scaling in the life of a release: advice in decisions, and who acts first where a candidate is slow."""

import pytest

from engine.builders import Json, latency, outcome, release, request, response
from engine.evidence_rig import EvidenceRig, decisions
from trimtab.engine.ledger import Ledger
from trimtab.schemas.decision import Decision, Phase, ScaleChange, ScalingAdvice
from trimtab.schemas.telemetry import Event

CHAIN: Json = {"type": "toOne", "escalations": [
    {"type": "scaleInstances", "min": 1, "max": 3},
    {"type": "toAll", "escalations": [
        {"type": "scaleCpu", "min": 500, "max": 1_000, "step": 500},
        {"type": "scaleMemory", "min": 256, "max": 512, "step": 256, "target": "database"},
    ]},
]}  # fmt: skip
SCALING: Json = {
    "type": "responseTimeSlidingWindow", "upper": 300, "lower": 20, "window": "10s", "cooldown": "20s",
    "minSamples": 50, "escalation": CHAIN,
}  # fmt: skip
SLOW_MS, FAST_MS = 500.0, 50.0


def rig(*rails: Json, **more: object) -> EvidenceRig:
    made = EvidenceRig()
    made.apply(release(guardrails=rails, scaling={**SCALING, **more}, strategy={"type": "bandit", "interval": "1s"}))
    return made


def traffic(of: EvidenceRig, stable: tuple[int, float], canary: tuple[int, float], *more: Event) -> list[Decision]:
    """A second in which each variant answers so many requests in so many milliseconds."""
    before = decisions(of.wait(1_000))
    events: list[Event] = [*more]
    for name, (count, duration_ms) in (("stable", stable), ("canary", canary)):
        events += [request(name, of.now_ms)] * count
        events += [response(name, of.now_ms, duration_ms=duration_ms)] * count
    return [*before, *decisions(of.bring(*events))]


def instances(variant: str, count: int, of: EvidenceRig) -> Event:
    return outcome(variant, of.now_ms + 1_000, metric="scale.instances", value=float(count))


def advice_on(made: Decision, variant: str) -> ScalingAdvice:
    return next(one for one in made.scaling if one.variant == variant)


def test_slow_variants_are_advised_to_grow_by_the_chain_and_then_to_shrink_from_its_tail() -> None:
    running, seen = rig(cooldown="1s"), []
    for seconds, duration_ms in ((6, SLOW_MS), (40, 5.0)):
        for _ in range(seconds):
            seen += traffic(running, (100, duration_ms), (100, duration_ms))
    told = [(one.action, [str(change.after) for change in one.changes]) for made in seen
            for one in made.scaling if one.variant == "stable" and one.changes]  # fmt: skip
    steps = [one for at, one in enumerate(told) if at == 0 or one != told[at - 1]]
    assert steps == [
        ("escalate", ["2"]), ("escalate", ["3"]), ("escalate", ["1000", "512"]),
        ("de_escalate", ["500", "256"]), ("de_escalate", ["2"]), ("de_escalate", ["1"]),
    ]  # fmt: skip


def test_an_advice_is_a_decision_of_its_own_and_moves_no_weight() -> None:
    running = rig()
    running.command("pause")
    made = [one for _ in range(3) for one in traffic(running, (100, SLOW_MS), (100, SLOW_MS))]
    advised = [one for one in made if one.rule.startswith("scaling: ")]
    assert len(advised) == 1
    assert advised[0].rule.startswith("scaling: stable escalate, mean response time 500 ms over 10s is over 300 ms")
    assert advised[0].weights == {"stable": 10_000, "canary": 0}
    assert advice_on(advised[0], "canary").changes == [ScaleChange("instances", 1, 2)]


def test_a_release_without_scaling_says_nothing_of_it() -> None:
    running = EvidenceRig()
    running.apply(release())
    assert all(not made.scaling for _ in range(3) for made in traffic(running, (100, SLOW_MS), (100, SLOW_MS)))


def test_what_services_tell_of_their_size_counts() -> None:
    running = rig()
    traffic(running, (100, FAST_MS), (100, FAST_MS), instances("canary", 2, running))
    made = [one for _ in range(8) for one in traffic(running, (100, SLOW_MS), (100, SLOW_MS))]
    assert ScaleChange("instances", 2, 3) in [change for one in made for change in advice_on(one, "canary").changes]
    assert advice_on(made[-1], "stable").changes == [ScaleChange("instances", 1, 2)]


def test_a_candidate_slower_under_like_load_is_rolled_back_before_anything_is_scaled() -> None:
    running = rig()
    made = [one for _ in range(10) for one in traffic(running, (100, FAST_MS), (100, SLOW_MS))]
    assert (made[-1].phase, made[-1].weights["canary"]) == (Phase.ROLLED_BACK, 0)
    assert "scaling: mean response time" in made[-1].arms[1].excluded
    assert "the candidate alone is slow at like load" in made[-1].arms[1].excluded
    assert all(not one.changes for decision in made for one in decision.scaling)


def test_where_both_are_slow_more_is_advised_before_a_latency_guardrail_aborts() -> None:
    running = rig(latency(300, "p50", window="10s"))
    made = [one for _ in range(15) for one in traffic(running, (100, SLOW_MS), (100, SLOW_MS))]
    assert {one.phase for one in made} == {Phase.PROGRESSING}
    assert advice_on(made[-1], "canary").action == "escalate"
    for _ in range(30):
        made += traffic(running, (100, FAST_MS), (100, FAST_MS))
    assert made[-1].phase is Phase.PROGRESSING
    assert made[-1].arms[1].excluded == ""


def test_a_candidate_that_lacks_instances_is_given_more_before_a_latency_guardrail_aborts() -> None:
    """It has three times the requests an instance; once it has as many instances it is as fast as the baseline."""
    running = rig(latency(300, "p50", window="10s"))
    made = [one for _ in range(4) for one in traffic(running, (100, FAST_MS), (300, SLOW_MS))]
    granted = [one.rule for one in made if "before latency_p50_ms over 10s does abort" in one.rule]
    assert len(granted) == 1
    assert granted[0].startswith("scaling: canary escalate before")
    assert "requests an instance" in granted[0]
    assert granted[0].endswith("instances 1 -> 2")
    assert made[-1].phase is Phase.PROGRESSING
    for _ in range(40):
        made += traffic(running, (100, FAST_MS), (300, FAST_MS))
    assert made[-1].phase is Phase.PROGRESSING
    assert len({one.weights["canary"] for one in made}) > 1


def test_a_latency_guardrail_aborts_where_instances_did_not_help() -> None:
    running = rig(latency(300, "p50", window="10s"), cooldown="5s")
    made = []
    for second in range(60):
        told = instances("canary", 3, running) if second > 3 else instances("canary", 1, running)
        made += traffic(running, (100, FAST_MS), (300, SLOW_MS), told, instances("stable", 1, running))
    assert made[-1].phase is Phase.ROLLED_BACK


def test_a_latency_guardrail_aborts_where_nothing_can_be_added() -> None:
    running = rig(latency(300, "p50", window="10s"), escalation={"type": "scaleInstances", "min": 1, "max": 1})
    made = [one for _ in range(5) for one in traffic(running, (100, FAST_MS), (300, SLOW_MS))]
    assert made[-1].phase is Phase.ROLLED_BACK
    assert made[-1].arms[1].excluded.startswith("latency_p50_ms over 10s is 495.3 against max 300")


def test_other_guardrails_do_not_wait_for_an_advice() -> None:
    running = rig({"metric": "error_rate", "max": 0.05}, latency(300, "p50"))
    for _ in range(5):
        running.wait(1_000)
        running.bring(
            *[request("stable", running.now_ms)] * 100, *[response("stable", running.now_ms, duration_ms=50)] * 100,
            *[request("canary", running.now_ms)] * 300,
            *[response("canary", running.now_ms, duration_ms=500, status=500)] * 300,
        )  # fmt: skip
    newest = decisions(running.replay())[-1]
    assert newest.phase is Phase.ROLLED_BACK
    assert newest.arms[1].excluded.startswith("error_rate")


@pytest.mark.parametrize("cut", [2, 5, 12, 25])
def test_scaling_goes_on_after_a_restart(cut: int) -> None:
    running = rig(latency(300, "p50", window="10s"))
    for second in range(45):
        if second == cut:
            taken = [fold.snapshot() for fold in running.ledger.releases.values()]
            running.ledger = Ledger.restore([running.ledger.snapshot()], [[one] for one in taken])
        slow = SLOW_MS if second < 8 else FAST_MS
        traffic(running, (100, FAST_MS), (300, slow))
    fresh = Ledger()
    for offset, (at_ms, record) in enumerate(running.log):
        fresh.advance(offset, at_ms, record)
    assert fresh.releases["checkout"].snapshot() == running.ledger.releases["checkout"].snapshot()


def test_the_size_of_variants_outlives_another_spec() -> None:
    running = rig()
    for _ in range(3):
        traffic(running, (100, SLOW_MS), (100, SLOW_MS))
    other = release(scaling={**SCALING, "upper": 301}, strategy={"type": "bandit"})
    running.apply(other)
    for _ in range(25):
        made = traffic(running, (100, SLOW_MS), (100, SLOW_MS))
    assert advice_on(made[-1], "stable").changes == [ScaleChange("instances", 2, 3)]
