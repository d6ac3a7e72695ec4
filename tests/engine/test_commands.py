"""What people can do to a release."""

from itertools import pairwise

import pytest

from engine.builders import NOW_MS, Json, error_rate, release, response
from engine.evidence_rig import EvidenceRig, decision
from engine.simulation import Service, Simulation
from trimtab.schemas.decision import Phase
from trimtab.schemas.evidence import Command

GOOD, FAULTY = Service(error_ratio=0.005), Service(error_ratio=0.3)
CANARY = {"type": "canary", "steps": [500, 2_500], "hold": "2s"}


def world(strategy: object = None, **services: Service) -> Simulation:
    rollout = release(strategy=strategy, guardrails=[error_rate(0.05)])  # type: ignore[arg-type]  # JSON
    return Simulation(rollout, {"stable": GOOD, "canary": GOOD} | services)


def test_pause_holds_the_weights_and_resume_lets_them_move_again() -> None:
    running = world(CANARY)
    running.run(1.5)
    running.command("pause")
    held = running.newest
    assert (held.phase, held.rule) == (Phase.PAUSED, "pause by an operator")
    assert {(made.phase, made.weights["canary"], made.rule) for made in running.run(20)} == {
        (Phase.PAUSED, held.weights["canary"], "paused: weights are held")
    }
    running.command("resume")
    running.run(20)
    assert running.newest.phase is Phase.PROMOTED


def test_guardrails_stay_on_guard_while_a_release_is_paused() -> None:
    running = world(stable=Service(error_ratio=0.6), canary=FAULTY)
    running.run(1.1)
    running.command("pause")
    assert running.newest.weights["canary"] == 2_000
    running.run(10)
    assert (running.newest.phase, running.newest.weights["stable"]) == (Phase.ROLLED_BACK, 10_000)
    paused = [made for made in running.decisions if made.phase is Phase.PAUSED]
    assert {made.weights["canary"] for made in paused} == {2_000}


def test_abort_sends_all_traffic_to_the_baseline_at_once_and_for_good() -> None:
    running = world(CANARY)
    running.run(4)
    assert running.newest.weights["canary"] == 2_500
    running.command("abort")
    assert (running.newest.phase, running.newest.weights) == (Phase.ROLLED_BACK, {"stable": 10_000, "canary": 0})
    for action in ("resume", "promote", "pause", "freeze"):
        running.command(action, refused="the release is over (rolled_back)")
    running.run(30)
    assert running.newest.weights == {"stable": 10_000, "canary": 0}


def test_promote_takes_the_named_variant_to_all_traffic_by_the_step_limit() -> None:
    running = world(CANARY)
    running.command("promote", variant="canary")
    shares = [running.newest.weights["canary"], *[made.weights["canary"] for made in running.run(6)]]
    assert shares[:5] == [2_000, 4_000, 6_000, 8_000, 10_000]
    assert running.newest.phase is Phase.PROMOTED


def test_promoting_the_baseline_rolls_back() -> None:
    running = world(CANARY)
    running.run(4)
    running.command("promote", variant="stable")
    running.run(5)
    assert (running.newest.phase, running.newest.weights["stable"]) == (Phase.ROLLED_BACK, 10_000)


def test_promote_without_a_name_takes_the_best_candidate_that_is_left() -> None:
    choice = release(variants=("stable", "broken", "good", "better"), guardrails=[error_rate(0.1)])
    services = {"stable": GOOD, "broken": FAULTY, "good": Service(error_ratio=0.06), "better": GOOD}
    running = Simulation(choice, services)
    running.run(20)
    running.command("promote")
    running.run(10)
    assert running.newest.weights == {"stable": 0, "broken": 0, "good": 0, "better": 10_000}


def test_promote_finds_a_candidate_however_unlikely_it_is_the_best() -> None:
    running = EvidenceRig()
    running.apply(release(variants=("stable", "broken", "poor"), guardrails=[error_rate(0.5, window="5m")]))
    running.bring(*[response("broken", status=500)] * 400)
    for _ in range(5):
        running.bring(
            *[response("stable")] * 500, *[response("poor", status=500 if n % 5 < 2 else 200) for n in range(500)]
        )
    before = decision(running.command("pause"))
    assert before.arms[1].excluded
    assert before.arms[2].probability_best == 0
    assert decision(running.command("promote")).weights["poor"] > 0


@pytest.mark.parametrize(
    ("order", "refusal"),
    [
        ({"action": "promote", "variant": "phantom"}, "no variant 'phantom', expected one of stable, broken, fine"),
        ({"action": "promote", "variant": "broken"}, "broken takes no traffic: error_rate over 10s is 1"),
        ({"action": "set-weights", "weights": {"stable": 5_000, "broken": 5_000}}, "broken takes no traffic: "),
        ({"action": "set-weights", "weights": {"stable": 9_000, "fine": 900}}, "sum to 9900 bp, expected 10000"),
        ({"action": "set-weights", "weights": {"stable": 10_001, "fine": -1}}, "expected 10000 of none below 0"),
        ({"action": "set-weights", "weights": {"stable": 1, "phantom": 9_999}}, "no variant 'phantom'"),
        ({"action": "set-weights"}, "sum to 0 bp"),
        ({"action": "exclude", "variant": "phantom"}, "no variant 'phantom', expected one of stable, broken, fine"),
        ({"action": "exclude"}, "no variant '', expected one of stable, broken, fine"),
        ({"action": "exclude", "variant": "stable"}, "stable is the baseline, which takes what others lose: "),
        ({"action": "exclude", "variant": "broken"}, "broken takes no traffic: error_rate over 10s is 1"),
    ],
)
def test_what_cannot_be_done_is_refused_with_its_reason_and_changes_nothing(order: Json, refusal: str) -> None:
    running = EvidenceRig()
    running.apply(release(variants=("stable", "broken", "fine"), guardrails=[error_rate(0.05)]))
    running.bring(*[response("broken", status=500)] * 100)
    before = running.ledger.releases["checkout"].snapshot()
    effects = running.append(Command(release="checkout", **order))  # type: ignore[arg-type]  # JSON
    assert refusal in effects.rejected
    assert effects.published == []
    assert len(running.ledger.releases["checkout"].snapshot()) == len(before)


def test_an_excluded_variant_loses_its_traffic_to_the_baseline_and_the_others_go_on() -> None:
    running = EvidenceRig()
    uniform: Json = {"type": "bandit", "policy": {"type": "uniform"}}
    running.apply(release(variants=("stable", "canary", "other"), strategy=uniform, limits={"maxStep": 10_000}))
    running.append(
        Command(release="checkout", action="set-weights", weights={"stable": 2_000, "canary": 5_000, "other": 3_000})
    )
    running.command("resume")
    order = Command(release="checkout", action="exclude", variant="canary", reason="data withdrawn", actor="ada")
    made = decision(running.append(order))
    assert made.rule == "exclude by ada: data withdrawn"
    assert made.phase is Phase.PROGRESSING
    assert made.weights == {"stable": 7_000, "canary": 0, "other": 3_000}
    assert made.arms[1].excluded == "exclude by ada: data withdrawn"
    assert "canary takes no traffic: exclude by ada: data withdrawn" in made.reasons
    running.bring(*[response(variant) for variant in ("stable", "other") for _ in range(50)])
    assert running.ledger.releases["checkout"]._state.weights[1] == 0
    assert "canary takes no traffic" in running.append(order).rejected
    assert decision(running.command("retry")).arms[1].excluded == ""


def test_an_excluded_variant_loses_its_traffic_in_a_frozen_release_and_in_one_that_is_over() -> None:
    for lead, phase in (("freeze", Phase.FROZEN), ("promote", Phase.ROLLED_BACK)):
        running = EvidenceRig()
        running.apply(release(variants=("stable", "canary", "other"), limits={"maxStep": 10_000}))
        running.append(
            Command(
                release="checkout", action="set-weights", weights={"stable": 1_000, "canary": 4_000, "other": 5_000}
            )
        )
        variant = "canary" if lead == "promote" else ""
        running.append(Command(release="checkout", action=lead, variant=variant))  # type: ignore[arg-type]  # one of them
        made = decision(running.append(Command(release="checkout", action="exclude", variant="canary")))
        assert made.phase is phase
        assert made.weights["canary"] == 0
        assert made.weights == {"stable": 5_000, "canary": 0, "other": 5_000} or phase is Phase.ROLLED_BACK


def test_a_frozen_release_holds_its_weights_whatever_happens() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    running = Simulation(release(strategy=CANARY, guardrails=[error_rate(0.05)]), services)
    running.run(1.5)
    running.command("freeze", reason="a bank holiday")
    held = running.newest
    assert (held.phase, held.rule) == (Phase.FROZEN, "freeze by an operator: a bank holiday")
    services["canary"] = FAULTY
    assert {(made.phase, made.weights["canary"]) for made in running.run(10)} == {
        (Phase.FROZEN, held.weights["canary"])
    }
    running.command("resume")
    running.run(1)
    assert running.newest.phase is Phase.ROLLED_BACK


def test_a_frozen_release_takes_another_spec_and_stays_frozen() -> None:
    running = Simulation(release(strategy=CANARY), {"stable": GOOD, "canary": FAULTY})
    running.run(1.5)
    running.command("freeze")
    running.apply(release(strategy=CANARY, guardrails=[error_rate(0.05)]))
    applied = running.newest
    assert (applied.phase, applied.weights["canary"]) == (Phase.FROZEN, 500)
    assert applied.rule == "applied: another spec, starts anew from the present weights once it is resumed"
    assert {(made.phase, made.weights["canary"]) for made in running.run(10)} == {(Phase.FROZEN, 500)}
    running.command("resume")
    running.run(1)
    assert running.newest.phase is Phase.ROLLED_BACK


def test_weights_that_a_person_sets_are_held_and_guarded() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    running = Simulation(release(strategy=CANARY, guardrails=[error_rate(0.05)]), services)
    running.command("set-weights", weights={"stable": 2_500, "canary": 7_500})
    assert (running.newest.phase, running.newest.weights) == (Phase.PAUSED, {"stable": 2_500, "canary": 7_500})
    assert {made.weights["canary"] for made in running.run(5)} == {7_500}
    services["canary"] = FAULTY
    running.run(5)
    assert running.newest.phase is Phase.ROLLED_BACK


def test_a_release_that_was_rolled_back_starts_anew_when_it_is_retried() -> None:
    services = {"stable": GOOD, "canary": FAULTY}
    running = Simulation(release(strategy=CANARY, guardrails=[error_rate(0.05)]), services)
    running.run(10)
    assert running.newest.phase is Phase.ROLLED_BACK
    services["canary"] = GOOD
    running.command("retry", reason="mended")
    again = running.newest
    assert (again.phase, again.step, again.arms[1].excluded, again.arms[1].trials) == (Phase.PROGRESSING, 0, "", 0)
    running.run(40)
    assert running.newest.phase is Phase.PROMOTED


def test_promote_by_one_step_ends_the_present_one_and_no_more() -> None:
    running = world({**CANARY, "hold": "1h"})
    running.run(2)
    assert (running.newest.step, running.newest.weights["canary"]) == (0, 500)
    running.command("promote", full=False)
    running.run(5)
    assert (running.newest.step, running.newest.weights["canary"]) == (1, 2_500)
    running.command("promote", full=False)
    running.run(5)
    assert running.newest.phase is Phase.PROMOTED


@pytest.mark.parametrize(
    ("reason", "rule"), [("", "promote by an operator: "), ("enough", "promote by an operator: enough; ")]
)
def test_a_last_step_that_a_person_ends_for_a_baseline_that_is_better_says_so(reason: str, rule: str) -> None:
    choice = release(
        strategy={"type": "canary", "steps": [2_500], "hold": "1h"},
        objective={"metric": "converted"},
        limits={"maxStep": 10_000},
    )
    running = Simulation(choice, {"stable": Service(conversion=0.5), "canary": Service(conversion=0.1)})
    running.run(10)
    running.command("promote", full=False, reason=reason)
    assert running.newest.phase is Phase.ROLLED_BACK
    assert running.newest.rule == f"{rule}canary: stable is best with probability 1.000, so it stays"


def test_a_step_that_a_person_ended_is_looked_at_anew_after_a_step_back() -> None:
    strategy = {"type": "canary", "steps": [500, 2_500], "hold": "1m", "advance": "manual"}
    services = {"stable": GOOD, "canary": GOOD}
    running = Simulation(release(strategy=strategy, guardrails=[error_rate(0.05, onFail="stepBack")]), services)
    running.run(2)
    running.command("promote", full=False)
    services["canary"] = FAULTY
    back = [made for made in running.run(20) if made.rule.startswith("guardrail: a step back")]
    assert [made.weights["canary"] for made in back] == [500]
    assert (running.newest.step, running.newest.weights["canary"]) == (0, 500)


def test_a_promoted_variant_that_breaks_on_the_way_is_excluded() -> None:
    services = {"stable": GOOD, "canary": GOOD}
    running = Simulation(release(limits={"maxStep": 500}, guardrails=[error_rate(0.05)]), services)
    running.run(2)
    running.command("promote", variant="canary")
    services["canary"] = FAULTY
    running.run(10)
    assert (running.newest.phase, running.newest.weights["stable"]) == (Phase.ROLLED_BACK, 10_000)


def test_a_promoted_variant_that_breaks_leaves_the_others_in_the_running() -> None:
    services = {"stable": GOOD, "canary": GOOD, "newer": GOOD}
    three = release(variants=("stable", "canary", "newer"), limits={"maxStep": 500}, guardrails=[error_rate(0.05)])
    running = Simulation(three, services)
    running.run(2)
    running.command("promote", variant="canary")
    services["canary"] = FAULTY
    running.run(10)
    assert running.newest.phase is Phase.PROGRESSING
    assert running.newest.weights["canary"] == 0
    assert running.newest.weights["newer"] >= 100


def test_a_pause_on_the_way_to_all_traffic_holds_and_resume_goes_on() -> None:
    running = world()
    running.command("promote", variant="canary")
    running.command("pause")
    running.run(5)
    assert running.newest.weights["canary"] == 2_000
    running.command("resume")
    running.run(10)
    assert running.newest.phase is Phase.PROMOTED


def test_a_rule_names_who_did_it_and_why() -> None:
    running = EvidenceRig()
    running.apply(release())
    made = decision(running.append(Command(release="checkout", action="abort", reason="smoke", actor="ada")))
    assert (made.rule, made.reasons) == ("abort by ada: smoke", ["abort by ada: smoke"])


def test_a_release_that_was_rolled_back_says_so_in_words() -> None:
    running = world(CANARY)
    running.run(5)
    running.command("abort", reason="smoke")
    assert [made.rule for made in running.run(12)] == ["rolled back: what it still sees"]


def test_a_release_that_is_over_still_shows_what_it_sees_now_and_then() -> None:
    running = world(CANARY)
    running.run(30)
    over = [made for made in running.run(30) if made.phase is Phase.PROMOTED]
    assert [made.rule for made in over] == ["promoted: what it still sees"] * 3
    assert [after.time_ms - before.time_ms for before, after in pairwise(over)] == [10_000] * 2
    assert running.newest.time_ms > NOW_MS
