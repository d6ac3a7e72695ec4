"""What comes of guardrails that fail, one rule at a time."""

from typing import Any

import pytest

from engine.builders import Json, content, error_rate, latency, release
from engine.guard_rig import GuardRig, routed
from trimtab.engine.guard import REQUESTS_AFTER_S
from trimtab.engine.movement import Movement
from trimtab.engine.observed import STALE_S
from trimtab.engine.reaction import Reaction
from trimtab.engine.release_state import ReleaseState
from trimtab.engine.sizing import Sizing
from trimtab.engine.sketch import bucket_of_limit
from trimtab.schemas.decision import Assessment, Phase, Verdict

CANARY: Json = {"type": "canary", "steps": [1_000, 3_000], "hold": "1s"}
SCALING: Json = {
    "type": "responseTimeSlidingWindow", "upper": 300, "lower": 20, "window": "10s", "cooldown": "20s",
    "minSamples": 50, "escalation": {"type": "scaleInstances", "min": 1, "max": 3},
}  # fmt: skip
SLOW_BUCKET = bucket_of_limit(500)
WORDS = "error_rate over 10s is 0.2 against max 0.05 (ln E 7.00 >= 4.60 after 300)"


class ReactionRig(GuardRig):
    """A canary of three variants on its second step, and what acts on its guardrails."""

    def __init__(self, *rails: Json, scaling: Json | None = None, **state: Any) -> None:
        rollout = release(
            variants=("stable", "canary", "other"), strategy=CANARY, guardrails=rails, limits={"cooldown": "7s"},
            scaling=scaling,
        )  # fmt: skip
        GuardRig.__init__(self, rollout)
        began: dict[str, Any] = {"weights": [7_000, 1_500, 1_500], "step": 1, "now_ms": 50_000}
        self.state = ReleaseState(**began | state)
        self.movement = Movement(self.spec, self.state)
        self.reaction = Reaction(self.state, self.movement, self.guard, Sizing(self.spec, self.evidence, {}))

    def act(self, *assessments: Assessment, blamed: dict[str, str] | None = None) -> str:
        return self.reaction.act(by_variant(*assessments), blamed or {}, [7, 8, 9])


def verdict(on_fail: str = "abort", variant: str = "canary", of: Verdict = Verdict.FAIL, **more: Any) -> Assessment:
    said: dict[str, Any] = {
        "guardrail": "error_rate over 10s", "value": 0.2, "limit": 0.05, "n": 300, "breaches": 0, "allowed_ratio": 0.0,
        "window_s": 10, "ln_evidence": 7.0, "threshold": 4.6, "samples": 300,
    }  # fmt: skip
    return Assessment(variant=variant, verdict=of, on_fail=on_fail, **said | more)


def by_variant(*assessments: Assessment) -> dict[str, list[Assessment]]:
    return {name: [one for one in assessments if one.variant == name] for name in ("stable", "canary", "other")}


def test_nothing_comes_of_what_does_not_fail() -> None:
    rig = ReactionRig()
    passes = [verdict(of=of) for of in (Verdict.PASS, Verdict.INCONCLUSIVE)]
    assert rig.act(*passes, verdict(severity="signal"), verdict(variant="stable")) == ""
    assert (rig.state.weights, rig.state.excluded) == ([7_000, 1_500, 1_500], {})


def test_a_guardrail_that_aborts_excludes_its_variant() -> None:
    rig = ReactionRig()
    assert rig.act(verdict(), verdict(value=0.3)) == f"guardrail: canary excluded, {WORDS}"
    assert (rig.state.weights, rig.state.excluded) == ([8_500, 0, 1_500], {"canary": WORDS})


def test_several_are_excluded_in_the_order_of_the_release_file() -> None:
    rig = ReactionRig()
    rule = rig.act(verdict(variant="other"), blamed={"canary": "scaling: it takes more"})
    assert rule == f"guardrail: canary excluded, scaling: it takes more; other excluded, {WORDS}"
    assert rig.state.phase is Phase.ROLLED_BACK


def test_an_abort_comes_before_everything_else() -> None:
    rig = ReactionRig()
    rig.act(verdict("pause"), verdict("stepBack"), verdict(variant="other"))
    assert (list(rig.state.excluded), rig.state.phase, rig.state.step) == (["other"], Phase.PROGRESSING, 1)


def test_a_pause_is_ordered_once() -> None:
    rig = ReactionRig()
    assert rig.act(verdict("pause")) == f"guardrail: paused, canary: {WORDS}"
    assert (rig.state.phase, rig.state.weights) == (Phase.PAUSED, [7_000, 1_500, 1_500])
    assert rig.act(verdict("pause")) == ""


def test_a_step_back_is_made_and_its_evidence_starts_anew() -> None:
    rig = ReactionRig(error_rate(0.05, onFail="stepBack"), error_rate(0.1, window="1m"))
    rig.tell(canary=content(responses=30, errors=15))
    assert rig.act(verdict("stepBack")) == f"guardrail: a step back, canary: {WORDS}"
    assert (rig.state.step, rig.state.weights, rig.state.step_responses) == (0, [9_000, 500, 500], [7, 8, 9])
    assert [one.samples for one in rig.shown()] == [0, 30]
    assert rig.act(verdict("stepBack")) == ""


def test_the_first_that_holds_back_does_and_no_other() -> None:
    rig = ReactionRig()
    rule = rig.act(verdict("hold"), verdict("pause"), verdict("stepBack", "other"))
    assert rule.startswith("guardrail: paused, canary: ")
    assert rig.state.step == 1


@pytest.mark.parametrize(
    ("moved_ms", "words"),
    [(0, ""), (43_000, ""), (43_001, "cooldown: weights are held for another 1 s"),
     (44_000, "cooldown: weights are held for another 1 s"), (44_001, "cooldown: weights are held for another 2 s"),
     (50_000, "cooldown: weights are held for another 7 s")],
)  # fmt: skip
def test_weights_are_held_for_the_rest_of_a_cooldown(moved_ms: int, words: str) -> None:
    assert ReactionRig(moved_ms=moved_ms).reaction.hold(by_variant(verdict(of=Verdict.PASS))) == words


def test_weights_are_held_for_as_long_as_a_guardrail_of_a_candidate_fails() -> None:
    rig = ReactionRig()
    assert rig.reaction.hold(by_variant(verdict(variant="stable"))) == ""
    held = rig.reaction.hold(by_variant(verdict(of=Verdict.PASS), verdict("hold", "other")))
    assert held == f"guardrail: weights are held, other: {WORDS}"


def test_weights_are_held_while_traffic_does_not_follow_them() -> None:
    rig = ReactionRig()
    assert rig.evidence.requests is not None
    rig.evidence.requests.decide(0, (5, 1), (8_000, 1_000, 1_000), {})
    rig.evidence.requests.decide(60_000, (5, 2), (7_000, 1_500, 1_500), {})
    rig.tell(stable=routed(100))
    rig.pass_s(REQUESTS_AFTER_S + 1)
    for second, kinds in ((rig.now_s, ["stale"]), (rig.now_s + STALE_S - 1, ["stale"]), (rig.now_s + STALE_S, [])):
        rig.state.now_ms = second * 1000 + 999
        assert [one.kind for one in rig.reaction.divergences()] == kinds
        assert rig.reaction.hold(by_variant()).startswith("observed: weights are held, ") is bool(kinds)


@pytest.mark.parametrize(
    ("on_fail", "severity", "phase", "asks"),
    [
        ("abort", "critical", Phase.PROGRESSING, True),
        ("abort", "critical", Phase.PAUSED, True),
        ("abort", "critical", Phase.FROZEN, False),
        ("abort", "signal", Phase.PROGRESSING, False),
        ("stepBack", "ordinary", Phase.PAUSED, True),
        ("hold", "critical", Phase.PROGRESSING, False),
        ("pause", "critical", Phase.PROGRESSING, True),
        ("pause", "critical", Phase.PAUSED, False),
    ],
)
def test_a_failure_asks_for_what_is_not_done_yet(on_fail: str, severity: str, phase: Phase, *, asks: bool) -> None:
    rails = error_rate(0.05, onFail=on_fail, severity=severity), error_rate(0.05, window="1m", onFail="hold")
    rig = ReactionRig(*rails, phase=phase)
    rig.tell(canary=content(responses=60, errors=60))
    assert rig.reaction.is_asked() is asks


def test_a_latency_that_more_instances_may_help_is_waited_for_and_judged_anew() -> None:
    rig = ReactionRig(latency(300, "p50"), error_rate(0.1), scaling=SCALING)
    slow = content({SLOW_BUCKET: 100}, requests=100, responses=100, duration_us=50_000_000)
    rig.tell(stable=slow, canary=slow)
    assert rig.act() == ""
    assert [one.samples for one in rig.shown()] == [100, 100]
    rule = rig.act(verdict(guardrail="latency_p50_ms over 10s"))
    assert rule.startswith("scaling: canary escalate before latency_p50_ms over 10s does abort, ")
    assert ([one.samples for one in rig.shown()], rig.state.excluded) == ([0, 100], {})


def test_evidence_on_latency_starts_anew_once_somebody_has_scaled() -> None:
    rig = ReactionRig(latency(50), error_rate(0.1))
    rig.tell(canary=content({9: 30}, responses=30))
    rig.reaction.start_over_on_latency()
    assert {one.guardrail: one.samples for one in rig.shown()} == {
        "latency_p99_ms over 10s": 0,
        "error_rate over 10s": 30,
    }
