"""Shadow releases on simulated traffic: copies tell, the baseline serves."""

from engine.builders import error_rate, latency, release
from engine.simulation import Service, Simulation
from trimtab.engine.policy.admission import refusal_of_policy
from trimtab.engine.policy.build import NO_FACTORIES
from trimtab.engine.release import ReleaseFold
from trimtab.schemas.decision import Phase
from trimtab.schemas.release import Release

GOOD, FAULTY = Service(error_ratio=0.002), Service(error_ratio=0.25)


def shadow(*candidates: str, **more: object) -> Release:
    strategy = {"type": "shadow", "duration": "10s", "mirror": 2_000, **more}
    variants = ("live", *(candidates or ("shadow",)))
    return release(variants=variants, strategy=strategy, guardrails=[error_rate(0.05), latency(100)])


def test_it_ends_when_every_candidate_was_seen_for_long_enough_and_moves_no_traffic() -> None:
    world = Simulation(shadow(), {"live": GOOD, "shadow": GOOD}, copies={"shadow": 40})
    made = [world.decisions[0], *world.run(30)]
    assert {decision.weights["live"] for decision in made} == {10_000}
    assert world.newest.phase is Phase.COMPLETED
    assert next(one for one in made if one.phase is Phase.COMPLETED).rule == "shadow: shadow passed"


def test_candidates_get_copies_for_as_long_as_they_are_in_the_running() -> None:
    world = Simulation(
        shadow("good", "bad"), {"live": GOOD, "good": GOOD, "bad": FAULTY}, copies={"good": 40, "bad": 40}
    )
    fold = world.ledger.releases["checkout"]
    assert fold.weights_record(world.newest).mirror == {"good": 2_000, "bad": 2_000}
    world.run(5)
    assert fold.weights_record(world.newest).mirror == {"good": 2_000}
    world.run(30)
    assert world.newest.phase is Phase.COMPLETED
    assert fold.weights_record(world.newest).mirror == {}


def test_a_faulty_candidate_is_rolled_back() -> None:
    world = Simulation(shadow(), {"live": GOOD, "shadow": FAULTY}, copies={"shadow": 40})
    world.run(10)
    assert (world.newest.phase, world.newest.weights["live"]) == (Phase.ROLLED_BACK, 10_000)


def test_too_few_copies_are_waited_for() -> None:
    world = Simulation(shadow(minResponses=1_000), {"live": GOOD, "shadow": GOOD}, copies={"shadow": 20})
    world.run(20)
    assert world.newest.phase is Phase.PROGRESSING
    assert world.newest.rule.startswith("shadow: shadow has had ")


def test_a_person_may_end_it() -> None:
    world = Simulation(shadow(duration="1h"), {"live": GOOD, "shadow": GOOD}, copies={"shadow": 40})
    world.run(2)
    world.command("promote", full=False)
    assert world.newest.phase is Phase.COMPLETED


def test_its_time_begins_when_all_traffic_is_back_on_the_baseline() -> None:
    canary = release(variants=("live", "shadow"), strategy={"type": "canary", "steps": [9_000], "hold": "10m"})
    world = Simulation(canary, {"live": GOOD, "shadow": GOOD}, copies={"shadow": 40})
    world.run(8)
    assert world.newest.weights["shadow"] == 9_000
    world.apply(shadow())
    made = list(world.run(30))
    back = next(one.time_ms for one in made if one.weights["live"] == 10_000)
    over = next(one.time_ms for one in made if one.phase is Phase.COMPLETED)
    assert over - back >= 10_000


CANARY = {"type": "canary", "steps": [2_000, 5_000], "hold": "5s"}


def test_what_has_passed_goes_on_by_itself_with_what_its_file_says() -> None:
    world = Simulation(
        shadow("good", "bad", then=CANARY), {"live": GOOD, "good": GOOD, "bad": FAULTY}, copies={"good": 40, "bad": 40}
    )
    made = list(world.run(60))
    turn = next(one for one in made if one.strategy == "canary")
    assert (turn.rule, turn.phase) == ("shadow: good passed, goes on as canary", Phase.PROGRESSING)
    assert {one.weights["live"] for one in made if one.revision <= turn.revision} == {10_000}
    fold = world.ledger.releases["checkout"]
    assert fold.weights_record(turn).mirror == {}
    shares = {(one.weights["good"], one.weights["bad"]) for one in made if one.revision > turn.revision}
    assert {(2_000, 0), (5_000, 0), (10_000, 0)} <= shares  # what was excluded stays out
    assert (world.newest.phase, world.newest.weights["good"]) == (Phase.PROMOTED, 10_000)


def test_answers_that_differ_from_the_live_ones_are_let_no_further() -> None:
    """The outcome stands for `agreement`, which tells of copies alone: hence the guardrail of lesser severity."""
    agreement = {"metric": "outcome", "name": "converted", "min": 0.9, "severity": "ordinary"}
    file = release(
        variants=("live", "same", "other"), guardrails=[error_rate(0.05), agreement],
        strategy={"type": "shadow", "duration": "20s", "then": CANARY},
    )  # fmt: skip
    same, other = Service(conversion=0.98), Service(conversion=0.5)
    world = Simulation(file, {"live": GOOD, "same": same, "other": other}, copies={"same": 100, "other": 100})
    turn = next(one for one in world.run(40) if one.strategy == "canary")
    assert turn.rule == "shadow: same passed, goes on as canary"
    (gone,) = [arm.excluded for arm in turn.arms if arm.excluded]
    assert gone.startswith("outcome converted over ")


def test_a_candidate_that_fails_as_a_copy_never_goes_on() -> None:
    world = Simulation(shadow(then=CANARY), {"live": GOOD, "shadow": FAULTY}, copies={"shadow": 40})
    made = list(world.run(30))
    assert {one.strategy for one in made} == {"shadow"}
    assert world.newest.phase is Phase.ROLLED_BACK


def test_the_same_file_changes_nothing_after_the_turn_and_a_retry_begins_with_the_shadow() -> None:
    file = shadow(then={**CANARY, "hold": "10m"})
    world = Simulation(file, {"live": GOOD, "shadow": GOOD}, copies={"shadow": 40})
    world.run(20)
    assert (world.newest.strategy, world.newest.weights["shadow"]) == ("canary", 2_000)
    world.apply(file)
    world.run(2)
    assert (world.newest.strategy, world.newest.weights["shadow"]) == ("canary", 2_000)
    world.command("retry")
    assert world.newest.strategy == "shadow"


def test_a_person_may_let_it_go_on_sooner() -> None:
    world = Simulation(shadow(duration="1h", then=CANARY), {"live": GOOD, "shadow": GOOD}, copies={"shadow": 40})
    world.run(2)
    world.command("promote", full=False)
    assert world.newest.strategy == "canary"
    assert world.newest.rule.endswith(", goes on as canary")


def test_the_turn_outlives_a_snapshot() -> None:
    world = Simulation(shadow(then=CANARY), {"live": GOOD, "shadow": GOOD}, copies={"shadow": 40})
    world.run(14)
    fold = world.ledger.releases["checkout"]
    assert world.newest.strategy == "canary"
    again = ReleaseFold.restore(fold.snapshot())
    assert (again.document, again.snapshot()) == (fold.document, fold.snapshot())
    assert again.weights_record(world.newest) == fold.weights_record(world.newest)


def test_what_the_copies_have_shown_is_the_prior_of_what_comes_after() -> None:
    file = release(
        variants=("live", "shadow"), guardrails=[error_rate(0.05)], objective={"prior": {"from": "shadow"}},
        strategy={"type": "shadow", "duration": "10s", "then": CANARY},
    )  # fmt: skip
    world = Simulation(file, {"live": GOOD, "shadow": GOOD}, copies={"shadow": 40})
    turn = next(one for one in world.run(20) if one.strategy == "canary")
    assert any(reason.startswith("prior: from the shadow phase, live ") for reason in turn.reasons)
    assert {arm.variant: (arm.trials, arm.prior_trials) for arm in turn.arms} == {"live": (0, 200), "shadow": (0, 200)}


def test_a_policy_that_cannot_be_made_later_is_refused_at_once() -> None:
    policy = {"type": "entryPoint", "name": "nobody-has-it"}
    file = shadow(then={"type": "bandit", "policy": policy})
    assert refusal_of_policy(file.spec, NO_FACTORIES).startswith("strategy.then.policy: ")
