"""The canary on simulated traffic, from its first step to its end."""

import re
from itertools import pairwise

import pytest

from engine.builders import error_rate, latency, release, request, response
from engine.evidence_rig import EvidenceRig, decision, decisions
from engine.simulation import Service, Simulation
from trimtab.schemas.decision import Phase
from trimtab.schemas.release import Release

STEPS = {"type": "canary", "steps": [500, 2_500, 5_000], "hold": "5s"}
RAILS = (error_rate(0.05), latency(100))
GOOD, FAULTY, SLOW = Service(error_ratio=0.005), Service(error_ratio=0.25), Service(median_ms=150)


def canary(*variants: str, **more: object) -> Release:
    return release(variants=("stable", *(variants or ("canary",))), strategy=STEPS, guardrails=RAILS, **more)  # type: ignore[arg-type]  # fields of a release


def test_a_good_candidate_goes_through_every_step_and_is_promoted() -> None:
    world = Simulation(canary(), {"stable": GOOD, "canary": GOOD})
    made = [world.decisions[0], *world.run(40)]
    shares = [decision.weights["canary"] for decision in made]
    assert shares == sorted(shares)
    assert {0, 500, 2_500, 5_000, 10_000} <= set(shares)
    assert world.newest.phase is Phase.PROMOTED


def test_each_step_lasts_at_least_its_hold() -> None:
    world = Simulation(canary(), {"stable": GOOD, "canary": GOOD})
    made = [world.decisions[0], *world.run(40)]
    for share in (500, 2_500, 5_000):
        at_ms = [decision.time_ms for decision in made if decision.weights["canary"] == share]
        left_ms = min(decision.time_ms for decision in made if decision.weights["canary"] > share)
        assert left_ms - at_ms[0] >= 5_000


def test_a_faulty_candidate_is_rolled_back_within_a_few_dozen_responses() -> None:
    for seed in range(5):
        world = Simulation(canary(), {"stable": GOOD, "canary": FAULTY}, seed=seed)
        world.run(30)
        assert world.newest.phase is Phase.ROLLED_BACK
        assert world.newest.weights == {"stable": 10_000, "canary": 0}
        assert world.sent["canary"] <= 120
        assert world.newest.arms[1].excluded.startswith("error_rate over 10s is ")


def test_a_slow_candidate_is_rolled_back_on_latency_alone() -> None:
    world = Simulation(canary(), {"stable": GOOD, "canary": SLOW})
    world.run(30)
    assert world.newest.phase is Phase.ROLLED_BACK
    assert world.newest.arms[1].excluded.startswith("latency_p99_ms over 10s is ")


def test_of_two_candidates_the_broken_one_is_excluded_and_the_other_promoted() -> None:
    world = Simulation(canary("broken", "fine"), {"stable": GOOD, "broken": FAULTY, "fine": GOOD})
    made = list(world.run(60))
    after = [decision for decision in made if decision.arms[1].excluded]
    assert all(decision.weights["broken"] == 0 for decision in after)
    assert world.newest.phase is Phase.PROMOTED
    assert world.newest.weights == {"stable": 0, "broken": 0, "fine": 10_000}


def test_a_step_that_caps_put_out_of_reach_after_an_exclusion_can_still_be_passed() -> None:
    capped = canary("broken", "fine", limits={"maxWeight": 2_600})
    world = Simulation(capped, {"stable": GOOD, "broken": FAULTY, "fine": GOOD})
    made = list(world.run(60))
    on_steps = [decision.weights["fine"] for decision in made if decision.rule.startswith("canary step 3 of 3")]
    assert max(on_steps) == 2_600
    assert world.newest.weights == {"stable": 0, "broken": 0, "fine": 10_000}


def test_when_all_candidates_break_the_release_is_rolled_back() -> None:
    world = Simulation(canary("broken", "worse"), {"stable": GOOD, "broken": FAULTY, "worse": FAULTY})
    world.run(60)
    assert world.newest.phase is Phase.ROLLED_BACK
    assert world.newest.weights["stable"] == 10_000


def test_a_candidate_that_breaks_only_later_is_rolled_back_from_where_it_stands() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    world = Simulation(canary(), services)
    world.run(9)
    assert world.newest.weights["canary"] == 2_500
    services["canary"] = FAULTY
    world.run(5)
    assert world.newest.phase is Phase.ROLLED_BACK


def test_a_baseline_that_is_surely_better_stays() -> None:
    better = release(strategy=STEPS)
    world = Simulation(better, {"stable": Service(error_ratio=0.001), "canary": Service(error_ratio=0.04)})
    world.run(60)
    assert world.newest.phase is Phase.ROLLED_BACK
    rules = [decision.rule for decision in world.decisions]
    assert any(rule.startswith("canary: stable is best with probability") for rule in rules)


def test_a_candidate_that_never_fails_is_promoted_however_little_traffic_it_had() -> None:
    small = release(strategy={**STEPS, "steps": [200]})
    world = Simulation(small, {"stable": Service(error_ratio=0.0), "canary": Service(error_ratio=0.0)})
    world.run(60)
    assert world.newest.phase is Phase.PROMOTED


def test_the_better_of_two_candidates_is_promoted() -> None:
    choice = release(variants=("stable", "good", "better"), strategy=STEPS, objective={"metric": "converted"})
    services = {"stable": Service(conversion=0.1), "good": Service(conversion=0.12), "better": Service(conversion=0.3)}
    world = Simulation(choice, services)
    world.run(60)
    assert world.newest.weights == {"stable": 0, "good": 0, "better": 10_000}


def test_without_guardrails_a_step_still_waits_for_responses() -> None:
    world = Simulation(release(strategy=STEPS), {"stable": GOOD, "canary": GOOD}, rps=10)
    world.run(30)
    assert world.newest.weights["canary"] == 500
    assert "responses in it, waits for 20" in world.newest.rule


def test_no_traffic_moves_nothing() -> None:
    world = Simulation(canary(), {"stable": GOOD, "canary": GOOD})
    world.run(3)
    weights = world.newest.weights
    assert list(world.run(60, rps=0)) == []
    assert world.newest.weights == weights


def test_too_few_samples_hold_a_canary_where_it_is() -> None:
    strict = release(strategy=STEPS, guardrails=[error_rate(0.05, min_samples=10_000)])
    world = Simulation(strict, {"stable": GOOD, "canary": GOOD})
    world.run(40)
    assert world.newest.weights["canary"] == 500
    assert world.newest.rule.endswith("error_rate over 10s of canary is inconclusive")


def test_requests_that_never_end_pass_no_gate() -> None:
    running = EvidenceRig()
    running.apply(canary())
    for _ in range(30):
        running.now_ms += 1_000
        running.bring(*[request("canary", running.now_ms)] * 50, *[response("stable", running.now_ms)] * 50)
    made = decision(running.command("pause"))
    assert made.weights["canary"] == 500
    assert (made.arms[1].in_flight, made.arms[1].probability_best > 0) == (1_500, True)
    assert {verdict.verdict for verdict in made.assessments if verdict.variant == "canary"} == {"inconclusive"}


def test_no_step_is_passed_on_anything_but_a_pass() -> None:
    passed = 0
    for seed in range(4):
        borderline = Service(error_ratio=0.05)
        world = Simulation(canary(), {"stable": GOOD, "canary": borderline}, seed=seed)
        for made in world.run(40):
            if re.fullmatch(r"canary: step \d of 3 passed", made.rule):
                passed += 1
                assert {verdict.verdict for verdict in made.assessments if verdict.variant == "canary"} == {"pass"}
    assert passed


def test_a_promotion_moves_by_the_step_limit() -> None:
    slow = canary(limits={"maxStep": 300})
    world = Simulation(slow, {"stable": GOOD, "canary": GOOD})
    made = [world.decisions[0], *world.run(90)]
    moves = [after.weights["canary"] - before.weights["canary"] for before, after in pairwise(made)]
    assert max(moves) == 300
    assert world.newest.phase is Phase.PROMOTED


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_release_is_never_rolled_back_in_ten_minutes(seed: int) -> None:
    held = release(
        strategy={"type": "canary", "steps": [1_000], "hold": "1h"}, guardrails=[error_rate(0.04), latency(60)]
    )
    world = Simulation(held, {"stable": Service(error_ratio=0.02), "canary": Service(error_ratio=0.02)}, seed=seed)
    world.run(600)
    assert (world.newest.phase, world.newest.weights["canary"]) == (Phase.PROGRESSING, 1_000)


@pytest.mark.parametrize(
    ("releases", "hold", "every_s"), [(1, "1h", 1), (50, "1h", 11), (300, "1h", 20), (300, "10s", 1), (300, "1m", 3)]
)
def test_canaries_among_many_look_at_their_gates_less_often_but_often_within_a_hold(
    releases: int, hold: str, every_s: int
) -> None:
    rig, never_sure = EvidenceRig(), error_rate(min_samples=100_000)
    for number in range(releases):
        strategy = {"type": "canary", "steps": [1000], "hold": hold}
        rig.apply(release(f"r{number}", strategy=strategy, guardrails=[never_sure]))
    looks_s = []
    for second in range(100):
        rig.now_ms += 1_000
        if decisions(rig.bring(response("canary", rig.now_ms, of="r0"))):
            looks_s.append(second)
    assert {later - earlier for earlier, later in pairwise(looks_s[1:])} == {every_s}


def test_a_manual_canary_waits_for_a_person_at_each_step() -> None:
    manual = release(strategy={**STEPS, "advance": "manual"}, guardrails=RAILS)
    world = Simulation(manual, {"stable": GOOD, "canary": GOOD})
    for step in range(3):
        world.run(20)
        assert (world.newest.step, world.newest.phase) == (step, Phase.PROGRESSING)
        assert world.newest.rule == f"canary step {step + 1} of 3: ready, waits for a person to promote it"
        world.command("promote", full=False)
    world.run(10)
    assert world.newest.phase is Phase.PROMOTED


def test_a_canary_by_time_goes_on_although_a_guardrail_is_inconclusive() -> None:
    patient = [error_rate(0.05, minSamples=100_000)]
    shares = {}
    for advance in ("evidence", "time"):
        rollout = release(strategy={**STEPS, "advance": advance}, guardrails=patient)
        world = Simulation(rollout, {"stable": GOOD, "canary": GOOD})
        world.run(40)
        shares[advance] = world.newest.weights["canary"]
    assert shares == {"evidence": 500, "time": 10_000}


def test_a_canary_by_time_waits_where_there_is_no_traffic() -> None:
    by_time = release(strategy={**STEPS, "advance": "time"}, guardrails=RAILS)
    world = Simulation(by_time, {"stable": GOOD, "canary": GOOD})
    world.run(3, rps=50)
    world.run(60, rps=0.5)
    assert world.newest.step == 0
