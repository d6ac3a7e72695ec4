"""Decisions segment by segment: what is learned where, and that every limit holds in each of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import Json, error_rate, release, request, response
from engine.evidence_rig import EvidenceRig, decision, decisions
from engine.segment_rig import APART, BAYESIAN, LIN_UCB, SEGMENTED, SEGMENTS, by_segment, restored, run, traffic
from trimtab.engine.ledger import Ledger, Published
from trimtab.engine.policy.policy import Batch
from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.evidence import Command, Record, Spec
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.release import parse_document

NAMES = [str(segment["name"]) for segment in SEGMENTS]
POLICIES = pytest.mark.parametrize("policy", [SEGMENTED, BAYESIAN, LIN_UCB], ids=["segmented", "bayesian", "linUcb"])


@POLICIES
def test_each_segment_gets_the_variant_that_is_best_there(policy: Json) -> None:
    rig = EvidenceRig()
    rig.apply(by_segment(policy))
    newest = run(rig, APART, 20)[-1]
    assert list(newest.segments) == sorted(NAMES)
    assert {segment: weights["canary"] for segment, weights in newest.segments.items()} == {
        "mobile": 9_900, "tablet": 9_900, "desktop": 100,
    }  # fmt: skip
    assert newest.rule == f"bandit: weights follow the policy {policy['type']}, in each segment"
    for segment, weights in newest.segments.items():
        assert {arm.variant: arm.segments[segment].weight for arm in newest.arms} == weights


def test_metrics_of_the_release_file_are_shown_of_each_segment() -> None:
    rig = EvidenceRig()
    metrics = [
        {"name": "share", "expression": "errors / responses"},
        {"name": "paid", "expression": 'outcome("x").mean'},
    ]
    rig.apply(by_segment(metrics=metrics))
    newest = run(rig, APART, 3)[-1]
    shown = {name: {arm.variant: arm.segments[name].metrics for arm in newest.arms} for name in NAMES}
    assert shown == {
        segment: {variant: {"share": share, "paid": None} for variant, share in of_segment.items()}
        for segment, of_segment in APART.items()
    }


def test_sidecars_are_told_the_weights_of_segments() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    run(rig, APART, 3)
    rig.now_ms += 1_000
    (published,) = rig.bring(*traffic(APART, rig.now_ms)).published
    assert published.weights.segments == published.decision.segments != {}


def test_traffic_of_other_segments_counts_in_the_whole_and_has_its_own_weights() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    others = {**APART, "": {"stable": 0.1, "canary": 0.6}, "watch": {"stable": 0.1, "canary": 0.6}}
    newest = run(rig, others, 20)[-1]
    assert newest.weights == {"stable": 9_900, "canary": 100}
    assert newest.segments["mobile"]["canary"] == 9_900
    stable = newest.arms[0]
    assert stable.responses == 20 * 40 * 5
    assert {name: known.responses for name, known in stable.segments.items()} == dict.fromkeys(NAMES, 800)
    assert stable.segments["mobile"].error_ratio == 0.5
    assert stable.segments["mobile"].trials == 800
    assert stable.segments["mobile"].reward_sum == 400.0


def test_a_policy_is_told_of_each_segment_with_the_weights_in_force_there() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    run(rig, APART, 4)
    fold = rig.ledger.releases["checkout"]
    assert fold._course.learning is not None
    told: dict[str, Batch] = {}
    policy: Any = fold._course.learning._policy
    policy_update_in = type(policy).update_in

    class Told(type(policy)):  # type: ignore[misc]  # of whatever kind it is
        __slots__ = ()

        def update_in(self, segment: str, batch: Batch) -> None:
            told[segment] = batch
            policy_update_in(self, segment, batch)

    policy.__class__ = Told
    before = decisions(rig.bring(*traffic(APART, rig.now_ms)))
    assert before == []
    in_force = {name: dict(fold._state.segment_weights)[name] for name in NAMES}
    rig.now_ms += 1_000
    rig.bring(*traffic({**APART, "": {"stable": 0, "canary": 0}}, rig.now_ms))
    assert {name: list(told[name].shares) for name in NAMES} == {
        name: [weight / BASIS_POINTS for weight in in_force[name]] for name in NAMES
    }
    assert (list(told["mobile"].trials), list(told["mobile"].rewards)) == ([80, 80], [40, 72])
    assert list(told[""].trials) == [40, 40]


@pytest.mark.parametrize("objective", [{}, {"metric": "rating", "attribution": {"window": "7s"}}])
def test_what_is_under_way_is_known_by_segment(objective: Json) -> None:
    rig = EvidenceRig()
    rig.apply(by_segment(**({"objective": objective} if objective else {})))
    under_way = {"mobile": 5, "desktop": 3, "": 2, "watch": 1}
    rig.bring(*(request("canary", segment=name) for name, count in under_way.items() for _ in range(count)))
    known = rig.ledger.releases["checkout"]._course.objective
    assert {name: known.in_flight_in(name) for name in ("", *NAMES)} == {"": 3, "mobile": 5, "tablet": 0, "desktop": 3}
    assert known.in_flight == 11


def test_a_policy_is_told_how_much_is_under_way_in_a_segment() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    policy: Any = rig.ledger.releases["checkout"]._course.learning._policy  # type: ignore[union-attr]
    policy_shares_in = type(policy).shares_in
    told: dict[str, float] = {}

    class Told(type(policy)):  # type: ignore[misc]  # of whatever kind it is
        __slots__ = ()

        def shares_in(self, segment: str, eligible: list[bool], pending: float, seed: int) -> Any:
            told[segment] = pending
            return policy_shares_in(self, segment, eligible, pending, seed)

    policy.__class__ = Told
    rig.now_ms += 1_000
    at_ms = rig.now_ms
    rig.bring(*(request("canary", at_ms, segment="mobile") for _ in range(5)), response("stable", at_ms))
    assert told == {"": 1, "mobile": 5, "tablet": 0, "desktop": 0}


def test_a_guardrail_that_fails_takes_traffic_from_a_variant_in_every_segment() -> None:
    rig = EvidenceRig()
    rails = [error_rate(0.35, minSamples=100)]
    rig.apply(by_segment(variants=("stable", "canary", "other"), guardrails=rails))
    fine = {name: {"stable": 0.1, "canary": 0.0, "other": 0.2} for name in NAMES}
    assert run(rig, fine, 8)[-1].segments["mobile"]["canary"] > 5_000
    ill = {name: {**failures, "canary": 1.0} for name, failures in fine.items()}
    newest = run(rig, ill, 12)[-1]
    assert newest.arms[1].excluded
    assert {weights["canary"] for weights in (newest.weights, *newest.segments.values())} == {0}


def test_what_a_person_sets_holds_for_every_segment() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    run(rig, APART, 5)
    order = Command(release="checkout", action="set-weights", weights={"stable": 7_000, "canary": 3_000})
    made = decision(rig.append(order))
    assert (made.weights, made.segments) == ({"stable": 7_000, "canary": 3_000}, {})
    rig.command("resume")
    assert run(rig, APART, 1)[-1].segments["mobile"] == {"stable": 5_000, "canary": 5_000}


def test_a_promotion_is_over_once_it_is_so_in_every_segment() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    run(rig, APART, 20)
    made = [decision(rig.command("promote", variant="canary")), *run(rig, APART, 8)]
    phases = [one.phase for one in made]
    assert phases[0] is Phase.PROGRESSING
    assert phases[-1] is Phase.PROMOTED
    first = next(one for one in made if one.phase is Phase.PROMOTED)
    assert (first.weights["canary"], first.segments) == (BASIS_POINTS, {})


def test_an_abort_takes_every_segment_to_the_baseline() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    run(rig, APART, 5)
    made = decision(rig.command("abort"))
    assert (made.weights, made.segments) == ({"stable": BASIS_POINTS, "canary": 0}, {})


def test_segments_go_step_by_step_to_the_whole_where_the_next_spec_knows_none() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    before = run(rig, APART, 20)[-1]
    applied = decision(rig.apply(release(strategy={"type": "bandit", "policy": {"type": "uniform"}})))
    assert applied.segments == before.segments
    made = run(rig, APART, 6)
    assert made[0].segments["mobile"] == {"stable": 2_100, "canary": 7_900}
    assert (made[-1].weights, made[-1].segments) == ({"stable": 5_000, "canary": 5_000}, {})


def test_a_variant_that_is_gone_leaves_its_share_of_each_segment_to_the_baseline() -> None:
    rig = EvidenceRig()
    rig.apply(by_segment())
    run(rig, APART, 20)
    applied = decision(rig.apply(by_segment(variants=("stable", "next"))))
    assert applied.segments["mobile"] == {"stable": BASIS_POINTS, "next": 0}


SPECS = (
    by_segment(variants=("stable", "canary", "other"), limits={"maxStep": 700, "minWeight": 150, "maxWeight": 4_000},
               guardrails=[error_rate(0.6, minSamples=30)]),
    by_segment(BAYESIAN, variants=("stable", "canary", "other"), limits={"maxStep": 3_000, "holdout": 2_000}),
    by_segment(LIN_UCB, variants=("stable", "canary", "other"), limits={"maxStep": 10_000, "minWeight": 0}),
    by_segment({"type": "segmented", "drift": {"detector": "pageHinkley", "minTrials": 20, "threshold": 2}},
               variants=("stable", "canary", "other"), segments=list(SEGMENTS[:1])),
    release(variants=("stable", "canary", "other"), strategy={"type": "bandit", "policy": {"type": "thompson"}}),
)  # fmt: skip
ORDERS = ("pause", "resume", "freeze", "promote", "abort", "retry", "set-weights", "exclude")
Log = list[tuple[int, Record]]


def log_of(seconds: list[bytes]) -> Log:
    """An evidence log in which each second one thing happens and traffic comes."""
    rig = EvidenceRig(Ledger())
    rig.apply(SPECS[seconds[0][0] % len(SPECS)])
    for cells in seconds:
        rig.now_ms += 1_000
        if cells[0] % 16 == 0:
            weights = {"stable": 2_000, "canary": 5_000, "other": 3_000}
            action = ORDERS[cells[1] % len(ORDERS)]
            variant = "canary" if action == "exclude" else ""
            rig.append(Command(release="checkout", action=action, weights=weights, variant=variant))  # type: ignore[arg-type]
        elif cells[0] % 16 == 1:
            rig.apply(SPECS[cells[1] % len(SPECS)])
        events = []
        for place, (segment, variant) in enumerate((s, v) for s in ("", "mobile", "desktop", "watch")
                                                   for v in ("stable", "canary", "other")):  # fmt: skip
            cell = cells[2 + place]
            count = cell % 16
            bad = count * (cell // 16) // 16
            events += [
                response(variant, rig.now_ms, segment=segment, status=500 if n < bad else 200) for n in range(count)
            ]
        rig.bring(*events)
    return rig.log


def logs() -> st.SearchStrategy[Log]:
    return st.lists(st.binary(min_size=14, max_size=14), min_size=10, max_size=30).map(log_of)


def published(log: Log, ledger: Ledger | None = None) -> Iterator[tuple[Record, Published]]:
    ledger = ledger or Ledger()
    for offset, (at_ms, record) in enumerate(log):
        for one in ledger.advance(offset, at_ms, record).published:
            yield record, one


@settings(max_examples=40)
@given(logs())
def test_the_weights_of_every_segment_keep_to_every_limit(log: Log) -> None:
    before: Decision | None = None
    for record, one in published(log):
        now = one.decision
        limits = parse_document(one.document).spec.limits
        gone = {arm.variant for arm in now.arms if arm.excluded}
        for segment, weights in now.segments.items():
            assert list(weights) == list(now.weights)
            assert sum(weights.values()) == BASIS_POINTS
            assert all(weights[name] == 0 for name in gone)
            assert all(weight >= 0 for weight in weights.values())
            was = before.segments.get(segment, before.weights) if before else {}
            if is_steered(record, before, now):
                continue
            for name, weight in weights.items():
                assert abs(weight - was[name]) <= limits.max_step
                if name not in gone and was[name] >= limits.min_weight and "bandit: " in now.rule:
                    assert weight >= limits.min_weight
                if name != "stable" and "bandit: " in now.rule:
                    assert weight <= max(limits.max_weight, was[name])
            if "bandit: " in now.rule and was["stable"] >= limits.holdout:
                assert weights["stable"] >= limits.holdout
        if now.phase.is_over and now.phase is not Phase.COMPLETED:
            assert now.segments == {}
        before = now


def is_steered(record: Record, before: Decision | None, now: Decision) -> bool:
    """Whether somebody or a guardrail ordered it, for whom step limits do not hold."""
    return before is None or isinstance(record, Spec | Command) or now.rule.startswith("guardrail: ")


@settings(max_examples=25)
@given(logs(), st.integers(1, 7))
def test_a_snapshot_in_the_middle_and_a_replay_change_nothing(log: Log, every: int) -> None:
    steady, interrupted, again = Ledger(), Ledger(), Ledger()
    for offset, (at_ms, record) in enumerate(log):
        made = steady.advance(offset, at_ms, record)
        assert interrupted.advance(offset, at_ms, record) == made
        assert again.advance(offset, at_ms, record) == made
        if offset % every == 0:
            interrupted = restored(interrupted)
    assert [fold.snapshot() for fold in interrupted.releases.values()] == [
        fold.snapshot() for fold in steady.releases.values()
    ]
