"""Shadow releases on simulated traffic: copies tell, the baseline serves."""

from engine.builders import error_rate, latency, release
from engine.simulation import Service, Simulation
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
