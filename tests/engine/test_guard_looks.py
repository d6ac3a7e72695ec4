"""The guard of a release by itself: what is kept for it, which looks it takes, and when something fails."""

import math

import pytest

from engine.builders import Json, content, error_rate, latency, release
from engine.guard_rig import GuardRig, routed
from trimtab.engine.bound import ShareBound
from trimtab.engine.guard import REQUESTS_AFTER_S, keep_of
from trimtab.engine.observed import STALE_S
from trimtab.engine.sketch import bucket_of_limit
from trimtab.schemas.decision import Verdict
from trimtab.schemas.evidence import Reactions
from trimtab.schemas.release import Release

RELATIVE: Json = {"metric": "error_rate", "maxRatio": 1.5, "window": "30s"}
GOOD, BAD = content({0: 30}, responses=30), content({0: 30}, responses=30, errors=15)
RATIO: Json = {"metric": "sample_ratio", "minSamples": 1}
REACTION: Json = {"metric": "reaction_time", "max": 500, "minSamples": 10, "window": "10s"}
SLOW = Reactions(release="checkout", took_ms=[900] * 10)


def guarded(*rails: Json, variants: tuple[str, ...] = ("stable", "canary"), **more: object) -> Release:
    return release(variants=variants, guardrails=rails, **more)  # type: ignore[arg-type]  # fields of a release


def test_windows_are_kept_of_all_that_is_shown() -> None:
    assert keep_of(guarded().spec).lengths_ms == (10_000, 60_000, 300_000)
    watched = guarded(error_rate(window="1h"), error_rate(window="15m", severity="muted"))
    assert keep_of(watched.spec).lengths_ms == (10_000, 60_000, 300_000, 3_600_000)
    assert keep_of(guarded({**RATIO, "window": "30s"}).spec).lengths_ms == (10_000, 30_000, 60_000, 300_000)


def test_durations_above_each_limit_are_counted() -> None:
    rails = (
        latency(200),
        latency(50, "p50"),
        {"metric": "latency_p90_ms", "maxRatio": 2},
        latency(70, "p95", severity="muted"),
        error_rate(0.05),
    )
    assert keep_of(guarded(*rails).spec).slower_than == (bucket_of_limit(50), bucket_of_limit(200))


@pytest.mark.parametrize(
    ("rails", "keeps"),
    [
        ((), False),
        ((error_rate(0.05),), False),
        ((RELATIVE,), True),
        ((error_rate(0.05), RELATIVE), True),
        ((error_rate(0.05, maxRatio=2),), True),
        (({**RELATIVE, "severity": "muted"},), False),
    ],
    ids=str,
)
def test_single_seconds_are_kept_where_a_bound_is_judged_by_them(rails: tuple[Json, ...], *, keeps: bool) -> None:
    assert keep_of(guarded(*rails).spec).keeps_seconds is keeps


def test_single_seconds_are_kept_of_an_objective_that_is_a_metric() -> None:
    parts = [{"expression": "errors / responses", "better": "low", "from": 0, "to": 1}]
    rollout = release(metrics=[{"name": "experience", "parts": parts}], objective={"metric": "experience"})
    assert keep_of(rollout.spec).keeps_seconds


def test_outcomes_are_kept_that_a_guardrail_reads() -> None:
    assert keep_of(guarded({"metric": "outcome", "name": "paid", "min": 1}).spec).metrics == ("paid",)


@pytest.mark.parametrize(
    ("rails", "variants", "alphas"),
    [
        ((error_rate(0.05),), 2, [0.01]),
        ((error_rate(0.05),), 4, [0.01 / 3]),
        ((error_rate(0.05), error_rate(0.1, window="1m")), 3, [0.01 / 4] * 2),
        ((error_rate(0.05, maxRatio=2),), 2, [0.01 / 2] * 2),
        ((error_rate(0.05), error_rate(0.1, window="1m", confidence=0.999)), 2, [0.01, 0.001]),
        ((error_rate(0.05), error_rate(0.1, window="1m", severity="signal")), 2, [0.01, 0.01]),
        ((error_rate(0.05, severity="signal"),), 2, [0.01]),
        ((error_rate(0.05, severity="signal", confidence=0.999),), 2, [0.001]),
    ],
    ids=str,
)
def test_bounds_that_act_share_what_may_go_wrong(rails: tuple[Json, ...], variants: int, alphas: list[float]) -> None:
    names = ("stable", "canary", "third", "fourth")[:variants]
    rig = GuardRig(guarded(*rails, variants=names, falseAborts=0.01))
    assert [one.threshold for one in rig.shown()] == pytest.approx([-math.log(alpha) for alpha in alphas])


@pytest.mark.parametrize(
    ("rails", "pace", "waits_s"),
    [
        ((error_rate(0.05),), 1, 1),
        ((error_rate(0.05),), 10, 10),
        ((RELATIVE,), 2, 2),
        ((RELATIVE,), 10, 3),
    ],
    ids=str,
)
def test_looks_are_taken_at_the_pace_that_is_given_and_bounds_by_seconds_wait_no_longer_than_three(
    rails: tuple[Json, ...], pace: int, waits_s: int
) -> None:
    guard = GuardRig(guarded(*rails)).guard
    taken = []
    for second in range(100, 140):
        guard.close(second, pace)
        taken.append(guard.snapshot()["closed_s"])
    assert sorted(set(taken)) == list(range(100, 140, waits_s))


def test_a_look_is_taken_every_second_where_nobody_says_otherwise() -> None:
    rig = GuardRig(guarded(error_rate(0.05)))
    for _ in range(3):
        rig.pass_s()
        assert rig.guard.snapshot()["closed_s"] == rig.now_s


def test_a_second_is_looked_at_and_given_once_two_seconds_after_it_is_over() -> None:
    rig = GuardRig(guarded(RELATIVE))
    rig.tell(stable=GOOD, canary=GOOD)
    began_s = rig.now_s
    given = [[closed.second for closed in rig.guard.close(second)] for second in range(began_s, began_s + 5)]
    assert given == [[], [], [], [began_s], []]
    assert rig.shown()[0].samples == 30


def test_an_absolute_bound_counts_what_has_come_and_not_what_came_before_it() -> None:
    rig = GuardRig(guarded(error_rate(0.05), latency(0.5)))
    rig.tell(canary=BAD)
    assert [one.samples for one in rig.shown()] == [30, 30]
    rig.pass_s()
    assert [one.samples for one in rig.shown()] == [30, 30]
    rig.guard.start_over(lambda _: True)
    assert [one.samples for one in rig.shown()] == [0, 0]
    rig.tell(canary=BAD)
    assert [one.samples for one in rig.shown()] == [30, 30]


@pytest.mark.parametrize("rail", [error_rate(0.05, warmUp="5s"), {**RELATIVE, "warmUp": "5s"}], ids=str)
def test_a_warm_up_lasts_from_the_first_response_on(rail: Json) -> None:
    rig = GuardRig(guarded(rail))
    rig.pass_s(10)
    rig.run(5, stable=GOOD, canary=BAD)
    rig.pass_s(3)
    assert rig.shown()[0].samples == 0
    rig.run(4, stable=GOOD, canary=BAD)
    rig.pass_s(3)
    assert rig.shown()[0].samples == 120


def test_what_is_no_look_yet_counts_once_a_warm_up_is_over() -> None:
    rig = GuardRig(guarded(error_rate(0.05, warmUp="5s")))
    rig.run(1, canary=GOOD)
    rig.tell(canary=GOOD)
    assert rig.shown()[0].samples == 0
    rig.pass_s()
    rig.pass_s(4)
    rig.tell(canary=GOOD)
    assert rig.shown()[0].samples == 30


def test_each_bound_is_judged_by_its_own_variant() -> None:
    rig = GuardRig(guarded(error_rate(0.05), RELATIVE, variants=("stable", "canary", "third")))
    rig.run(20, stable=GOOD, canary=BAD, third=GOOD)
    verdicts = {name: [one.verdict for one in rig.shown(name)] for name in ("stable", "canary", "third")}
    assert verdicts["canary"] == [Verdict.FAIL, Verdict.FAIL]
    assert Verdict.FAIL not in (*verdicts["stable"], *verdicts["third"])
    assert rig.shown()[0].variant == "canary"


@pytest.mark.parametrize("rail", [error_rate(0.05), RELATIVE], ids=str)
def test_a_candidate_that_fails_is_told_of_and_one_that_nobody_asks_about_is_not(rail: Json) -> None:
    rig = GuardRig(guarded(rail, variants=("stable", "canary", "third")))
    rig.run(20, stable=GOOD, canary=BAD, third=GOOD)
    assert not rig.asks("third")
    assert rig.asks("third", "canary")
    assert [one.title for one in rig.guard.failing(["canary", "third"])] == [rig.shown()[0].guardrail]
    assert list(rig.guard.failing(["third"])) == []


@pytest.mark.parametrize("rails", [(error_rate(0.05), error_rate(0.9, window="1m")), (RELATIVE, latency(1e6))], ids=str)
def test_one_bound_that_fails_is_enough(rails: tuple[Json, ...]) -> None:
    rig = GuardRig(guarded(*rails))
    rig.run(20, stable=GOOD, canary=BAD)
    assert rig.asks("canary")
    assert len(list(rig.guard.failing(["canary"]))) == 1


def test_a_fall_within_the_present_second_is_noticed() -> None:
    rig = GuardRig(guarded(error_rate(0.05)))
    rig.run(5, canary=GOOD)
    assert not rig.asks("canary")
    rig.tell(canary=GOOD)
    assert not rig.asks("canary")
    rig.now_s += 1
    rig.tell(canary=content(responses=30, errors=30))
    assert rig.asks("canary")
    assert len(list(rig.guard.failing(["canary"]))) == 1


def test_a_bound_is_looked_at_again_once_breaches_may_have_made_it_fail() -> None:
    rig = GuardRig(guarded(error_rate(0.05)))
    rig.run(5, canary=GOOD)
    (bound,) = rig.guard._bounds["canary"]
    assert isinstance(bound, ShareBound)
    rig.asks("canary")
    assert bound.most == bound.rail.test.evidence()
    before = bound.most
    rig.asks("canary")
    assert bound.most == before
    rig.tell(canary=content(responses=2, errors=1))
    rig.asks("canary")
    assert bound.most == pytest.approx(before + bound.gain)
    assert before < bound.most < bound.rule.threshold


def test_seconds_that_were_asked_about_are_not_asked_about_again() -> None:
    rig = GuardRig(guarded(RELATIVE))
    rig.run(20, stable=GOOD, canary=BAD)
    assert rig.asks("canary")
    assert not rig.asks("canary")
    rig.run(1, stable=GOOD, canary=BAD)
    assert rig.asks("canary")


@pytest.mark.parametrize("rail", [RELATIVE, error_rate(0.05, warmUp="60s"), error_rate(0.05, warmUp="1ms")], ids=str)
def test_a_guard_is_settled_once_all_that_came_was_looked_at(rail: Json) -> None:
    rig = GuardRig(guarded(rail))
    assert rig.guard.is_settled(["canary"])
    rig.tell(canary=content({0: 1}, responses=1))
    assert not rig.guard.is_settled(["canary"])
    rig.pass_s(5)
    rig.asks("canary")
    assert rig.guard.is_settled(["canary"])


def test_seconds_that_nobody_has_asked_about_are_open_for_candidates_alone() -> None:
    rig = GuardRig(guarded(RELATIVE, error_rate(0.5)))
    rig.tell(stable=GOOD, canary=GOOD)
    rig.pass_s(5)
    assert not rig.guard.is_settled(["canary"])
    assert rig.guard.is_settled([])


def test_what_is_no_look_yet_leaves_a_guard_without_a_warm_up_settled() -> None:
    rig = GuardRig(guarded(error_rate(0.05)))
    rig.tell(canary=GOOD)
    assert rig.guard.is_settled(["canary"])


def test_a_sample_ratio_fails_as_long_as_there_are_candidates() -> None:
    for candidates in (["canary"], []):
        rig = GuardRig(guarded(RATIO))
        assert rig.evidence.requests is not None
        rig.evidence.requests.decide(0, (5, 1), (5_000, 5_000), {})
        rig.run(20, stable=routed(80), canary=routed(20))
        assert rig.asks(*candidates) is bool(candidates)
        assert [one.metric for one in rig.guard.failing(candidates)] == ["sample_ratio"] * len(candidates)


def test_a_sample_ratio_has_to_be_settled_too() -> None:
    rig = GuardRig(guarded(RATIO))
    rig.tell(canary=routed(30))
    assert not rig.guard.is_settled(["canary"])


def weighted(rig: GuardRig) -> GuardRig:
    """With two decisions of weights, of which the later has long replaced the earlier, revision (5, 1)."""
    assert rig.evidence.requests is not None
    rig.evidence.requests.decide(0, (5, 1), (5_000, 5_000), {})
    rig.evidence.requests.decide(60_000, (5, 2), (9_000, 1_000), {})
    return rig


def test_requests_of_a_second_are_a_look_once_it_is_over_by_three() -> None:
    rig = weighted(GuardRig(guarded(RATIO)))
    rig.tell(stable=routed(50), canary=routed(50))
    counted = []
    for _ in range(REQUESTS_AFTER_S + 2):
        rig.pass_s()
        counted.append(rig.shown()[0].samples)
    assert REQUESTS_AFTER_S == 3
    assert counted == [0, 0, 0, 100, 100]


def test_traffic_that_does_not_follow_is_told_of_from_when_its_second_is_over_by_three_until_its_window_ends() -> None:
    rig, told = weighted(GuardRig(guarded())), []
    rig.tell(stable=routed(50), canary=routed(50))
    for _ in range(20):
        rig.pass_s()
        told.append([one.kind for one in rig.guard.divergences(rig.now_s)])
    assert told == [[]] * REQUESTS_AFTER_S + [["stale"]] * STALE_S + [[]] * (17 - STALE_S)


@pytest.mark.parametrize("strategy", [{"type": "shadow"}, {"type": "ensemble"}], ids=["shadow", "ensemble"])
def test_copies_of_requests_do_not_drift(strategy: Json) -> None:
    for applied, kinds in ((guarded(strategy=strategy), []), (guarded(), ["drift"])):
        rig = GuardRig(applied)
        assert rig.evidence.requests is not None
        rig.evidence.requests.decide(0, (5, 1), (5_000, 5_000), {})
        rig.tell(stable=routed(1_000), canary=routed(500))
        rig.pass_s(REQUESTS_AFTER_S + 1)
        assert [one.kind for one in rig.guard.divergences(rig.now_s)] == kinds


def test_reactions_fail_candidates_until_they_have_left_the_window() -> None:
    rig = GuardRig(guarded(REACTION))
    assert rig.guard.wants_reactions
    rig.guard.take_reactions(SLOW, rig.now_s)
    assert [one.verdict for one in rig.shown()] == [Verdict.FAIL]
    assert rig.asks("canary")
    assert not rig.asks("canary")
    rig.pass_s(9)
    assert [one.metric for one in rig.guard.failing(["canary"])] == ["reaction_time"]
    assert list(rig.guard.failing([])) == []
    assert not rig.guard.is_settled(["canary"])
    rig.pass_s()
    assert list(rig.guard.failing(["canary"])) == []
    assert rig.guard.is_settled(["canary"])
    assert [one.verdict for one in rig.shown()] == [Verdict.INCONCLUSIVE]


def test_reactions_fail_nobody_where_there_is_no_candidate() -> None:
    rig = GuardRig(guarded(REACTION))
    rig.guard.take_reactions(SLOW, rig.now_s)
    assert not rig.asks()


def test_reactions_are_forgotten_where_somebody_acted_on_their_guardrail() -> None:
    rig = GuardRig(guarded(REACTION))
    rig.guard.take_reactions(SLOW, rig.now_s)
    rig.guard.start_over(lambda guardrail: guardrail.metric == "error_rate")
    assert [one.samples for one in rig.shown()] == [10]
    rig.guard.start_over(lambda guardrail: guardrail.metric == "reaction_time")
    assert [one.samples for one in rig.shown()] == [0]


def test_what_was_seen_of_traffic_and_of_reactions_continues_from_a_snapshot() -> None:
    applied = guarded(REACTION)
    rig, restored = weighted(GuardRig(applied)), GuardRig(applied)
    rig.guard.take_reactions(SLOW, rig.now_s)
    rig.tell(stable=routed(50), canary=routed(50))
    rig.pass_s(REQUESTS_AFTER_S + 1)
    restored.guard.restore(rig.guard.snapshot())
    assert [one.kind for one in restored.guard.divergences(rig.now_s)] == ["stale"]
    assert restored.shown() == rig.shown()
    assert [one.samples for one in restored.shown()] == [10]


def test_evidence_starts_over_where_somebody_acted_and_goes_on_elsewhere() -> None:
    rig = GuardRig(guarded(error_rate(0.05, onFail="stepBack"), error_rate(0.05, maxRatio=2, window="1m"), RATIO))
    assert rig.evidence.requests is not None
    rig.evidence.requests.decide(0, (5, 1), (5_000, 5_000), {})
    rig.run(20, stable=routed(30, responses=30), canary=content(responses=30, errors=15))
    before = [one.samples for one in rig.shown()]
    assert all(before)
    rig.guard.start_over(lambda guardrail: guardrail.on_fail == "stepBack")
    after = rig.shown()
    assert [one.samples for one in after] == [0, *before[1:]]
    assert after[0].ln_evidence == 0.0
    rig.guard.start_over(lambda guardrail: guardrail.metric == "sample_ratio")
    assert [one.samples for one in rig.shown()] == [0, *before[1:-1], 0]


def test_tests_go_on_in_the_same_table_after_some_started_over() -> None:
    rig = GuardRig(guarded(error_rate(0.05, onFail="stepBack"), error_rate(0.05, window="1m")))
    rig.run(3, canary=BAD)
    rig.guard.start_over(lambda guardrail: guardrail.on_fail == "stepBack")
    rig.run(3, canary=BAD)
    ours, whole = rig.shown()
    alone = GuardRig(guarded(error_rate(0.05, onFail="stepBack"), error_rate(0.05, window="1m")))
    alone.run(3, canary=BAD)
    assert ours.ln_evidence == alone.shown()[0].ln_evidence
    assert whole.ln_evidence > ours.ln_evidence


def test_a_warm_up_that_is_over_stays_over() -> None:
    rig = GuardRig(guarded(error_rate(0.05, warmUp="5s")))
    rig.run(6, canary=GOOD)
    rig.guard.start_over(lambda _: True)
    rig.run(1, canary=GOOD)
    assert rig.shown()[0].samples == 30


def test_a_guard_continues_from_a_snapshot() -> None:
    applied = guarded(error_rate(0.05), RELATIVE, RATIO)
    rig, restored = GuardRig(applied), GuardRig(applied)
    for one in (rig, restored):
        assert one.evidence.requests is not None
        one.evidence.requests.decide(0, (5, 1), (5_000, 5_000), {})
        one.run(20, stable=routed(30, responses=30), canary=content(responses=30, errors=2))
    fresh = GuardRig(applied).guard
    fresh.restore(rig.guard.snapshot())
    restored.guard.restore(fresh.snapshot())
    assert fresh.snapshot() == rig.guard.snapshot()
    assert restored.shown() == rig.shown()
    assert restored.guard.snapshot()["closed_s"] == rig.now_s


def test_a_snapshot_of_before_there_were_sample_ratios_is_read() -> None:
    rig = GuardRig(guarded(error_rate(0.05)))
    snapshot = rig.guard.snapshot()
    del snapshot["ratio"]
    rig.guard.restore(snapshot)
    assert rig.guard.snapshot()["ratio"] == {}
