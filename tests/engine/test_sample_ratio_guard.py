"""The sample ratio of a release: requests by revision against the weights of that revision."""

from collections.abc import Mapping

import pytest

from engine.builders import release, request, response
from engine.evidence_rig import EvidenceRig, decisions
from trimtab.schemas.decision import Assessment, Decision, Phase, Verdict
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Request

RATIO = {"metric": "sample_ratio"}


def split(canary: int = 5_000, **more: object) -> Release:
    return release(
        strategy={"type": "abTest", "split": {"stable": 10_000 - canary, "canary": canary}}, guardrails=[RATIO | more],
        limits={"maxStep": 10_000},
    )  # fmt: skip


def routed(variant: str, time_ms: int, by: Decision) -> Request:
    return Request(release="checkout", variant=variant, time_ms=time_ms, era=by.era, revision=by.revision)


def run(rig: EvidenceRig, seconds: int, counts: Mapping[str, int], *, knows: bool = True) -> list[Decision]:
    """Traffic of so many requests a second, routed by the newest decision."""
    made: list[Decision] = decisions(rig.wait(0))
    newest = getattr(rig, "newest", None)
    for _ in range(seconds):
        events = [
            routed(variant, rig.now_ms, newest) if knows and newest else request(variant, rig.now_ms)
            for variant, n in counts.items()
            for _ in range(n)
        ]
        for one in decisions([rig.bring(*events), rig.wait(1_000)]):
            newest = one
            made.append(one)
    rig.newest = newest  # type: ignore[attr-defined]
    return made


def ratio_of(made: Decision) -> Assessment:
    (assessment,) = [one for one in made.assessments if one.guardrail == "sample_ratio"]
    return assessment


@pytest.mark.parametrize("window", ["10s", "30s", "1h"])
def test_requests_that_keep_the_shares_pass(window: str) -> None:
    rig = EvidenceRig()
    rig.apply(split(window=window))
    run(rig, 3, {"stable": 10})
    last = run(rig, 40, {"stable": 50, "canary": 50})[-1]
    assert (ratio_of(last).verdict, last.phase) == (Verdict.PASS, Phase.PROGRESSING)
    assert ratio_of(last).value == pytest.approx(1.0, abs=0.05)
    assert ratio_of(last).samples > 3_000


def test_a_variant_that_misses_requests_pauses_the_release() -> None:
    rig = EvidenceRig()
    rig.apply(split())
    run(rig, 3, {"stable": 10})
    made = run(rig, 40, {"stable": 50, "canary": 35})
    paused = next(one for one in made if one.phase is Phase.PAUSED)
    assert paused.rule.startswith("guardrail: paused, canary: sample_ratio is 0.7865 against ratio 1")
    assert ratio_of(paused).bound == "ratio"
    assert ratio_of(paused).threshold == pytest.approx(6.908, abs=0.001)


def test_a_ratio_that_fails_is_nobodys_failure_where_no_candidate_is_left() -> None:
    rig = EvidenceRig()
    rig.apply(split())
    run(rig, 3, {"stable": 10})
    run(rig, 40, {"stable": 50, "canary": 35})
    guard = rig.ledger.releases["checkout"]._course.guard
    assert [one.metric for one in guard.failing(["canary"])] == ["sample_ratio"]
    assert list(guard.failing([])) == []


def test_resuming_looks_anew() -> None:
    rig = EvidenceRig()
    rig.apply(split())
    run(rig, 3, {"stable": 10})
    run(rig, 40, {"stable": 50, "canary": 35})
    resumed = decisions(rig.command("resume"))[-1]
    assert ratio_of(resumed).samples < 1_000
    assert run(rig, 30, {"stable": 50, "canary": 50})[-1].phase is Phase.PROGRESSING


def test_weights_that_move_are_no_mismatch_when_requests_say_who_routed_them() -> None:
    rig = EvidenceRig()
    rig.apply(release(strategy={"type": "canary", "steps": [1_000, 5_000], "hold": "10s"}, guardrails=[RATIO]))
    newest, seen = list[Decision](), list[int]()
    for _ in range(30):
        shares = newest[-1].weights if newest else {"stable": 10_000, "canary": 0}
        names = [name for name, weight in shares.items() for _ in range(weight // 100)]
        asked = [routed(name, rig.now_ms, newest[-1]) if newest else request(name, rig.now_ms) for name in names]
        newest += decisions([rig.bring(*asked, *(response(name, rig.now_ms) for name in names)), rig.wait(1_000)])
        seen.append(newest[-1].weights["canary"])
    assert len(set(seen)) > 1, "weights moved"
    assert ratio_of(newest[-1]).verdict is not Verdict.FAIL
    assert ratio_of(newest[-1]).ln_evidence <= 1.0


def test_requests_of_unknown_revisions_say_nothing() -> None:
    rig = EvidenceRig()
    rig.apply(split())
    last = run(rig, 40, {"stable": 50, "canary": 5}, knows=False)[-1]
    assert (ratio_of(last).verdict, ratio_of(last).samples) == (Verdict.INCONCLUSIVE, 0)


def test_a_ratio_passes_no_more_once_nothing_comes() -> None:
    rig = EvidenceRig()
    rig.apply(split())
    run(rig, 3, {"stable": 10})
    run(rig, 30, {"stable": 50, "canary": 50})
    for _ in range(20):
        rig.wait(1_000)
    last = decisions(rig.command("freeze"))[-1]
    assert (ratio_of(last).verdict, ratio_of(last).reason) == (
        Verdict.INCONCLUSIVE, "no request has come for 10 s"
    )  # fmt: skip


def test_warm_up_is_left_out() -> None:
    rig = EvidenceRig()
    rig.apply(split(warmUp="20s"))
    run(rig, 3, {"stable": 10})
    run(rig, 12, {"stable": 50, "canary": 5})
    assert run(rig, 40, {"stable": 50, "canary": 50})[-1].phase is Phase.PROGRESSING


@pytest.mark.parametrize("severity", ["signal", "muted"])
def test_a_signal_shows_and_does_nothing_and_a_muted_one_is_not_looked_at(severity: str) -> None:
    rig = EvidenceRig()
    rig.apply(split(severity=severity))
    run(rig, 3, {"stable": 10})
    last = run(rig, 40, {"stable": 50, "canary": 35})[-1]
    assert last.phase is Phase.PROGRESSING
    assert [one.verdict for one in last.assessments] == ([Verdict.FAIL] if severity == "signal" else [])


def test_an_abort_takes_candidates_out() -> None:
    rig = EvidenceRig()
    rig.apply(split(onFail="abort"))
    run(rig, 3, {"stable": 10})
    last = run(rig, 40, {"stable": 50, "canary": 35})[-1]
    assert last.phase is Phase.ROLLED_BACK
