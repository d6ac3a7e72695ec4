"""Ensembles on simulated traffic: every member answers every request, and weights follow what answers have earned."""

import math
import re
from itertools import pairwise

import pytest

from engine.builders import NOW_MS, Json, error_rate, outcome, release, response
from engine.evidence_rig import EvidenceRig, decisions
from engine.late_rewards import Asked, last_s, play
from engine.segment_rig import restored
from engine.simulation import Service, Simulation
from trimtab.engine.ledger import Ledger
from trimtab.schemas.combination import Combination
from trimtab.schemas.decision import Decision, Phase, WeightsRecord
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event, Request

MEMBERS = ("stable", "canary", "newer")
ENSEMBLE: Json = {"type": "ensemble"}


def ensemble(*members: str, strategy: Json = ENSEMBLE, **more: object) -> Release:
    variants, objective = members or MEMBERS, {"metric": "converted"}
    return release(variants=variants, strategy=strategy, **{"objective": objective, **more})  # type: ignore[arg-type]


def world(of: Release, rps: float = 40, **right: float) -> Simulation:
    """All members answer as many requests; `right`: member -> the share that is right."""
    services = {name: Service(conversion=share) for name, share in right.items()}
    return Simulation(of, services, rps=0, copies=dict.fromkeys(right, rps))


def record(of: Simulation) -> WeightsRecord:
    return of.ledger.releases["checkout"].weights_record(of.newest)


def test_it_begins_with_its_baseline_alone_and_all_members_are_asked() -> None:
    begun = world(ensemble(), stable=0.9, canary=0.9, newer=0.9)
    assert begun.newest.weights == {"stable": 10_000, "canary": 0, "newer": 0}
    assert record(begun).ensemble == Combination(members=[*MEMBERS], combine="mean")


def test_weight_goes_to_the_member_that_is_right_most_often_and_floors_hold() -> None:
    learnt = world(ensemble(), stable=0.8, canary=0.96, newer=0.3)
    learnt.run(60)
    weights = learnt.newest.weights
    assert weights["canary"] > 9_000
    assert weights["newer"] == 100
    assert learnt.newest.rule == "ensemble: weights follow what each member's own answers have earned"
    assert learnt.newest.phase is Phase.PROGRESSING


def test_a_decision_tells_the_arithmetic_of_its_weights() -> None:
    free = {"minWeight": 0, "maxStep": 10_000}
    learnt = world(ensemble(limits=free), stable=0.9, canary=0.93, newer=0.7)
    assert learnt.newest.reasons[1:] == ["Hedge: nothing has told the members apart yet"]
    learnt.run(5)
    told = re.fullmatch(
        r"Hedge: before limits a weight is in proportion to exp\(-(\S+) x lost\),"
        r" lost: stable (\S+), canary (\S+), newer (\S+)",
        learnt.newest.reasons[1],
    )
    assert told is not None
    rate, *lost = map(float, told.groups())
    assert min(lost) == 0.0
    wanted = [math.exp(-rate * loss) for loss in lost]
    weights = [round(10_000 * one / sum(wanted)) for one in wanted]
    assert list(learnt.newest.weights.values()) == pytest.approx(weights, abs=1)
    assert min(weights) > 100


def test_members_that_are_alike_share() -> None:
    learnt = world(ensemble(limits={"maxWeight": 6_000}), stable=0.95, canary=0.95, newer=0.95)
    made = list(learnt.run(60))
    assert max(max(one.weights.values()) for one in made[-30:]) < 9_000


def test_floors_caps_and_steps_hold_as_of_any_release() -> None:
    limits = {"minWeight": 700, "maxWeight": 5_000, "maxStep": 800, "holdout": 1_000}
    learnt = world(ensemble(limits=limits), stable=0.3, canary=0.96, newer=0.3)
    made = list(learnt.run(40))
    weights = made[-1].weights
    assert weights["canary"] == 5_000
    assert min(weights["newer"] - 700, weights["stable"] - 1_000) >= 0
    for before, after in pairwise(made):
        assert all(abs(after.weights[name] - weight) <= 800 for name, weight in before.weights.items())


def test_a_member_that_fails_a_guardrail_is_out_with_its_reason_and_is_not_asked_any_more() -> None:
    guarded = ensemble(guardrails=[{"metric": "outcome", "name": "converted", "min": 0.6}, error_rate(0.2)])
    learnt = world(guarded, rps=100, stable=0.9, canary=0.9, newer=0.2)
    made = list(learnt.run(60))
    assert made[-1].weights["newer"] == 0
    (reason,) = (arm.excluded for arm in made[-1].arms if arm.variant == "newer")
    assert "outcome converted" in reason
    assert record(learnt).ensemble == Combination(members=["stable", "canary"], combine="mean")
    assert made[-1].phase is Phase.PROGRESSING


def test_without_any_member_left_beside_it_the_baseline_answers_alone() -> None:
    guarded = ensemble("stable", "canary", guardrails=[error_rate(0.05)])
    services = {"stable": Service(conversion=0.9), "canary": Service(error_ratio=0.4, conversion=0.9)}
    over = Simulation(guarded, services, rps=0, copies=dict.fromkeys(services, 60.0))
    over.run(20)
    assert (over.newest.phase, over.newest.weights) == (Phase.ROLLED_BACK, {"stable": 10_000, "canary": 0})
    assert record(over).ensemble is None


def test_one_that_waits_in_line_asks_nobody() -> None:
    rig = EvidenceRig()
    rig.apply(release())
    queued = rig.apply(release("checkout.2", strategy=ENSEMBLE))
    (published,) = queued.published
    assert published.decision.queued_behind == "checkout"
    assert published.weights.ensemble is None


def test_a_person_may_end_it_with_one_member() -> None:
    learnt = world(ensemble(), stable=0.9, canary=0.9, newer=0.9)
    learnt.run(3)
    learnt.command("promote", variant="newer", full=True)
    learnt.run(10)
    assert (learnt.newest.phase, learnt.newest.weights["newer"]) == (Phase.PROMOTED, 10_000)
    assert record(learnt).ensemble is None


def answers(rig: EvidenceRig, losses: dict[str, float], newest: Decision, requests: int) -> list[Event]:
    events: list[Event] = []
    for _ in range(requests):
        for name, loss in losses.items():
            era, revision = newest.id
            events += [
                Request(release="checkout", variant=name, time_ms=rig.now_ms, era=era, revision=revision),
                response(name, rig.now_ms),
                outcome(name, rig.now_ms, metric="log_loss", value=loss),
            ]
    return events


def told(of: Release, losses: dict[str, float], seconds: int, requests: int = 20) -> tuple[EvidenceRig, list[Decision]]:
    rig = EvidenceRig()
    made = decisions(rig.apply(of))
    for _ in range(seconds):
        made += decisions([rig.bring(*answers(rig, losses, made[-1], requests)), rig.wait(1_000)])
    return rig, made


def test_a_loss_of_any_size_is_minimised() -> None:
    objective = {"metric": "log_loss", "goal": "minimize", "values": "real"}
    _, made = told(ensemble("stable", "canary", objective=objective), {"stable": 2.5, "canary": 0.4}, 20)
    assert made[-1].weights == {"stable": 100, "canary": 9_900}


def test_members_that_all_answer_do_not_count_as_traffic_that_drifts_from_the_weights() -> None:
    of = ensemble("stable", "canary", objective={"metric": "log_loss", "values": "real"})
    _, made = told(of, {"stable": 1.0, "canary": 1.0}, 70)
    assert sum(arm.requests for arm in made[-1].arms) == 2 * 70 * 20
    assert {one.rule.partition(":")[0] for one in made} == {"applied", "ensemble"}
    assert made[-1].divergences == []


@pytest.mark.parametrize("strategy", [ENSEMBLE, {"type": "ensemble", "interval": "2s", "memory": 50}], ids=["1s", "2s"])
def test_it_continues_from_a_snapshot_and_replays_to_the_last_bit(strategy: Json) -> None:
    steady = world(ensemble(strategy=strategy), stable=0.9, canary=0.8, newer=0.7)
    interrupted = world(ensemble(strategy=strategy), stable=0.9, canary=0.8, newer=0.7)
    for _ in range(6):
        steady.run(3)
        interrupted.run(3)
        interrupted.ledger = restored(interrupted.ledger)
        assert interrupted.decisions == steady.decisions
    assert len({tuple(one.weights.values()) for one in steady.decisions}) > 3


def test_replay_of_the_log_gives_the_same_decisions() -> None:
    of = ensemble("stable", "canary", objective={"metric": "log_loss", "values": "real", "goal": "minimize"})
    rig, made = told(of, {"stable": 1.0, "canary": 0.9}, 30)
    assert decisions(rig.replay()) == made
    assert Ledger.restore([rig.ledger.snapshot()], [[fold.snapshot()] for fold in rig.ledger.releases.values()])


def test_rewards_of_members_that_come_late_find_one_request_of_each_and_silence_has_the_default() -> None:
    """All members answer the request of one id; what came of it is of each of them."""
    attribution = {"window": "5s", "default": 0.0}
    rig = EvidenceRig()
    rig.apply(ensemble("stable", "canary", objective={"metric": "rating", "attribution": attribution}))
    asked = [
        Asked(number, variant, NOW_MS + 100 * number, ((2_500, 1.0),) if variant == "canary" or number % 2 else ())
        for number in range(1, 200)
        for variant in ("stable", "canary")
    ]
    made = [one for _, one in play(rig, asked, last_s(5))]
    assert {arm.variant: (arm.trials, arm.reward_sum) for arm in made[-1].arms} == {
        "stable": (199, 100.0), "canary": (199, 199.0),
    }  # fmt: skip
    assert made[-1].weights["canary"] > 5_000
    assert {arm.outside + arm.unjoined for arm in made[-1].arms} == {0}


def test_a_prior_is_what_members_are_taken_to_have_earned_first() -> None:
    prior = {"variants": {"canary": {"mean": 0.9, "strength": 200}, "stable": {"mean": 0.3, "strength": 200}}}
    of = ensemble("stable", "canary", objective={"metric": "converted", "prior": prior})
    believed = world(of, 5, stable=0.5, canary=0.5)
    believed.run(12)
    assert believed.newest.weights["canary"] > 6_000
