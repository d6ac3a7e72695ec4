"""The explanation of a decision: all of it as a person reads it, and each figure against its own arithmetic."""

import doctest
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from control.decisions import arm, assessment, decision
from engine.builders import error_rate, latency, outcome, release, response
from engine.evidence_rig import EvidenceRig, decisions
from trimtab.control.explain import explain
from trimtab.control.limited import limited
from trimtab.control.notation import revision_text, time_text
from trimtab.engine.allocation import Bounds, allocate
from trimtab.schemas.decision import Arm, Assessment, Decision, Phase, ScaleChange, ScalingAdvice, SegmentArm, Verdict
from trimtab.schemas.ids import NO_REVISION

WHOLE = """\
checkout: revision 7.42, decided at 2023-11-14T22:13:20.123Z
replaces revision 7.40
progressing, strategy bandit
rule: guardrail: v3 excluded
also: v3 takes no traffic: it fails

Weights, in basis points
  v1: 8000 -> 7500 (-500)
  v2: 2000 -> 2500 (+500)
  together 7500 + 2500 = 10000

Limits
  a weight moves by at most 700 in one decision
  what an exclusion or an abort takes goes straight to v1, the baseline
  a candidate takes at most 4000 while the release progresses
  a variant that may take traffic keeps at least 300
  weights are chosen anew every 2s at most

What it saw
  v1, weight 7500
    rewards: 24 from 30 trials
    posterior: Beta(1 + 24, 1 + 30 - 24) = Beta(25, 7)
    mean: 25 / (25 + 7) = 0.78125
    P(best) = 0.75
    since the release began: 33 requests, 30 responses, 6 errors, 3 in flight
    last minute: errors 0.2, p50 12.5 ms, p99 40 ms
  v2, weight 2500
    rewards: 24 from 30 trials
    posterior: Beta(1 + 24, 1 + 30 - 24) = Beta(25, 7)
    mean: 25 / (25 + 7) = 0.78125
    P(best) = 0.25
    since the release began: 33 requests, 30 responses, 6 errors, 3 in flight
    last minute: errors 0.2, p50 12.5 ms, p99 40 ms

What it concluded
  error_rate over 10s of v2: fail
    value 0.2, max 0.05, over the last 10 s
    6 of 30 responses breach, a share of 0.2; 0.05 is allowed
    ln E = 7.25 after 30 samples since the test began
    it fails from ln(1 / 0.001) = 6.90775 on; what keeps the bound ever gets there with a
    probability of 0.001 at most
    fail, for ln evidence of harm 7.25, which reaches 6.91
    critical, on a fail: abort

What it rests on
  evidence up to offset 41, which is revision 42 less one
  telemetry partition 0 up to offset 3
  telemetry partition 2 up to offset 9
  63 events counted, 1 late, 2 dead-lettered
"""


def text(made: Decision, replaced: Decision | None = None) -> str:
    return "\n".join(explain(made, replaced)) + "\n"


def test_a_whole_decision_reads_like_this() -> None:
    rule = "guardrail: v3 excluded"
    made = decision(rule=rule, reasons=[rule, "v3 takes no traffic: it fails"])
    limits = {"minWeight": 300, "maxWeight": 4_000, "maxStep": 700}
    applied = release(variants=("v1", "v2"), limits=limits, strategy={"type": "bandit", "interval": "2s"})
    before = decision(revision=40, weights={"v1": 8_000, "v2": 2_000})
    assert "\n".join(explain(made, before, limited(applied.document()))) + "\n" == WHOLE


def test_every_field_of_a_decision_is_told() -> None:
    """A field that is added has to be given words, too."""
    assert set(Assessment.__struct_fields__) == {
        "guardrail", "variant", "verdict", "value", "limit", "n", "breaches", "allowed_ratio", "window_s", "bound",
        "ln_evidence", "threshold", "samples", "reason", "severity", "on_fail",
    }  # fmt: skip
    assert set(Arm.__struct_fields__) == {
        "variant", "weight", "excluded", "trials", "reward_sum", "alpha", "beta", "mean", "probability_best",
        "requests", "responses", "errors", "in_flight", "error_ratio", "p50_ms", "p99_ms",
        "prior_trials", "prior_reward_sum", "scale", "degrees", "reward_square_sum",
        "metrics", "segments", "maturing", "outside", "unjoined", "target",
    }  # fmt: skip
    assert set(SegmentArm.__struct_fields__) == {
        "weight", "trials", "reward_sum", "requests", "responses", "errors", "error_ratio", "p50_ms", "p99_ms",
        "metrics", "target",
    }  # fmt: skip


def test_what_is_not_rewarded_yet_or_ever_is_told() -> None:
    told = text(decision(arms=[arm(maturing=40, outside=2)], assessments=[]))
    assert "rewards: 24 from 30 trials, 40 requests wait for outcomes, 2 outcomes came too late" in told
    assert "repetitions" not in told


def test_the_first_decision_replaces_nothing_and_moves_nothing() -> None:
    told = text(decision(replaces=NO_REVISION, arms=[], assessments=[]))
    assert "replaces nothing: it is the first" in told
    assert "  v1: 7500\n  v2: 2500\n  together" in told
    assert "What it saw" not in told
    assert "not known" not in told


def test_a_replaced_decision_that_is_not_at_hand_is_not_guessed() -> None:
    assert "where they were before, in revision 7.40, is not known here" in text(decision())


def test_variants_that_come_and_go_move_from_and_to_nothing() -> None:
    told = text(decision(), decision(revision=40, weights={"v1": 7_500, "v0": 2_500}))
    assert "  v1: 7500, as before\n  v2: 0 -> 2500 (+2500)\n  v0: 2500 -> 0 (-2500)\n" in told


def test_a_canary_tells_its_step_counted_from_one() -> None:
    told = text(decision(strategy="canary", step=2, phase=Phase.PAUSED))
    assert "paused, strategy canary, step 3" in told


def test_limits_of_a_canary_have_no_floor() -> None:
    applied = release(strategy={"type": "canary", "steps": [1_000]})
    told = "\n".join(explain(decision(), None, limited(applied.document())))
    assert "keeps at least" not in told
    assert "a weight moves by at most 2000" in told


def test_an_excluded_arm_says_why() -> None:
    assert "v2, weight 2500, takes no traffic: too slow" in text(decision(arms=[arm(excluded="too slow")]))


def test_a_minimised_objective_shows_how_the_counts_are_turned_around() -> None:
    told = text(decision(arms=[arm(alpha=7.0, beta=25.0, mean=7 / 32)]))
    assert "Beta(1 + 30 - 24, 1 + 24) = Beta(7, 25), turned around: less is better" in told


def test_a_prior_is_told_apart_from_what_was_seen() -> None:
    believed: dict[str, Any] = {"prior_trials": 10.0, "prior_reward_sum": 4.0}
    told = text(decision(arms=[arm(alpha=29.0, beta=13.0, **believed)]))
    assert "Beta(1 + 24 + 4, 1 + 6 + 6), of which the last are the prior's = Beta(29, 13)" in told
    turned = text(decision(arms=[arm(alpha=13.0, beta=29.0, **believed)]))
    assert "Beta(1 + 6 + 6, 1 + 24 + 4), of which the last are the prior's, turned around: less is better = " in turned


def test_real_values_are_told_as_students_t() -> None:
    told = text(decision(arms=[arm(alpha=0.0, beta=0.0, mean=31.5, scale=0.25, degrees=32.0, prior_trials=5.0)]))
    assert "posterior: Student's t of 32 degrees, scale 0.25, 5 trials believed besides\n    mean: 31.5\n" in told


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_mean_and_scale_of_real_values_come_from_the_figures_beside_them(goal: str) -> None:
    rig, rng = EvidenceRig(), np.random.default_rng(4)
    objective = {"metric": "rating", "values": "real", "goal": goal}
    rig.apply(release(objective=objective, strategy={"type": "bandit", "policy": {"type": "thompson"}}))
    for _ in range(3):
        rig.now_ms += 1_000
        events = [
            outcome(variant, rig.now_ms, metric="rating", value=float(rng.normal(mean, 1.0)))
            for variant, mean in (("stable", 40.0), ("canary", 39.0))
            for _ in range(20)
        ]
        rig.bring(*events)
    told = text(decisions(rig.replay())[-1])
    sums = re.findall(r"mean: (-?)\((\S+) \+ (\S+)\) / \(1 \+ (\d+)\) = (\S+), from .* on(.*)", told)
    assert len(sums) == 2
    for sign, start, total, n, mean, turned in sums:
        assert float(mean) == pytest.approx(float(sign + "1") * (float(start) + float(total)) / (1 + int(n)), rel=1e-5)
        assert (sign, turned) == (("-", ", turned around: less is better") if goal == "minimize" else ("", ""))
    scales = re.findall(r"scale: sqrt\((.*)\) = (\S+), where\n +(.*) = (\S+), from", told)
    assert len(scales) == 2
    for under, scale, parts, rate in scales:
        assert by_hand(under) ** 0.5 == pytest.approx(float(scale), rel=1e-4)
        assert by_hand(parts) == pytest.approx(float(rate), rel=1e-3)


def by_hand(told: str) -> float:
    """What a sum comes to that stands in an explanation."""
    assert re.fullmatch(r"[\d.()+/x^ -]+", told)
    return float(eval(told.replace("x", "*").replace("^", "**")))  # noqa: S307 - digits and signs, as asserted


def test_a_great_sum_is_told_with_all_that_the_mean_takes_of_it() -> None:
    told = text(decision(arms=[arm(trials=3_000_000, reward_sum=1_234_567.5, alpha=1_234_568.5, beta=1_765_433.5)]))
    assert "Beta(1 + 1234567.5, 1 + 3000000 - 1234567.5) = Beta(1234568.5, 1765433.5)" in told


def test_advice_on_scaling_is_told_with_its_numbers() -> None:
    advice = ScalingAdvice(
        variant="v2", action="escalate", reason="both are slow", value_ms=410.5, n=120, baseline_ms=400.0,
        baseline_n=300,
        changes=[ScaleChange("instances", 1, 2), ScaleChange("cpu", 500, 1_000, "database")],
        quiet_until_ms=1_700_000_600_000,
    )  # fmt: skip
    told = text(decision(scaling=[advice]))
    assert "Scaling\n  v2: escalate, for both are slow\n" in told
    assert "response time 410.5 ms after 120 responses, the baseline 400 ms after 300" in told
    assert "instances: 1 -> 2\n    cpu of database: 500 -> 1000\n    nothing more before 2023-11-14T22:23:20" in told


def test_limits_that_are_not_there_by_default_are_told() -> None:
    said = {"holdout": 300, "hysteresis": 40, "cooldown": "30s"}
    own = ({"name": "v1"}, {"name": "v2", "minWeight": 5, "maxWeight": 50})
    told = "\n".join(
        explain(decision(), None, limited(release(variants=("v1", "v2"), limits=said, own=own).document()))
    )
    assert "v1 keeps at least 300, the holdout, also after a promotion" in told
    assert "after a move weights stay where they are for 30s" in told
    assert "a move of less than 40 in every weight is not made" in told
    assert "v2 keeps at least 5\n  v2 takes at most 50" in told


def test_a_posterior_that_is_not_that_of_plain_counts_is_shown_without_a_formula() -> None:
    assert "posterior: Beta(12.5, 4)\n" in text(decision(arms=[arm(alpha=12.5, beta=4.0)]))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((None, None, None), "last minute: no responses"),
        ((0.0, None, 40.0), "last minute: errors 0, p50 unknown, p99 40 ms"),
    ],
)
def test_what_was_not_seen_in_the_last_minute_is_not_told_as_zero(values: tuple[float | None, ...], words: str) -> None:
    ratio, p50, p99 = values
    assert words in text(decision(arms=[arm(error_ratio=ratio, p50_ms=p50, p99_ms=p99)]))


@pytest.mark.parametrize("verdict", list(Verdict))
def test_a_verdict_says_why(verdict: Verdict) -> None:
    assert f"{verdict}, for 3 of 20 samples" in text(
        decision(assessments=[assessment(verdict=verdict, reason="3 of 20 samples")])
    )


def test_a_bound_relative_to_the_baseline_has_no_window_and_no_share_of_its_own() -> None:
    told = text(decision(assessments=[assessment(bound="maxRatio", value=1.75, limit=1.5, allowed_ratio=0.0)]))
    assert "value 1.75, maxRatio 1.5, since the test began" in told
    assert "responses breach" not in told


def test_a_guardrail_that_saw_nothing_has_no_value_and_no_share() -> None:
    nothing = assessment(verdict=Verdict.INCONCLUSIVE, value=None, n=0, breaches=0)
    told = text(decision(assessments=[nothing]))
    assert "value unknown, for nothing was seen, max 0.05" in told
    assert "0 of 0 responses breach; 0.05 is allowed" in told


def test_without_telemetry_it_says_so() -> None:
    silent = msgspec.structs.replace(decision().seen, sources={})
    assert "no telemetry yet" in text(decision(seen=silent))


def test_what_the_engine_decided_comes_out_as_the_explanation_says() -> None:
    running = EvidenceRig()
    applied = release(guardrails=[error_rate(0.2, min_samples=5), latency(100, "p90", min_samples=5)])
    running.apply(applied)
    for _ in range(3):
        running.now_ms += 1_000
        bad = [response("canary", running.now_ms, status=500, duration_ms=400.0)] * 3
        running.bring(*bad, *[response(variant, running.now_ms) for variant in ("stable", "canary") for _ in range(9)])
    made = decisions(running.replay())
    told = "\n".join(explain(made[-1], made[-2], limited(applied.document())))
    for known in made[-1].arms:
        assert f"Beta(1 + {known.reward_sum:g}, 1 + {known.trials} - {known.reward_sum:g})" in told
    assert made[-1].assessments
    for found in made[-1].assessments:
        assert f"ln E = {found.ln_evidence:.6g} after {found.samples} samples" in told
        assert f"{found.verdict}, for {found.reason}" in told


def test_instants_and_revisions_are_written_as_elsewhere() -> None:
    assert time_text(0) == "1970-01-01T00:00:00.000Z"
    assert revision_text((7, 42)) == "7.42"


def known(**changes: object) -> SegmentArm:
    made = SegmentArm(
        weight=4_000, trials=20, reward_sum=5.0, requests=22, responses=20, errors=1, error_ratio=0.05, p50_ms=8.0,
        p99_ms=None,
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def test_metrics_and_segments_are_told_of_a_variant_that_has_some() -> None:
    shown = arm(metrics={"experience": 0.875, "paid": None}, segments={"mobile": known(metrics={"paid": 2.5})})
    lines = explain(decision(arms=[shown]), None)
    start = lines.index("    metrics, last minute: experience 0.875, paid unknown")
    assert lines[start + 1 : start + 4] == [
        "    in mobile, weight 4000: rewards 5 from 20 trials, 22 requests, 20 responses, 1 errors",
        "      last minute: errors 0.05, p50 8 ms, p99 unknown",
        "      metrics, last minute: paid 2.5",
    ]


def test_the_weights_of_segments_are_told_with_where_they_were() -> None:
    made = decision(segments={"mobile": {"v1": 4_000, "v2": 6_000}})
    before = decision(revision=40, weights={"v1": 8_000, "v2": 2_000})
    title = "Weights of segments, in basis points"
    lines = explain(made, before)
    assert lines[lines.index(title) + 1 :][:2] == [
        "  mobile: v1 8000 -> 4000, v2 2000 -> 6000; together 10000",
        "  traffic of any other segment has the weights above",
    ]
    held = explain(made, made)
    assert held[held.index(title) + 1] == "  mobile: v1 4000, v2 6000; together 10000"
    alone = explain(made, None)
    assert alone[alone.index(title) + 1] == "  mobile: v1 4000, v2 6000; together 10000"
    assert title not in explain(decision(), before)


def test_the_arithmetic_in_the_document_is_what_the_engine_does() -> None:
    document = Path(__file__).parents[2] / "docs" / "replay.md"
    found = doctest.testfile(str(document), module_relative=False)
    assert found.attempted > 0
    assert found.failed == 0


def test_weights_come_from_what_the_strategy_wanted_by_the_limits_alone() -> None:
    running = EvidenceRig()
    running.apply(release(strategy={"type": "bandit", "interval": "1s"}, limits={"maxStep": 700}))
    for _ in range(12):
        running.now_ms += 1_000
        bad = [response("stable", running.now_ms, status=500)] * 3
        running.bring(*bad, *[response(variant, running.now_ms) for variant in ("stable", "canary") for _ in range(20)])
    made = decisions(running.replay())
    bounds = [Bounds(100, 10_000), Bounds(100, 10_000)]
    asked = [(before, now) for before, now in pairwise(made) if now.arms[0].target is not None]
    assert len(asked) == 12
    for before, now in asked:
        targets = [known.target or 0.0 for known in now.arms]
        assert tuple(now.weights.values()) == allocate(targets, list(before.weights.values()), bounds, max_step=700)
    told = text(made[-1])
    (wanted,) = re.findall(r"the strategy wanted stable (\S+), canary (\S+), before limits", told)
    assert [float(target) for target in wanted] == [round(known.target or 0.0, 2) for known in made[-1].arms]


def test_a_decision_that_did_not_ask_the_strategy_does_not_say_what_it_wanted() -> None:
    running = EvidenceRig()
    running.apply(release(strategy={"type": "bandit", "interval": "1s"}))
    running.command("pause")
    running.now_ms += 2_000
    running.bring(*[response(variant, running.now_ms) for variant in ("stable", "canary")])
    for made in decisions(running.replay()):
        assert [known.target for known in made.arms] == [None, None]
        assert "wanted" not in text(made)


def test_what_the_strategy_wanted_in_a_segment_is_told_with_its_weights() -> None:
    targets = {"v1": 2_000.0, "v2": 8_000.0}
    seen = SegmentArm(
        weight=5_000,
        trials=1,
        reward_sum=1.0,
        requests=1,
        responses=1,
        errors=0,
        error_ratio=0.0,
        p50_ms=1.0,
        p99_ms=1.0,
    )
    arms = [
        arm(name, target=target / 2, segments={"eu": msgspec.structs.replace(seen, target=target)})
        for name, target in targets.items()
    ]
    told = text(decision(arms=arms, segments={"eu": {"v1": 5_000, "v2": 5_000}}))
    assert "  the strategy wanted v1 1000.00, v2 4000.00, before limits\n" in told
    assert (
        "  eu: the strategy wanted v1 2000.00, v2 8000.00, before limits\n  eu: v1 5000, v2 5000; together 10000"
        in told
    )
