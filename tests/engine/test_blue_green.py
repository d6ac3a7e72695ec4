"""Blue/green on simulated traffic: before the switch, the switch, and the way back."""

import pytest
from pydantic import ValidationError

from engine.builders import error_rate, latency, release
from engine.simulation import Service, Simulation
from trimtab.schemas.decision import Phase
from trimtab.schemas.release import Release

GOOD, FAULTY, SLOW = Service(error_ratio=0.002), Service(error_ratio=0.25), Service(median_ms=150)
COPIES = {"green": 20.0}


def blue_green(**more: object) -> Release:
    strategy = {"type": "blueGreen", "verify": "5s", "watch": "20s", **more}
    return release(variants=("blue", "green"), strategy=strategy, guardrails=[error_rate(0.05), latency(100)])


def test_traffic_switches_at_once_after_a_look_and_is_promoted_after_another() -> None:
    world = Simulation(blue_green(), {"blue": GOOD, "green": GOOD}, copies=COPIES)
    made = [world.decisions[0], *world.run(40)]
    assert {decision.weights["green"] for decision in made} == {0, 10_000}
    switched = next(decision for decision in made if decision.weights["green"])
    promoted = next(decision for decision in made if decision.phase is Phase.PROMOTED)
    assert switched.rule == "blue/green: green takes all traffic, the way back stays open"
    assert switched.time_ms - made[0].time_ms >= 5_000
    assert promoted.time_ms - switched.time_ms >= 20_000


def test_a_candidate_that_nobody_reaches_is_never_switched_to() -> None:
    world = Simulation(blue_green(), {"blue": GOOD, "green": GOOD})
    world.run(60)
    assert world.newest.weights == {"blue": 10_000, "green": 0}
    assert world.newest.rule == "blue/green before the switch: green has had 0 responses in it, waits for 20"


def test_a_preview_takes_its_share_of_the_traffic() -> None:
    world = Simulation(blue_green(preview=300, verify="1h"), {"blue": GOOD, "green": GOOD})
    world.run(10)
    assert world.newest.weights == {"blue": 9_700, "green": 300}


@pytest.mark.parametrize("service", [FAULTY, SLOW])
def test_a_bad_candidate_is_found_before_the_switch(service: Service) -> None:
    world = Simulation(blue_green(), {"blue": GOOD, "green": service}, copies=COPIES)
    made = [world.decisions[0], *world.run(30)]
    assert {decision.weights["green"] for decision in made} == {0}
    assert world.newest.phase is Phase.ROLLED_BACK


def test_a_candidate_that_breaks_under_all_traffic_loses_it_at_once() -> None:
    services = {"blue": GOOD, "green": GOOD}
    world = Simulation(blue_green(), services, copies=COPIES)
    while world.newest.weights["green"] == 0:
        world.run(1)
    services["green"] = FAULTY
    made = world.run(10)
    assert {decision.weights["green"] for decision in made} <= {0, 10_000}
    assert (world.newest.phase, world.newest.weights["blue"]) == (Phase.ROLLED_BACK, 10_000)


def test_a_manual_switch_waits_for_a_person_and_ends_by_itself() -> None:
    world = Simulation(blue_green(switch="manual"), {"blue": GOOD, "green": GOOD}, copies=COPIES)
    world.run(30)
    assert world.newest.rule == "blue/green before the switch: ready, waits for a person to promote it"
    world.command("promote", full=False)
    assert world.newest.weights["green"] == 10_000
    world.run(30)
    assert world.newest.phase is Phase.PROMOTED


def test_a_person_may_end_the_look_after_the_switch() -> None:
    world = Simulation(blue_green(watch="1h"), {"blue": GOOD, "green": GOOD}, copies=COPIES)
    world.run(20)
    assert (world.newest.step, world.newest.phase) == (1, Phase.PROGRESSING)
    world.command("promote", full=False)
    assert world.newest.phase is Phase.PROMOTED


def test_it_takes_two_variants() -> None:
    with pytest.raises(ValidationError, match="blueGreen takes two variants, got 3"):
        release(variants=("blue", "green", "teal"), strategy={"type": "blueGreen"})
