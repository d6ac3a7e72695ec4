"""Drift signals and River's policies, as a release file names them."""

from typing import Any

import pytest
import yaml

from engine.builders import Json, release
from engine.evidence_rig import EvidenceRig
from engine.segment_rig import SEGMENTED, by_segment, restored, run
from schemas.release_text import CANARY
from trimtab.engine.ledger import Ledger
from trimtab.schemas.errors import InvalidRelease
from trimtab.schemas.release_file import load
from trimtab.schemas.river_policy import RIVER_POLICIES

PAGE_HINKLEY: Json = {"detector": "pageHinkley", "minTrials": 40, "threshold": 6}
ADWIN: Json = {"detector": "adwin", "minTrials": 20, "delta": 0.2}
GOOD, BAD = 0.05, 0.8
WATCHED = ("thompson", "discounted", "sliding", "klUcb", "ucb", "epsilonGreedy")
NEEDED: dict[str, Json] = {"UCB": {"delta": 1}, "EpsilonGreedy": {"epsilon": 0.1}, "Exp3": {"gamma": 0.1}}


def share_after_a_fall(policy: Json, *, segments: bool = False) -> int:
    """Gives what the candidate has 25 s after it stopped being the better one, which it had been for two minutes."""
    rig = EvidenceRig()
    rig.apply(by_segment(policy) if segments else release(strategy={"type": "bandit", "policy": policy}))
    names = ["mobile"] if segments else [""]
    run(rig, {name: {"stable": 0.3, "canary": GOOD} for name in names}, 120)
    newest = run(rig, {name: {"stable": 0.3, "canary": BAD} for name in names}, 25)[-1]
    return newest.segments["mobile"]["canary"] if segments else newest.weights["canary"]


@pytest.mark.parametrize("drift", [PAGE_HINKLEY, ADWIN], ids=["pageHinkley", "adwin"])
def test_a_signal_lets_a_policy_that_never_forgets_let_go_of_a_fallen_arm(drift: Json) -> None:
    assert share_after_a_fall({"type": "thompson"}) > 9_000
    assert share_after_a_fall({"type": "thompson", "drift": drift}) < 1_000


def test_a_signal_acts_in_the_segment_where_it_was_seen() -> None:
    assert share_after_a_fall(SEGMENTED, segments=True) > 9_000
    assert share_after_a_fall({**SEGMENTED, "drift": PAGE_HINKLEY}, segments=True) < 1_000


def test_a_signal_that_keeps_all_changes_nothing() -> None:
    assert share_after_a_fall({"type": "thompson", "drift": {**PAGE_HINKLEY, "keep": 1}}) > 9_000


@pytest.mark.parametrize("kind", [*WATCHED, "segmented"])
def test_a_watched_policy_continues_from_a_snapshot_to_the_last_bit(kind: str) -> None:
    rig, policy = EvidenceRig(), {"type": kind, "drift": ADWIN}
    rig.apply(by_segment(policy))
    for share in (GOOD, BAD, GOOD):
        run(rig, {"mobile": {"stable": 0.3, "canary": share}, "": {"stable": 0.3, "canary": share}}, 4)
    steady, interrupted = Ledger(), Ledger()
    for offset, (at_ms, record) in enumerate(rig.log):
        assert interrupted.advance(offset, at_ms, record) == steady.advance(offset, at_ms, record)
        interrupted = restored(interrupted)


@pytest.mark.parametrize("name", RIVER_POLICIES)
def test_every_policy_of_river_steers_a_release(name: str) -> None:
    policy = {"type": "river", "policy": name, "parameters": NEEDED.get(name, {}), "pulls": 50}
    rig = EvidenceRig()
    rig.apply(release(strategy={"type": "bandit", "policy": policy}, limits={"maxStep": 10_000}))
    made = run(rig, {"": {"stable": 0.6, "canary": 0.1}}, 10)
    assert made[-1].rule == "bandit: weights follow the policy river"
    assert all(sum(one.weights.values()) == 10_000 and min(one.weights.values()) >= 100 for one in made[1:])
    if name != "RandomPolicy":
        assert sum(one.weights["canary"] for one in made[-5:]) / 5 > 5_500


def refused(policy: Json, **more: Any) -> str:
    document = yaml.safe_load(CANARY)
    document["spec"] |= {"strategy": {"type": "bandit", "policy": policy}, **more}
    with pytest.raises(InvalidRelease) as found:
        load(yaml.safe_dump(document, sort_keys=False), "f.yaml")
    return str(found.value)


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        (
            {"type": "river", "policy": "UBC"},
            "spec.strategy.policy.policy: expected a policy of river.bandit out of BayesUCB, EpsilonGreedy, Exp3,",
        ),
        (
            {"type": "river", "policy": "UCB", "parameters": {"delt": 1}},
            "policy.parameters: expected parameters of UCB out of delta, burn_in; got 'delt'; did you mean delta?",
        ),
        (
            {"type": "river", "policy": "UCB"},
            "spec.strategy.policy.parameters: UCB needs delta",
        ),
        ({"type": "segmentd"}, "expected a policy out of adaptive, thompson"),
        ({"type": "segmentd"}, "got 'segmentd'; did you mean segmented?"),
        ({"type": "segmented"}, "spec.strategy.policy: segmented needs segments, and the file names none"),
        ({"type": "thompson", "drift": {"detector": "adwim"}}, "policy.drift.detector: expected one of 'adwin'"),
        ({"type": "adaptive", "drift": {"detector": "adwin"}}, "spec.strategy.policy.drift: no such field"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_exist_is_refused_with_what_does(policy: Json, problem: str) -> None:
    assert problem in refused(policy)


def test_seconds_of_a_metric_are_not_kept_by_segment() -> None:
    parts = [{"expression": "errors / responses", "better": "low", "from": 0, "to": 1}]
    more = {"metrics": [{"name": "good", "parts": parts}], "objective": {"metric": "good"}}
    told = refused({"type": "segmented"}, segments=[{"name": "mobile"}], **more)
    assert "spec.strategy.policy: segmented: expected an objective of responses or outcomes, for seconds of a" in told
