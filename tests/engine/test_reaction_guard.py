"""Our own reaction time as a guardrail: what workers tell in the evidence log holds the weights, in a replay too."""

import pytest
from pydantic import ValidationError

from engine.builders import release, response
from engine.evidence_rig import EvidenceRig, decision, decisions
from trimtab.engine.ledger import Ledger
from trimtab.engine.reaction_guard import ReactionGuard
from trimtab.engine.release import ReleaseFold
from trimtab.schemas.decision import Assessment, Decision, Phase, Verdict
from trimtab.schemas.evidence import Reactions
from trimtab.schemas.release import Release

RAIL = {"metric": "reaction_time", "max": 500, "minSamples": 10, "window": "10s"}


def under(**more: object) -> Release:
    return release(guardrails=[RAIL | more])


def told(*took_ms: int, waiting_ms: int = 0) -> Reactions:
    return Reactions(release="checkout", took_ms=list(took_ms), waiting_ms=waiting_ms)


def guard(*, now_s: int = 100, **more: object) -> ReactionGuard:
    made = ReactionGuard(under(**more).spec)
    made.advance(now_s)
    return made


def said(of: ReactionGuard) -> Assessment:
    (found,) = of.assess("canary")
    return found


@pytest.mark.parametrize(
    ("took_ms", "verdict"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([9_000] * 9, Verdict.INCONCLUSIVE),
        ([500] * 10, Verdict.PASS),
        ([*[200] * 99, 501], Verdict.PASS),
        ([*[200] * 98, 501, 501], Verdict.FAIL),
    ],
    ids=["none", "too-few", "as-slow-as-the-bound", "as-many-as-allowed", "one-more"],
)
def test_it_fails_where_more_than_the_allowed_share_is_slower(took_ms: list[int], verdict: Verdict) -> None:
    it = guard()
    it.take(told(*took_ms), 100)
    assert said(it).verdict is verdict
    assert it.fails() == (verdict is Verdict.FAIL)
    assert not it.fails(), "it was asked already"


def test_what_is_shown_is_the_slowest_and_how_many_were_too_slow() -> None:
    it = guard(severity="signal")
    it.take(told(*[200] * 20, 900, 700), 100)
    assert said(it) == Assessment(
        guardrail="reaction_time over 10s", variant="canary", verdict=Verdict.FAIL, value=900.0, limit=500.0, n=22,
        breaches=2, allowed_ratio=0.01, window_s=10, samples=22, reason="2 of 22 reactions took longer than 500 ms",
        severity="signal", on_fail="hold",
    )  # fmt: skip
    assert it.assess("stable") == []


def test_an_event_that_waits_longer_than_the_bound_is_a_slow_reaction() -> None:
    it = guard()
    it.take(told(*[200] * 10, waiting_ms=500), 100)
    assert (said(it).verdict, said(it).n) == (Verdict.PASS, 10)
    it.take(told(waiting_ms=1_500), 101)
    assert (said(it).verdict, said(it).value) == (Verdict.FAIL, 1_500.0)


def test_it_is_well_again_when_slow_reactions_have_left_the_window() -> None:
    it = guard()
    it.take(told(*[900] * 10), 100)
    it.take(told(*[200] * 10), 105)
    it.advance(109)
    assert said(it).verdict is Verdict.FAIL
    assert not it.is_settled
    it.advance(110)
    assert said(it).verdict is Verdict.PASS
    it.advance(115)
    assert said(it).reason == "no reaction was told of for 10 s"
    assert it.is_settled


def test_each_guardrail_has_a_window_of_its_own_and_a_muted_one_none() -> None:
    of = release(guardrails=[RAIL, RAIL | {"window": "1m", "max": 100}, RAIL | {"window": "30s", "severity": "muted"}])
    it = ReactionGuard(of.spec)
    it.take(told(*[200] * 10), 100)
    it.advance(109)
    assert [(one.window_s, one.n) for one in it.assess("canary")] == [(10, 10), (60, 10)]
    it.advance(110)
    assert [(one.window_s, one.n) for one in it.assess("canary")] == [(10, 0), (60, 10)]


def test_what_is_told_later_is_of_later_whoever_lets_time_pass() -> None:
    it = guard()
    it.take(told(*[900] * 10), 100)
    it.take(told(*[200] * 10), 130)
    assert (said(it).verdict, said(it).n) == (Verdict.PASS, 10)


def test_who_acts_on_one_guardrail_acts_on_what_was_told() -> None:
    it = ReactionGuard(release(guardrails=[RAIL, RAIL | {"window": "1m", "onFail": "pause"}]).spec)
    it.take(told(*[900] * 10), 100)
    assert len(it.failing()) == 2
    it.start_over(lambda rail: rail.on_fail == "pause")
    assert not it.failing()


def test_without_such_a_guardrail_nothing_is_kept() -> None:
    it = ReactionGuard(release().spec)
    it.take(told(900), 100)
    assert (it.is_on, it.is_settled, it.fails(), it.failing(), it.snapshot()) == (False, True, False, [], {})
    it.restore({"told": [[1, [2], 3]]})
    assert it.is_settled


def test_a_snapshot_goes_on_as_what_it_is_of() -> None:
    it = guard()
    it.take(told(*[900] * 10), 100)
    again = guard(now_s=0)
    again.restore(it.snapshot())
    assert (again.snapshot(), again.fails()) == (it.snapshot(), True)
    it.start_over(lambda rail: rail.on_fail == "pause")
    assert it.failing()
    it.start_over(lambda rail: rail.on_fail == "hold")
    assert not it.failing()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"max": 0}, "greater than 0"),
        ({"max": None}, "valid number"),
        ({"onFail": "abort"}, "'pause' or 'hold'"),
        ({"window": "15m"}, "expected at most 5m"),
        ({"window": "7s"}, "expected one of"),
        ({"allowed": 1}, "less than 1"),
        ({"confidence": 0.9}, "Extra inputs"),
    ],
    ids=["no-time", "no-bound", "abort", "window-too-long", "no-window", "everything-allowed", "no-test"],
)
def test_what_cannot_be_is_refused(more: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        under(**more)


def run(rig: EvidenceRig, seconds: int, took_ms: int) -> list[Decision]:
    """Healthy traffic; each second ten reactions are told that took so long."""
    made: list[Decision] = []
    for _ in range(seconds):
        events = [response(variant, rig.now_ms) for variant in ("stable", "canary") for _ in range(20)]
        made += decisions([rig.bring(*events), rig.append(told(*[took_ms] * 10)), rig.wait(1_000)])
    return made


def test_weights_are_held_for_as_long_as_it_fails_and_a_replay_holds_them_too() -> None:
    rig = EvidenceRig()
    rig.apply(under())
    held = run(rig, 5, 900)[-1]
    assert held.rule.startswith("guardrail: weights are held, canary: reaction_time over 10s has "), held.rule
    assert held.rule.endswith(" above 500, the slowest 900, 0.01 of them allowed")
    assert held.weights["canary"] == 0
    well = run(rig, 15, 100)[-1]
    assert well.weights["canary"] > 0
    assert decisions(rig.replay())[-1] == well


def test_it_may_pause_the_release_until_somebody_resumes_it() -> None:
    rig = EvidenceRig()
    rig.apply(under(onFail="pause"))
    paused = run(rig, 3, 900)[-1]
    assert paused.phase is Phase.PAUSED
    assert decision(rig.command("resume")).phase is Phase.PROGRESSING
    assert run(rig, 3, 100)[-1].phase is Phase.PROGRESSING


def test_a_release_that_does_not_exist_has_no_reactions() -> None:
    rig = EvidenceRig()
    rig.apply(under())
    assert rig.append(Reactions(release="ghost", took_ms=[1])).rejected == "reactions: no release 'ghost'"


def test_what_is_read_again_changes_nothing() -> None:
    rig = EvidenceRig()
    rig.apply(under())
    run(rig, 2, 900)
    fold = ReleaseFold.restore(rig.ledger.releases["checkout"].snapshot())
    assert fold.wants_reactions
    again = Ledger.restore([], [[fold.snapshot()]])
    was = fold.snapshot()
    again.advance(fold.offset, rig.now_ms, told(*[1] * 10))
    assert again.releases["checkout"].snapshot() == was
