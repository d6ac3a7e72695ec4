"""Metrics of the release file at work: in guardrails, as the objective, and shown in decisions."""

import math

import pytest

from engine.builders import Json, outcome, release, request, response
from engine.evidence_rig import EvidenceRig, decision
from engine.simulation import Service, Simulation
from trimtab.engine.ledger import Ledger
from trimtab.schemas.decision import Assessment, Phase, Verdict
from trimtab.schemas.release import Release

HALVES = {"type": "canary", "steps": [5_000], "hold": "1h"}
METRICS: list[Json] = [
    {"name": "share", "expression": "errors / responses"},
    {"name": "paid", "expression": 'outcome("converted").sum / responses'},
    {
        "name": "experience",
        "parts": [
            {"expression": "latency.p90", "better": "low", "from": 10, "to": 100},
            {"expression": "errors / responses", "better": "low", "from": 0, "to": 0.5, "weight": 2},
        ],
    },
]
GOOD, FAULTY, SLOW = Service(error_ratio=0.02), Service(error_ratio=0.3), Service(error_ratio=0.02, median_ms=60)


def rail(name: str, **more: object) -> Json:
    return {"metric": "metric", "name": name, **more}


def held(*rails: Json, **more: object) -> Release:
    """Half of the traffic on the candidate for as long as nothing fails."""
    return release(strategy=HALVES, guardrails=rails, metrics=METRICS, **more)  # type: ignore[arg-type]  # fields


def shown(world: Simulation, variant: str = "canary") -> list[Assessment]:
    return [one for one in world.newest.assessments if one.variant == variant]


@pytest.mark.parametrize(
    ("bound", "service"),
    [
        (rail("share", max=0.1), FAULTY),
        (rail("share", maxRatio=2), FAULTY),
        (rail("experience", min=0.8), SLOW),
        (rail("experience", minRatio=0.95), FAULTY),
        (rail("paid", min=0.2), Service(conversion=0.05)),
        (rail("paid", minRatio=0.9), Service(conversion=0.05)),
    ],
    ids=str,
)
def test_a_bound_on_a_metric_finds_what_it_is_for(bound: Json, service: Service) -> None:
    world = Simulation(held(bound), {"stable": Service(error_ratio=0.02, conversion=0.3), "canary": service})
    world.run(110)
    assert world.newest.phase is Phase.ROLLED_BACK
    field = list(bound)[-1]
    assert world.newest.arms[1].excluded.startswith(f"metric {bound['name']} over 10s is ")
    assert f" against {field} " in world.newest.arms[1].excluded


@pytest.mark.parametrize("bound", [rail("share", max=0.1), rail("share", maxRatio=1.2), rail("experience", min=0.5)],
                         ids=str)  # fmt: skip
def test_what_keeps_a_bound_on_a_metric_is_left_alone_and_passes(bound: Json) -> None:
    world = Simulation(held(bound), {"stable": GOOD, "canary": GOOD})
    world.run(150)
    assert world.newest.phase is Phase.PROGRESSING
    (one,) = shown(world)
    assert one.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    assert one.ln_evidence < 3
    assert 140 <= one.samples <= 150


def test_what_both_variants_suffer_is_no_difference() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    world = Simulation(held(rail("share", maxRatio=1.2)), services)
    for second in range(150):
        services["stable"] = services["canary"] = FAULTY if second // 20 % 2 else GOOD
        world.run(1)
    assert world.newest.phase is Phase.PROGRESSING


def test_seconds_without_a_value_are_no_observations() -> None:
    world = Simulation(held(rail("paid", min=0.2)), {"stable": GOOD, "canary": GOOD})
    world.run(5)
    world.run(10, rps=0)
    (one,) = shown(world)
    assert one.samples <= 6
    assert one.verdict is Verdict.INCONCLUSIVE


def test_a_decision_shows_every_metric_of_every_variant_and_nothing_where_it_has_no_value() -> None:
    world = Simulation(held(), {"stable": GOOD, "canary": FAULTY})
    assert [arm.metrics for arm in world.newest.arms] == [dict.fromkeys(("share", "paid", "experience"))] * 2
    world.run(30)
    _, canary = world.newest.arms
    assert canary.metrics["share"] == canary.error_ratio
    assert canary.metrics["paid"] == 0.0
    assert canary.metrics["experience"] == pytest.approx(
        (1 - ((canary_p90(world) - 10) / 90) + 2 * (1 - (canary.error_ratio or 0) / 0.5)) / 3
    )


def canary_p90(world: Simulation) -> float:
    p90 = world.ledger.releases["checkout"]._evidence.window("canary", 60_000).latency.quantile_ms(0.9)
    assert p90 is not None
    return p90


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("in_flight", 2.0),
        ("client_errors", 1.0),
        ("server_errors", 1.0),
        ("timeouts + connects + resets + overloads", 2.0),
        ("bytes / responses", 125.0),
        ("duration_ms.mean", 40.0),
        ("latency.p50", pytest.approx(20, rel=0.01)),
        ("latency.p99", pytest.approx(100, rel=0.01)),
        ('outcome("rating").mean', 3.0),
        ('outcome("rating").count / requests', pytest.approx(2 / 10)),
        ("errors / (requests - requests)", None),
        ("1e300 * 1e300", None),
        ("1e16", None),
        ('outcome("nobody").mean', None),
    ],
)
def test_all_that_a_second_tells_is_reachable_and_nothing_absurd_is(expression: str, value: float | None) -> None:
    running = EvidenceRig()
    metric = {"name": "figure", "expression": expression}
    running.apply(
        release(
            strategy={"type": "bandit", "interval": "1s", "policy": {"type": "thompson"}}, metrics=[metric],
            guardrails=[rail("figure", max=1e9)], objective={"metric": "figure", "values": "real"},
        )
    )  # fmt: skip
    at_ms = running.now_ms
    running.bring(
        *[request("canary", at_ms)] * 10,
        *[response("canary", at_ms, size=100)] * 4,
        response("canary", at_ms, status=404, size=600),
        response("canary", at_ms, status=500, duration_ms=100),
        response("canary", at_ms, status=0, failure=1, duration_ms=100),
        response("canary", at_ms, status=0, failure=3, duration_ms=20),
        outcome("canary", at_ms, metric="rating", value=2.0),
        outcome("canary", at_ms, metric="rating", value=4.0),
    )
    made = decision(running.wait(3_000))
    arm = made.arms[1]
    assert arm.metrics["figure"] == value
    (bound,) = [one for one in made.assessments if one.variant == "canary"]
    assert bound.samples == arm.trials == (value is not None)
    assert bound.value == value
    assert arm.reward_sum == pytest.approx(0.0 if value is None else arm.metrics["figure"], abs=1e-6)


def bandit_on(metric: str, policy: str, values: str) -> Release:
    strategy = {"type": "bandit", "interval": "1s", "policy": {"type": policy}}
    return release(strategy=strategy, metrics=METRICS, objective={"metric": metric, "values": values})


@pytest.mark.parametrize(
    ("metric", "policy", "values"),
    [("experience", "adaptive", "share"), ("experience", "klUcb", "share"), ("paid", "thompson", "real")],
)
def test_a_bandit_follows_a_metric(metric: str, policy: str, values: str) -> None:
    services = {"stable": Service(error_ratio=0.4, conversion=0.1), "canary": Service(conversion=0.5)}
    world = Simulation(bandit_on(metric, policy, values), services)
    made = list(world.run(60))[-10:]
    assert sum(one.weights["canary"] for one in made) / len(made) > 7_500
    trials = {arm.variant: arm.trials for arm in world.newest.arms}
    assert all(30 < count <= 60 for count in trials.values())


def test_a_spec_that_is_applied_anew_observes_anew() -> None:
    world = Simulation(bandit_on("experience", "adaptive", "share"), {"stable": GOOD, "canary": GOOD})
    world.run(20)
    assert world.newest.arms[0].trials > 10
    world.command("retry")
    assert [arm.trials for arm in world.newest.arms] == [0, 0]
    world.run(10)
    assert 0 < world.newest.arms[0].trials <= 10


@pytest.mark.parametrize(
    "rollout",
    [held(rail("share", maxRatio=1.5), rail("experience", min=0.9)), bandit_on("experience", "adaptive", "share"),
     bandit_on("paid", "thompson", "real")],
    ids=["guardrails", "share", "real"],
)  # fmt: skip
def test_a_snapshot_in_the_middle_changes_nothing(rollout: Release) -> None:
    running = EvidenceRig()
    running.apply(rollout)
    for second in range(70):
        running.now_ms += 1_000
        running.bring(
            *[response("stable", running.now_ms, duration_ms=20 + second % 7)] * 9,
            *[response("canary", running.now_ms, status=500 if n < second % 3 else 200) for n in range(9)],
            outcome("canary", running.now_ms, value=second % 2),
        )
    steady, restored = Ledger(), Ledger()
    for offset, (at_ms, record) in enumerate(running.log):
        assert restored.advance(offset, at_ms, record) == steady.advance(offset, at_ms, record)
        if offset % 5 == 0:
            restored = Ledger.restore([restored.snapshot()], [[fold.snapshot()] for fold in restored.releases.values()])
    tested = steady.releases["checkout"]._course.guard.assess(["canary"], 0)["canary"]
    assert all(math.isfinite(one.ln_evidence) for one in tested)
