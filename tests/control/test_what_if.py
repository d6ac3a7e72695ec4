"""What another release file would have decided on the same evidence, and what that would have been worth."""

import numpy as np
import pytest

from control.memory_log import MemoryLog, log_of
from engine.builders import Json, error_rate, outcome, release, response
from engine.evidence_rig import EvidenceRig
from trimtab.control.replay import Until
from trimtab.control.what_if import WhatIf, what_if
from trimtab.control.what_if_report import lines_of, plain_of
from trimtab.engine.off_policy import Values
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Request

STEADY = {"minWeight": 5_000, "maxStep": 10_000}
"""Limits that hold two variants at half of the traffic each."""


def applied(**more: Json) -> Release:
    return release(objective={"metric": "converted"}, **{"limits": STEADY, **more})  # type: ignore[arg-type]


def traffic(rig: EvidenceRig, seconds: int, *, means: tuple[float, float] = (0.2, 0.6), seed: int = 1) -> None:
    """A hundred outcomes a second, routed by the weights in force."""
    rng = np.random.default_rng(seed)
    for _ in range(seconds):
        rig.now_ms += 1_000
        decided = rig.replay()[-1].published or [one for each in rig.replay() for one in each.published]
        weights = list(decided[-1].decision.weights.values())
        counts = rng.multinomial(100, np.array(weights) / 10_000)
        events = [
            outcome(variant, rig.now_ms, value=float(rng.random() < mean))
            for variant, mean, n in zip(("stable", "canary"), means, counts, strict=True)
            for _ in range(n)
        ]
        rig.bring(*events)


def steady_log(seconds: int = 30) -> MemoryLog:
    rig = EvidenceRig()
    rig.apply(applied())
    traffic(rig, seconds)
    rig.wait(1_000)
    return log_of(rig)


def run(log: MemoryLog, other: Release, until: Until | None = None) -> WhatIf:
    return what_if(log, {other.name: other}, until)[other.name]


def test_the_same_file_would_have_decided_the_same_and_is_worth_the_same() -> None:
    found = run(steady_log(), applied())
    assert found.actual == found.other
    values = found.worth().values
    assert isinstance(values, Values)
    assert values.actual == values.ips
    assert values.snips.value == pytest.approx(values.actual.value)
    assert values.actual.greatest_weight == pytest.approx(1.0)


def test_a_greedier_file_is_told_side_by_side_and_worth_more() -> None:
    found = run(steady_log(), applied(limits={"minWeight": 100, "maxStep": 10_000}))
    assert [made.weights["canary"] for made in found.actual[3:]] == [5_000] * len(found.actual[3:])
    assert found.other[-1].weights["canary"] == 9_900
    worth = found.worth()
    assert isinstance(worth.values, Values)
    assert worth.unknown == ""
    for estimate in (worth.values.ips, worth.values.snips, worth.values.dr):
        low, high = estimate.interval()
        assert low < 0.596 < high, estimate  # 0.99 x 0.6 + 0.01 x 0.2, the true worth of where it ends up
        assert low > worth.values.actual.interval()[1]
    told = lines_of(found)
    assert any(" was   stable=5000 canary=5000: " in line for line in told)
    assert any(" would stable=100 canary=9900: " in line for line in told)
    assert sum("P(best)" in line for line in told) < len(found.actual), "only what changes is told"


def test_where_the_other_file_serves_what_had_no_traffic_the_worth_ends() -> None:
    rig = EvidenceRig()
    rig.apply(applied())
    traffic(rig, 6)
    rig.command("abort")
    traffic(rig, 6)
    rig.wait(1_000)
    log = log_of(rig)
    rail = [error_rate(0.5)]
    found = run(log, applied(guardrails=rail))  # type: ignore[arg-type]  # one more kind of field
    assert found.worth().unknown == "", "the abort counts in both"
    bare = MemoryLog([(entry.time_ms, entry.value) for entry in log.entries if b"abort" not in entry.value])
    assert bare.recorded != log.recorded
    shifted = WhatIf(found.release, found.rewards, found.actual, run(bare, applied()).other, found.end_s)
    worth = shifted.worth()
    assert worth.unknown == "canary"
    assert worth.since_s < worth.until_s < found.end_s
    assert isinstance(worth.values, Values)
    assert any("canary would have had traffic where it had none" in line for line in lines_of(shifted))


def test_a_variant_that_only_the_other_file_has_is_unknown_from_its_first_share_on() -> None:
    other = release(
        variants=("stable", "canary", "newer"), objective={"metric": "converted"}, limits={"maxStep": 10_000}
    )
    worth = run(steady_log(5), other).worth()
    assert worth.unknown == "newer"


def test_a_release_that_the_log_does_not_apply_is_told() -> None:
    found = run(steady_log(2), release("search"))
    assert lines_of(found) == [
        "search: nothing was decided in what is left of the log, so nothing else would have been"
    ]
    assert plain_of(found) == {"release": "search", "refused": "", "decisions": [], "worth": None}


def test_a_file_that_a_worker_would_refuse_is_told_with_the_reason() -> None:
    brought = applied(strategy={"type": "bandit", "policy": {"type": "entryPoint", "name": "ours"}})
    found = run(steady_log(2), brought)
    reason = "release checkout: strategy.policy: expected an entry point of trimtab.policies out of (none); got 'ours'"
    assert lines_of(found) == [
        f"checkout: {len(found.actual)} decisions were made, 0 would have been",
        f"the other file would have been refused: {reason}",
    ]
    plain = plain_of(found)
    assert (plain["refused"], plain["worth"]) == (reason, None)


def test_weights_on_their_way_to_the_proxies_do_not_end_what_is_known() -> None:
    """The first share of a variant is decided on in one second, and routes requests in the next."""
    rig, known = EvidenceRig(), (0, 0)
    rig.apply(applied())
    for _ in range(6):
        made = [each.decision for effects in rig.replay() for each in effects.published][-1]
        rig.now_ms += 400
        served = [variant for variant, weight in made.weights.items() if weight]
        for _ in range(2):
            rig.now_ms += 300
            asked = [
                Request(release="checkout", variant=variant, time_ms=rig.now_ms, era=made.era, revision=made.revision)
                for variant in served
            ]
            rig.bring(*asked, *[outcome(variant, rig.now_ms, value=1.0) for variant in served])
        assert made.id > known
        known = made.id
    rig.wait(3_000)
    found = run(log_of(rig), applied())
    assert found.actual[-1].weights["canary"] == 5_000
    worth = found.worth()
    assert worth.unknown == ""
    assert isinstance(worth.values, Values)
    assert worth.values.ips == worth.values.actual
    assert worth.values.actual.greatest_weight == 1.0


def test_without_traffic_the_worth_is_not_known() -> None:
    rig = EvidenceRig()
    rig.apply(applied())
    rig.wait(3_000)
    found = run(log_of(rig), applied(strategy={"type": "canary"}))
    assert any("not known: 0 trials" in line for line in lines_of(found))
    assert plain_of(found)["worth"]["estimates"] is None


def test_equal_rewards_give_no_interval() -> None:
    rig = EvidenceRig()
    rig.apply(release(limits=STEADY))
    for _ in range(4):
        rig.now_ms += 1_000
        rig.bring(*[response(variant, rig.now_ms) for variant in ("stable", "canary") for _ in range(20)])
    rig.wait(1_000)
    found = run(log_of(rig), release(limits=STEADY))
    assert any("no interval: all trials had the same reward" in line for line in lines_of(found))
    assert plain_of(found)["worth"]["estimates"]["snips"]["interval"] is None


def test_trials_of_a_variant_without_a_share_are_left_out_and_told() -> None:
    rig = EvidenceRig()
    rig.apply(applied(strategy={"type": "bandit", "interval": "1h"}))
    rig.now_ms += 1_000
    for _ in range(3):
        rig.now_ms += 1_000
        rig.bring(*[outcome(variant, rig.now_ms, value=n % 2) for variant in ("stable", "canary") for n in range(5)])
    rig.wait(1_000)
    found = run(log_of(rig), applied(strategy={"type": "bandit", "interval": "1h"}))
    assert found.worth().stray > 0
    assert any("left out: " in line for line in lines_of(found))


def test_a_minimised_objective_says_that_less_is_better() -> None:
    other = release(objective={"metric": "converted", "goal": "minimize"}, limits=STEADY)
    assert any("mean converted (less is better) from 2023-" in line for line in lines_of(run(steady_log(3), other)))


def test_it_ends_where_it_is_told_to() -> None:
    log = steady_log(10)
    found = run(log, applied(), Until(revision=4))
    assert found.actual[-1].revision <= 4


def test_plain_data_has_every_decision_of_both() -> None:
    found = run(steady_log(5), applied(strategy={"type": "bandit", "interval": "2s"}))
    plain = plain_of(found)
    assert len(found.other) < len(found.actual) == sum(step["actual"] is not None for step in plain["decisions"])
    assert sum(step["other"] is not None for step in plain["decisions"]) == len(found.other)
    assert set(plain["worth"]["estimates"]) == {"actual", "ips", "snips", "dr"}


def test_panes_that_do_not_fit_together_are_passed_over_as_the_ledger_does() -> None:
    rig = EvidenceRig()
    rig.apply(applied())
    panes = rig.panes(outcome("canary", rig.now_ms, value=1.0))
    assert panes is not None
    broken = type(panes)(**{name: getattr(panes, name) for name in panes.__struct_fields__} | {"counts": b"short"})
    rig.append(broken)
    assert run(log_of(rig), applied()).rewards.seconds == []


def test_a_phase_other_than_progressing_stands_beside_the_weights() -> None:
    rig = EvidenceRig()
    rig.apply(applied())
    rig.command("pause")
    found = run(log_of(rig), applied())
    assert any("was   stable=10000 canary=0 paused: pause by an operator" in line for line in lines_of(found))


def test_a_file_that_decides_by_segment_is_worth_what_is_best_in_each() -> None:
    rig, rng = EvidenceRig(), np.random.default_rng(3)
    means = {"mobile": (0.2, 0.6), "desktop": (0.6, 0.2), "": (0.4, 0.4)}
    segments = [{"name": "mobile"}, {"name": "desktop"}]
    rig.apply(applied(segments=segments, strategy={"type": "bandit", "policy": {"type": "uniform"}}))  # type: ignore[arg-type]
    for _ in range(30):
        rig.now_ms += 1_000
        events = [
            outcome(variant, rig.now_ms, value=float(rng.random() < mean), segment=segment)
            for segment, both in means.items()
            for variant, mean in zip(("stable", "canary"), both, strict=True)
            for _ in range(50)
        ]
        rig.bring(*events)
    rig.wait(1_000)
    other = applied(
        segments=segments,  # type: ignore[arg-type]  # one more kind of field
        strategy={"type": "bandit", "policy": {"type": "segmented"}}, limits={"minWeight": 0, "maxStep": 10_000},
    )  # fmt: skip
    found = run(log_of(rig), other)
    assert found.other[-1].segments == {
        "desktop": {"stable": 10_000, "canary": 0}, "mobile": {"stable": 0, "canary": 10_000},
    }  # fmt: skip
    worth = found.worth()
    assert isinstance(worth.values, Values)
    for estimate in (worth.values.ips, worth.values.snips, worth.values.dr):
        low, high = estimate.interval()
        assert low < (0.6 + 0.6 + 0.4) / 3 < high, estimate
    assert worth.values.actual.value == pytest.approx(0.4, abs=0.02)
    assert any("; mobile: stable=0 canary=10000" in line for line in lines_of(found))
    assert plain_of(found)["decisions"][-1]["other"]["segments"]["mobile"]["canary"] == 10_000


def test_nothing_is_estimated_of_requests_that_all_members_of_an_ensemble_answered() -> None:
    rig = EvidenceRig()
    rig.apply(applied(strategy={"type": "ensemble"}))
    traffic(rig, 3)
    found = run(log_of(rig), applied())
    assert any("not estimated: every member of an ensemble" in line for line in lines_of(found))
    assert plain_of(found)["worth"] is None
    assert plain_of(run(steady_log(3), applied(strategy={"type": "ensemble"})))["worth"] is None, "nor for one"
