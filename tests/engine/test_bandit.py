"""The bandit on simulated traffic."""

from itertools import pairwise

from engine.builders import error_rate, latency, release
from engine.simulation import Service, Simulation
from trimtab.schemas.decision import Phase
from trimtab.schemas.release import Release

GOOD, FAULTY, SLOW = Service(error_ratio=0.005), Service(error_ratio=0.3), Service(median_ms=200)


def bandit(*variants: str, **more: object) -> Release:
    return release(variants=("stable", *(variants or ("canary",))), **more)  # type: ignore[arg-type]  # fields of a release


def test_most_traffic_goes_to_the_better_arm() -> None:
    for seed in range(3):
        services = {"stable": Service(error_ratio=0.10), "canary": Service(error_ratio=0.02)}
        world = Simulation(bandit(), services, seed=seed)
        world.run(30)
        assert world.newest.weights["canary"] >= 8_000
        assert world.newest.phase is Phase.PROGRESSING


def test_most_traffic_stays_on_a_better_baseline_above_the_floor_of_the_other() -> None:
    world = Simulation(bandit(), {"stable": Service(error_ratio=0.02), "canary": Service(error_ratio=0.10)})
    world.run(30)
    assert world.newest.weights == {"stable": 9_900, "canary": 100}


def test_the_best_of_several_arms_is_found_by_its_conversions() -> None:
    shop = bandit("blue", "green", "red", objective={"metric": "converted"})
    services = {name: Service(conversion=0.1) for name in ("stable", "blue", "red")} | {
        "green": Service(conversion=0.2)
    }
    world = Simulation(shop, services)
    world.run(60)
    assert world.newest.weights == {"stable": 100, "blue": 100, "green": 9_700, "red": 100}


def test_to_minimise_the_arm_with_the_least_is_best() -> None:
    churn = bandit(objective={"metric": "converted", "goal": "minimize"})
    world = Simulation(churn, {"stable": Service(conversion=0.3), "canary": Service(conversion=0.1)})
    world.run(30)
    assert world.newest.weights["canary"] == 9_900
    stable, canary = world.newest.arms
    assert canary.mean > stable.mean, "the posterior is of what is wanted"


def test_arms_that_are_alike_share_until_something_tells_them_apart() -> None:
    world = Simulation(bandit(), {"stable": GOOD, "canary": GOOD})
    made = list(world.run(10))
    assert max(decision.weights["canary"] for decision in made) > 3_000


def test_a_faulty_arm_is_excluded_and_never_comes_back() -> None:
    three = bandit("broken", "fine", guardrails=[error_rate(0.05)])
    world = Simulation(three, {"stable": GOOD, "broken": FAULTY, "fine": GOOD})
    made = list(world.run(40))
    first = next(at for at, decision in enumerate(made) if decision.arms[1].excluded)
    assert made[first].rule.startswith("guardrail: broken excluded, error_rate over 10s is ")
    assert all(decision.weights["broken"] == 0 for decision in made[first:])
    assert world.newest.phase is Phase.PROGRESSING
    assert world.newest.weights["fine"] >= 100


def test_a_faulty_only_candidate_rolls_the_release_back() -> None:
    world = Simulation(bandit(guardrails=[error_rate(0.05)]), {"stable": GOOD, "canary": FAULTY})
    world.run(20)
    assert world.newest.phase is Phase.ROLLED_BACK
    assert world.newest.weights == {"stable": 10_000, "canary": 0}
    assert world.failed <= 0.03 * sum(world.sent.values())


def test_a_slow_arm_is_excluded_on_latency_alone() -> None:
    world = Simulation(bandit(guardrails=[latency(150, "p95")]), {"stable": GOOD, "canary": SLOW})
    world.run(20)
    assert world.newest.phase is Phase.ROLLED_BACK
    assert "latency_p95_ms over 10s" in world.newest.reasons[1]


def test_a_cap_holds_however_good_the_arm() -> None:
    world = Simulation(bandit(limits={"maxWeight": 2_500}), {"stable": FAULTY, "canary": GOOD})
    made = list(world.run(30))
    assert max(decision.weights["canary"] for decision in made) == 2_500
    assert world.newest.weights == {"stable": 7_500, "canary": 2_500}


def test_weights_are_chosen_anew_once_an_interval() -> None:
    world = Simulation(bandit(limits={"maxStep": 50}), {"stable": GOOD, "canary": GOOD})
    made = list(world.run(10))
    assert [after.time_ms - before.time_ms for before, after in pairwise(made)] == [1_000] * 9


def test_without_traffic_nothing_is_decided() -> None:
    world = Simulation(bandit(), {"stable": GOOD, "canary": FAULTY})
    world.run(5)
    world.run(5, rps=0)
    assert list(world.run(120, rps=0)) == []


def test_before_any_evidence_nothing_moves() -> None:
    world = Simulation(bandit(), {"stable": GOOD, "canary": GOOD})
    assert list(world.run(30, rps=0)) == []
    assert world.newest.weights == {"stable": 10_000, "canary": 0}


def test_too_few_samples_condemn_nobody() -> None:
    strict = bandit(guardrails=[error_rate(0.05, min_samples=100_000)])
    world = Simulation(strict, {"stable": FAULTY, "canary": FAULTY})
    for decision in world.run(20):
        assert {verdict.verdict for verdict in decision.assessments} == {"inconclusive"}
    assert world.newest.phase is Phase.PROGRESSING
