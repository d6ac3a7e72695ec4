"""Another spec for a release that lives: it starts anew, and nothing is counted twice."""

from engine.builders import error_rate, outcome, release, response
from engine.evidence_rig import EvidenceRig, decision, decisions
from engine.simulation import Service, Simulation
from trimtab.schemas.decision import Phase

GOOD, FAULTY = Service(error_ratio=0.005), Service(error_ratio=0.3)
GUARDED = release(guardrails=[error_rate(0.05, window="5m")])


def test_the_same_spec_changes_nothing() -> None:
    running = EvidenceRig()
    running.apply(GUARDED)
    assert decisions(running.apply(GUARDED)) == []


def test_another_spec_keeps_the_weights_and_gives_excluded_variants_another_chance() -> None:
    services = {"stable": GOOD, "canary": FAULTY}
    running = Simulation(GUARDED, services)
    *_, rolled_back = running.run(20)
    services["canary"] = GOOD
    running.apply(release(guardrails=[error_rate(0.06, window="5m")]))
    applied = running.newest
    *_, last = running.run(20)
    assert [made.phase for made in (rolled_back, applied, last)] == ["rolled_back", "progressing", "progressing"]
    assert applied.weights == {"stable": 10_000, "canary": 0}
    assert last.weights["canary"] >= 100
    assert not running.newest.arms[1].excluded


def test_guardrails_of_another_spec_look_only_at_what_came_after_it() -> None:
    running = EvidenceRig()
    running.apply(release())
    running.bring(*[response(status=500)] * 400)
    running.now_ms += 1_000
    made = decision(running.apply(GUARDED))
    running.bring(*[response(time_ms=running.now_ms)] * 30)
    (verdict,) = [each for each in decision(running.command("pause")).assessments if each.variant == "canary"]
    assert made.phase is Phase.PROGRESSING
    assert (verdict.n, verdict.breaches) == (30, 0)


def test_the_objective_of_another_spec_starts_from_nothing_and_counts_each_event_once() -> None:
    running = EvidenceRig()
    running.apply(release(objective={"metric": "converted"}))
    running.bring(outcome(value=1.0), outcome(value=0.5))
    running.apply(release(objective={"metric": "converted"}, limits={"maxStep": 7}))
    running.bring(outcome(value=0.25))
    canary = decision(running.command("pause")).arms[1]
    assert (canary.trials, canary.reward_sum, canary.alpha, canary.beta) == (1, 0.25, 1.25, 1.75)


def test_totals_go_on_over_a_change_of_spec() -> None:
    running = EvidenceRig()
    running.apply(release())
    running.bring(response(), response(status=500))
    running.apply(GUARDED)
    running.bring(response())
    made = decision(running.command("pause"))
    assert (made.arms[1].responses, made.arms[1].errors, made.seen.counted) == (3, 1, 3)
    assert (made.arms[1].trials, made.arms[1].reward_sum) == (1, 1.0)


def test_a_variant_that_leaves_gives_its_weight_to_the_baseline() -> None:
    running = Simulation(
        release(variants=("stable", "canary", "newer")), {"stable": GOOD, "canary": GOOD, "newer": GOOD}
    )
    running.run(10)
    kept = running.newest.weights["newer"]
    running.apply(release(variants=("stable", "newer")))
    assert running.newest.weights == {"stable": 10_000 - kept, "newer": kept}


def test_a_canary_can_follow_a_bandit_from_where_it_stands() -> None:
    running = Simulation(release(), {"stable": FAULTY, "canary": GOOD})
    running.run(20)
    assert running.newest.weights["canary"] == 9_900
    running.apply(release(strategy={"type": "canary", "steps": [500, 5_000], "hold": "2s"}))
    made = list(running.run(30))
    assert [decision.weights["canary"] for decision in made][:6] == [7_900, 5_900, 3_900, 1_900, 500, 500]
    assert running.newest.phase is Phase.PROMOTED


def test_a_canary_that_stands_on_its_first_step_when_applied_holds_it_from_then_on() -> None:
    strategy = {"type": "canary", "steps": [500, 5_000], "hold": "3s"}
    running = Simulation(release(strategy=strategy), {"stable": GOOD, "canary": GOOD})
    running.run(2)
    assert running.newest.weights["canary"] == 500
    running.apply(release(strategy=strategy, limits={"maxStep": 4_500}))
    applied_ms = running.newest.time_ms
    first = next(made for made in running.run(20) if made.weights["canary"] == 5_000)
    assert 3_000 <= first.time_ms - applied_ms <= 4_100


def test_a_lower_cap_is_reached_by_steps() -> None:
    running = Simulation(release(), {"stable": FAULTY, "canary": GOOD})
    running.run(20)
    running.apply(release(limits={"maxWeight": 3_000, "maxStep": 1_000}))
    shares = [made.weights["canary"] for made in running.run(10)]
    assert shares[:8] == [8_900, 7_900, 6_900, 5_900, 4_900, 3_900, 3_000, 3_000]
