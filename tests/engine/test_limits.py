"""Holdout, hysteresis, cooldown and the limits of single variants, in the life of a release."""

from itertools import pairwise

import pytest

from engine.builders import Json, error_rate, release, response
from engine.evidence_rig import EvidenceRig, decision
from engine.simulation import Service, Simulation
from trimtab.engine.ledger import Ledger
from trimtab.engine.strategy.steps import dealt
from trimtab.schemas.decision import Phase, Verdict

GOOD, FAULTY = Service(error_ratio=0.001), Service(error_ratio=0.4)
BOTH = {"stable": GOOD, "canary": GOOD}
CANARY: Json = {"type": "canary", "steps": [500, 2_500], "hold": "2s"}
STRATEGIES: dict[str, Json] = {
    "canary": CANARY,
    "blueGreen": {"type": "blueGreen", "preview": 500, "verify": "2s", "watch": "5s"},
    "abTest": {"type": "abTest"},
    "bandit": {"type": "bandit"},
}


@pytest.mark.parametrize("strategy", ["canary", "blueGreen"])
def test_a_candidate_is_promoted_to_all_but_the_holdout(strategy: str) -> None:
    held = release(strategy=STRATEGIES[strategy], guardrails=[error_rate(0.05)], limits={"holdout": 700})
    world = Simulation(held, BOTH)
    world.run(40)
    assert (world.newest.phase, world.newest.weights) == (Phase.PROMOTED, {"stable": 700, "canary": 9_300})


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_person_who_promotes_leaves_the_holdout(strategy: str) -> None:
    world = Simulation(release(strategy=STRATEGIES[strategy], limits={"holdout": 700}), BOTH)
    world.command("promote", variant="canary")
    world.run(10)
    assert (world.newest.phase, world.newest.weights) == (Phase.PROMOTED, {"stable": 700, "canary": 9_300})


def test_promoting_the_baseline_takes_the_holdout_for_granted() -> None:
    world = Simulation(release(limits={"holdout": 700}), BOTH)
    world.run(3)
    world.command("promote", variant="stable")
    world.run(6)
    assert (world.newest.phase, world.newest.weights["stable"]) == (Phase.ROLLED_BACK, 10_000)


def test_a_bandit_leaves_the_holdout_however_good_the_candidate() -> None:
    world = Simulation(release(limits={"holdout": 2_000}), {"stable": FAULTY, "canary": GOOD})
    world.run(20)
    assert world.newest.weights == {"stable": 2_000, "canary": 8_000}


def test_weights_stay_for_the_cooldown_after_a_move() -> None:
    world = Simulation(release(strategy=CANARY, guardrails=[error_rate(0.05)], limits={"cooldown": "7s"}), BOTH)
    made = [world.decisions[0], *world.run(60)]
    moves = [now.time_ms for before, now in pairwise(made) if now.weights != before.weights]
    assert len(moves) >= 4
    assert all(later - earlier >= 7_000 for earlier, later in pairwise(moves))
    assert "cooldown: weights are held for another 6 s" in {one.rule for one in made}
    assert world.newest.phase is Phase.PROMOTED


def test_a_guardrail_does_not_wait_for_the_cooldown() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    world = Simulation(release(limits={"cooldown": "1h"}, guardrails=[error_rate(0.05)]), services)
    world.run(3)
    assert world.newest.weights["canary"] == 2_000
    services["canary"] = FAULTY
    world.run(10)
    assert (world.newest.phase, world.newest.weights["canary"]) == (Phase.ROLLED_BACK, 0)


def test_a_person_does_not_wait_for_the_cooldown_and_begins_one() -> None:
    world = Simulation(release(limits={"cooldown": "1h"}), BOTH)
    world.run(3)
    world.command("set-weights", weights={"stable": 5_000, "canary": 5_000})
    world.command("resume")
    assert {made.weights["canary"] for made in world.run(10)} == {5_000}
    world.command("promote", variant="canary")
    assert world.newest.weights["canary"] == 7_000


def test_a_cooldown_survives_a_restart() -> None:
    rig = EvidenceRig()
    rig.apply(release(limits={"cooldown": "1m"}))
    rig.wait(1_000)
    assert decision(rig.bring(response("canary"))).weights["canary"] == 2_000
    rig.ledger = Ledger.restore([rig.ledger.snapshot()], [[rig.ledger.releases["checkout"].snapshot()]])
    rig.wait(1_000)
    held = decision(rig.bring(response("canary")))
    assert (held.rule, held.weights["canary"]) == ("cooldown: weights are held for another 59 s", 2_000)
    rig.wait(59_000)
    assert decision(rig.bring(response("canary"))).weights["canary"] == 4_000


def test_a_policy_does_not_move_weights_by_less_than_the_hysteresis() -> None:
    def moves(hysteresis: int) -> list[int]:
        world = Simulation(release(limits={"hysteresis": hysteresis}), BOTH)
        made = [world.decisions[0], *world.run(60)]
        shares = [one.weights["canary"] for one in made]
        return [abs(now - before) for before, now in pairwise(shares) if now != before]

    assert min(moves(0)) < 300
    assert min(moves(300)) >= 300


def test_steps_are_reached_whatever_the_hysteresis() -> None:
    limits = {"maxStep": 2_000, "hysteresis": 2_000}
    world = Simulation(release(strategy=CANARY, guardrails=[error_rate(0.05)], limits=limits), BOTH)
    shares = {made.weights["canary"] for made in world.run(40)}
    assert {500, 2_500, 10_000} <= shares


def test_candidates_of_a_canary_share_a_step_as_evenly_as_their_own_caps_allow() -> None:
    own: list[Json] = [{"name": "stable"}, {"name": "small", "maxWeight": 300}, {"name": "canary"}]
    steps = {"type": "canary", "steps": [3_000], "hold": "5s"}
    world = Simulation(release(own=own, strategy=steps), {"stable": GOOD, "small": GOOD, "canary": GOOD})
    world.run(5)
    assert world.newest.weights == {"stable": 7_000, "small": 300, "canary": 2_700}


def test_a_share_is_dealt_whole_and_no_cap_is_passed() -> None:
    assert dealt(6_000, [2_000, 3_000, 1_000]) == [2_000.0, 3_000.0, 1_000.0]
    assert dealt(0, [5, 5]) == [0.0, 0.0]


def test_a_step_waits_where_traffic_has_run_dry() -> None:
    """Enough responses at its beginning are no reason to go on when nothing has come for a minute."""
    rig = EvidenceRig()
    rig.apply(release(strategy={**CANARY, "hold": "3m", "minResponses": 20}, guardrails=[error_rate(0.05)]))
    for _ in range(4):
        rig.wait(1_000)
        rig.bring(*[response("canary", rig.now_ms)] * 20, *[response("stable", rig.now_ms)] * 20)
    for _ in range(200):
        rig.wait(1_000)
        quiet = rig.bring(response("stable", rig.now_ms))
    waiting = decision(quiet)
    assert (waiting.step, waiting.rule) == (0, "canary step 1 of 2: canary has had no responses for 1m")
    rails = [one for one in waiting.assessments if one.variant == "canary"]
    assert [(one.verdict, one.reason) for one in rails] == [(Verdict.INCONCLUSIVE, "nothing has come for 10 s")]
    rig.wait(1_000)
    assert decision(rig.bring(*[response("canary", rig.now_ms)] * 20)).step == 1


def test_a_warm_up_that_is_over_stays_over_when_evidence_starts_anew() -> None:
    services = dict(BOTH)
    rails = [error_rate(0.05, onFail="pause", warmUp="5s")]
    world = Simulation(release(strategy=CANARY, guardrails=rails), services)
    world.run(8)
    services["canary"] = FAULTY
    world.run(6)
    assert world.newest.phase is Phase.PAUSED
    world.command("resume")
    world.run(3)
    assert world.newest.phase is Phase.PAUSED
