"""A promotion that waits for confirmation: what waits, what lets it go on, and what makes it lapse."""

from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from engine.builders import Json, error_rate, release, response
from engine.evidence_rig import EvidenceRig, decision, decisions
from trimtab.engine.confirmation import unconfirmed
from trimtab.engine.release import ReleaseFold
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.strategy.situation import Move
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.evidence import Command
from trimtab.schemas.release import Release

HOOKS = {"confirmPromotion": "ci"}
WAITS = "confirmation: weights are held, the promotion of canary is waiting for confirmation by ci"
CANARY: Json = {"type": "canary", "steps": [5_000], "hold": "2s", "minResponses": 10, "advance": "time"}
BLUE_GREEN: Json = {"type": "blueGreen", "preview": 1_000, "verify": "2s", "watch": "2s", "minResponses": 10}


def under(strategy: Json = CANARY, guardrails: Sequence[Json] = ()) -> Release:
    return release(strategy=strategy, hooks=HOOKS, limits={"maxStep": 10_000}, guardrails=guardrails)


def run(rig: EvidenceRig, seconds: int, *, status: int = 200) -> list[Decision]:
    made: list[Decision] = []
    for _ in range(seconds):
        events = [response("stable", rig.now_ms) for _ in range(30)]
        events += [response("canary", rig.now_ms, status=status) for _ in range(30)]
        made += decisions([rig.bring(*events), rig.wait(1_000)])
    return made


def waiting(strategy: Json = CANARY, guardrails: Sequence[Json] = ()) -> tuple[EvidenceRig, Decision]:
    rig = EvidenceRig()
    rig.apply(under(strategy, guardrails))
    return rig, run(rig, 8)[-1]


def test_the_last_step_waits_and_weights_are_held() -> None:
    _, held = waiting()
    assert (held.rule, held.awaits, held.weights["canary"]) == (WAITS, "canary", 5_000)
    assert held.phase is Phase.PROGRESSING


def test_what_is_confirmed_goes_on_and_a_replay_does_too() -> None:
    rig, _ = waiting()
    confirmed = decision(rig.command("confirm"))
    assert (confirmed.awaits, confirmed.weights["canary"]) == ("", 5_000)
    over = run(rig, 3)[-1]
    assert (over.phase, over.weights["canary"]) == (Phase.PROMOTED, 10_000)
    assert decisions(rig.replay())[-1] == over


def test_a_switch_of_blue_and_green_waits_and_its_end_does_not() -> None:
    rig, held = waiting(BLUE_GREEN)
    assert (held.rule, held.awaits, held.weights["canary"], held.step) == (WAITS, "canary", 1_000, 0)
    rig.command("confirm", variant="canary")
    assert run(rig, 10)[-1].phase is Phase.PROMOTED


def test_a_baseline_that_stays_waits_for_nobody() -> None:
    rig = EvidenceRig()
    rig.apply(under())
    assert run(rig, 12, status=500)[-1].phase is Phase.ROLLED_BACK


def test_a_step_that_a_person_ends_says_that_its_end_waits() -> None:
    rig, _ = waiting()
    made = decision(rig.append(Command(release="checkout", action="promote", full=False)))
    assert (made.rule, made.awaits) == (f"promote by an operator: {WAITS}", "canary")


def test_guardrails_do_not_wait() -> None:
    rig, _ = waiting(guardrails=[error_rate(0.05)])
    rig.command("confirm")
    assert run(rig, 1, status=500)[-1].phase is Phase.ROLLED_BACK


def test_what_nobody_waits_for_cannot_be_confirmed() -> None:
    rig = EvidenceRig()
    rig.apply(under())
    none = "confirm: release checkout: no promotion waits for confirmation"
    assert rig.command("confirm").rejected == none
    run(rig, 8)
    wrong = rig.command("confirm", variant="stable").rejected
    assert wrong == "confirm: release checkout: the promotion of canary waits for confirmation"
    rig.command("pause")
    assert rig.command("confirm").rejected == none
    rig.command("resume")
    assert decision(rig.command("confirm")).rule == "confirm by an operator"
    assert rig.command("confirm").rejected == none


def test_a_person_who_promotes_to_the_end_needs_none() -> None:
    rig, _ = waiting()
    promoted = decision(rig.command("promote"))
    assert (promoted.phase, promoted.awaits) == (Phase.PROMOTED, "")


def test_a_confirmation_lapses_where_the_gate_closes_again() -> None:
    rig, _ = waiting({**CANARY, "advance": "evidence"}, guardrails=[error_rate(0.5, minSamples=1)])
    state = rig.ledger.releases["checkout"]._state
    assert state.awaits == "canary"
    rig.command("confirm")
    assert state.confirmed == "canary"
    state.step_began_ms = rig.now_ms  # as if the step had just begun: its gate is closed
    run(rig, 1)
    assert (state.confirmed, state.awaits) == ("", "")


def test_without_a_hook_nothing_waits() -> None:
    rig = EvidenceRig()
    rig.apply(release(strategy=CANARY, limits={"maxStep": 10_000}))
    made = run(rig, 12)
    assert {one.awaits for one in made} == {""}
    assert made[-1].phase is Phase.PROMOTED


def test_a_confirmation_of_one_variant_is_none_of_another_and_does_not_come_back() -> None:
    spec = release(variants=("stable", "canary", "other"), strategy=CANARY, hooks=HOOKS).spec
    state = ReleaseState(ready="canary", confirmed="canary")
    other = Move((0.0, 0.0, 10_000.0), "canary: all steps passed", chosen=2)
    assert unconfirmed(spec, state, other) == WAITS.replace("canary", "other")
    assert (state.awaits, state.confirmed) == ("other", "")
    canary = Move((0.0, 10_000.0, 0.0), "canary: all steps passed", chosen=1)
    assert unconfirmed(spec, state, canary) == WAITS


def test_another_file_starts_without_a_confirmation() -> None:
    rig, _ = waiting()
    rig.command("confirm")
    rig.apply(under({**CANARY, "hold": "1s"}))
    assert run(rig, 8)[-1].awaits == "canary"


def test_a_snapshot_keeps_what_was_confirmed() -> None:
    rig, _ = waiting()
    rig.command("confirm")
    fold = ReleaseFold.restore(rig.ledger.releases["checkout"].snapshot())
    assert (fold._state.ready, fold._state.confirmed) == ("canary", "canary")


@pytest.mark.parametrize(
    ("hooks", "strategy", "words"),
    [
        ({"confirmPromotion": "http://10.0.0.1/"}, CANARY, "String should match pattern"),
        ({"confirmPromotion": {"url": "http://10.0.0.1/"}}, CANARY, "valid string"),
        ({"url": "http://10.0.0.1/"}, CANARY, "Extra inputs"),
        (HOOKS, {"type": "bandit"}, "hooks.confirmPromotion: bandit promotes nothing"),
        (HOOKS, {"type": "shadow", "duration": "1m"}, "hooks.confirmPromotion: shadow promotes nothing"),
    ],
)
def test_a_hook_is_named_and_never_addressed(hooks: Json, strategy: Json, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        release(strategy=strategy, hooks=hooks)


def test_a_hook_of_a_shadow_release_asks_about_what_comes_after_it() -> None:
    shadow: Json = {"type": "shadow", "then": CANARY}
    assert release(strategy=shadow, hooks=HOOKS).spec.hooks.confirm_promotion == "ci"
    with pytest.raises(ValidationError, match=r"hooks\.confirmPromotion: bandit promotes nothing"):
        release(strategy={**shadow, "then": {"type": "bandit"}}, hooks=HOOKS)
