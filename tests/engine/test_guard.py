"""Guardrails on simulated traffic: what they find, how soon, and what comes of it."""

import numpy as np
import pytest

from engine.builders import Json, error_rate, latency, release, response
from engine.simulation import Service, Simulation
from trimtab.schemas.decision import Assessment, Phase, Verdict
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event

GOOD, FAULTY, SLOW = Service(error_ratio=0.005), Service(error_ratio=0.25), Service(median_ms=40)
HALVES = {"type": "canary", "steps": [5_000], "hold": "1h"}


class Refusing(Service):
    """Answers every fourth request that the client is wrong."""

    def answer(self, rng: np.random.Generator, variant: str, time_ms: int) -> list[Event]:
        status = 404 if rng.random() < 0.25 else 200
        return [response(variant, time_ms, status=status)]


def held(*rails: Json, **more: object) -> Release:
    """Half of the traffic on the candidate for as long as nothing fails."""
    return release(strategy=HALVES, guardrails=rails, **more)  # type: ignore[arg-type]  # fields of a release


def assessments(world: Simulation, variant: str = "canary") -> list[Assessment]:
    return [one for one in world.newest.assessments if one.variant == variant]


def outcome(**more: object) -> Json:
    return {"metric": "outcome", "name": "converted", **more}


@pytest.mark.parametrize(
    ("rail", "service"),
    [
        ({"metric": "error_rate", "maxRatio": 1.5}, FAULTY),
        ({"metric": "latency_p50_ms", "maxRatio": 1.3}, SLOW),
        (outcome(min=0.2), Service(conversion=0.1)),
        (outcome(max=0.05), Service(conversion=0.1)),
        (outcome(minRatio=0.9), Service(conversion=0.1)),
        (outcome(maxRatio=1.1), Service(conversion=0.9)),
        ({"metric": "client_error_rate", "max": 0.1}, Refusing()),
        ({"metric": "client_error_rate", "maxRatio": 1.5}, Refusing()),
    ],
    ids=str,
)
def test_every_kind_of_bound_finds_what_it_is_for(rail: Json, service: Service) -> None:
    world = Simulation(held(rail), {"stable": Service(error_ratio=0.005, conversion=0.3), "canary": service})
    world.run(90)
    assert world.newest.phase is Phase.ROLLED_BACK
    assert f" against {list(rail)[-1]} " in world.newest.arms[1].excluded


@pytest.mark.parametrize(
    "rail",
    [
        {"metric": "error_rate", "maxRatio": 1.0},
        {"metric": "latency_p99_ms", "maxRatio": 1.0},
        outcome(min=0.25),
        outcome(minRatio=0.9),
    ],
    ids=str,
)
def test_what_keeps_its_bound_is_left_alone_and_passes(rail: Json) -> None:
    service = Service(error_ratio=0.01, conversion=0.3)
    world = Simulation(held(rail), {"stable": service, "canary": service})
    world.run(120)
    assert world.newest.phase is Phase.PROGRESSING
    assert assessments(world)[0].ln_evidence < 3


def test_a_bound_relative_to_the_baseline_takes_a_bad_day_for_a_bad_day() -> None:
    ill = Service(error_ratio=0.3)
    world = Simulation(held({"metric": "error_rate", "maxRatio": 1.2}), {"stable": ill, "canary": ill})
    world.run(60)
    assert world.newest.phase is Phase.PROGRESSING


def test_a_guardrail_with_two_bounds_tells_of_both() -> None:
    world = Simulation(held(error_rate(0.05, maxRatio=2)), {"stable": GOOD, "canary": GOOD})
    world.run(10)
    assert [one.bound for one in assessments(world)] == ["max", "maxRatio"]
    assert {one.guardrail for one in assessments(world)} == {"error_rate over 10s"}


def test_candidates_and_guardrails_share_what_may_go_wrong() -> None:
    three = held(error_rate(0.05), latency(100), error_rate(0.5, window="1m", confidence=0.999), falseAborts=0.02)
    world = Simulation(three, {"stable": GOOD, "canary": GOOD})
    world.run(5)
    assert [round(one.threshold, 2) for one in assessments(world)] == [4.61, 4.61, 6.91]


def test_a_signal_is_shown_and_does_nothing() -> None:
    quick = {"type": "canary", "steps": [5_000], "hold": "5s"}
    signal = release(strategy=quick, guardrails=[error_rate(0.05, severity="signal")])
    world = Simulation(signal, {"stable": FAULTY, "canary": FAULTY})
    world.run(30)
    assert world.newest.weights["canary"] == 10_000
    assert assessments(world)[0].verdict is Verdict.FAIL


def test_what_is_muted_is_not_looked_at() -> None:
    world = Simulation(held(error_rate(0.05, severity="muted")), {"stable": GOOD, "canary": FAULTY})
    world.run(10)
    assert assessments(world) == []
    assert world.newest.phase is Phase.PROGRESSING


def test_a_step_does_not_wait_for_an_ordinary_guardrail_that_is_inconclusive() -> None:
    quick = {"type": "canary", "steps": [5_000], "hold": "5s"}
    ends = {}
    for severity in ("critical", "ordinary"):
        rail = error_rate(0.05, minSamples=1_000_000, severity=severity)
        world = Simulation(release(strategy=quick, guardrails=[rail]), {"stable": GOOD, "canary": GOOD})
        world.run(20)
        ends[severity] = world.newest.phase
    assert ends == {"critical": Phase.PROGRESSING, "ordinary": Phase.PROMOTED}


@pytest.mark.parametrize("bound", [{"max": 0.05}, {"maxRatio": 1.5}], ids=str)
def test_a_warm_up_that_is_not_over_is_the_reason_for_that_it_tells_nothing(bound: Json) -> None:
    rails: list[Json] = [{"metric": "error_rate", "warmUp": "5s", **bound}, latency(1_000)]
    world = Simulation(held(*rails), {"stable": GOOD, "canary": GOOD})
    reasons = [
        [verdict.reason for verdict in made.assessments if verdict.variant == "canary"] for made in world.run(10)
    ]
    warming = [first for first, _ in reasons if first == "its first 5s do not count, and are not over"]
    assert 3 <= len(warming) <= 6
    assert not any("do not count" in first for first, _ in reasons[-2:])
    assert not any("do not count" in other for _, other in reasons)


@pytest.mark.parametrize("bound", [{"max": 0.05}, {"maxRatio": 3}], ids=str)
def test_a_warm_up_tells_nothing(bound: Json) -> None:
    services = {"stable": GOOD, "canary": Service(error_ratio=0.9)}
    world = Simulation(held({"metric": "error_rate", "warmUp": "10s", **bound}), services)
    world.run(9)
    assert world.newest.phase is Phase.PROGRESSING
    assert assessments(world)[0].samples == 0
    services["canary"] = GOOD
    world.run(30)
    assert world.newest.phase is Phase.PROGRESSING
    services["canary"] = FAULTY
    world.run(5)
    assert world.newest.phase is Phase.ROLLED_BACK


def test_a_guardrail_may_pause_once_until_a_person_resumes() -> None:
    services = {"stable": GOOD, "canary": FAULTY}
    world = Simulation(held(error_rate(0.05, onFail="pause")), services)
    world.run(10)
    assert world.newest.phase is Phase.PAUSED
    paused = next(made for made in world.decisions if made.phase is Phase.PAUSED)
    assert paused.rule.startswith("guardrail: paused, canary: error_rate over 10s is ")
    services["canary"] = GOOD
    world.command("resume")
    world.run(20)
    assert world.newest.phase is Phase.PROGRESSING


def test_a_guardrail_may_hold_the_weights_for_as_long_as_it_fails() -> None:
    services = {"stable": GOOD, "canary": FAULTY}
    steps = {"type": "canary", "steps": [1_000, 5_000], "hold": "2s"}
    world = Simulation(release(strategy=steps, guardrails=[error_rate(0.05, onFail="hold")]), services)
    world.run(10)
    assert world.newest.rule.startswith("guardrail: weights are held, canary: error_rate over 10s is ")
    assert (world.newest.phase, world.newest.weights["canary"]) == (Phase.PROGRESSING, 1_000)


def test_a_guardrail_may_go_a_step_back_and_try_again() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    steps = {"type": "canary", "steps": [1_000, 3_000, 5_000], "hold": "4s", "minResponses": 1}
    world = Simulation(release(strategy=steps, guardrails=[error_rate(0.05, onFail="stepBack")]), services)
    while world.newest.step < 1:
        world.run(0.5)
    world.run(2)
    services["canary"] = FAULTY
    made = list(world.run(6))
    back = next(one for one in made if one.rule.startswith("guardrail: a step back"))
    assert (back.step, back.weights["canary"]) == (0, 1_000)
    services["canary"] = GOOD
    assert {one.step for one in world.run(60)} == {0, 1, 2}


def test_a_candidate_that_fails_on_the_way_to_all_traffic_goes_back_to_the_last_step() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    steps = {"type": "canary", "steps": [500], "hold": "2s"}
    rails = [error_rate(0.05, onFail="stepBack")]
    world = Simulation(release(strategy=steps, guardrails=rails, limits={"maxStep": 1_000}), services)
    while world.newest.weights["canary"] < 4_000:
        world.run(0.5)
    services["canary"] = FAULTY
    world.run(20)
    assert (world.newest.step, world.newest.weights["canary"]) == (0, 500)
    assert world.newest.rule.startswith("guardrail: weights are held, canary: ")


def test_a_candidate_that_fails_on_its_way_out_is_not_held_there() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    rails = [error_rate(0.05, onFail="hold")]
    world = Simulation(release(guardrails=rails, limits={"maxStep": 500}), services)
    world.command("set-weights", weights={"stable": 2_000, "canary": 8_000})
    services["canary"] = FAULTY
    world.run(5)
    world.command("promote", variant="stable")
    world.run(20)
    assert (world.newest.phase, world.newest.weights["canary"]) == (Phase.ROLLED_BACK, 0)


def test_the_baseline_is_shown_and_never_failed() -> None:
    world = Simulation(held(error_rate(0.05)), {"stable": FAULTY, "canary": GOOD})
    world.run(20)
    assert assessments(world, "stable")[0].verdict is Verdict.FAIL
    assert world.newest.phase is Phase.PROGRESSING


@pytest.mark.slow
def test_a_healthy_release_is_hardly_ever_stopped_although_it_is_looked_at_all_the_time() -> None:
    """At the very edge of both bounds, for two minutes of ten looks a second."""
    edge = Service(error_ratio=0.05)
    stopped = 0
    for seed in range(40):
        rails = (error_rate(0.05), {"metric": "error_rate", "maxRatio": 1.0, "window": "1m"})
        world = Simulation(held(*rails, falseAborts=0.05), {"stable": edge, "canary": edge}, seed=seed, rps=50)
        world.run(120)
        stopped += world.newest.phase is Phase.ROLLED_BACK
    assert stopped <= 5  # 2 are expected at most; more than 5 of 40 has a chance of 1 % at a true 5 %
