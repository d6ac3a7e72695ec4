"""Outcomes that are no shares where the objective is of shares: dead-lettered one by one, as if they had never come."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.builders import NOW_MS, NOW_S, batch, builder, content, emitted, outcome, release, request, response, rows
from engine.evidence_rig import EvidenceRig, decision, decisions
from engine.late_rewards import SHARES, Asked, last_s, play, requests
from trimtab.engine.ledger import Ledger
from trimtab.engine.repeat import NONE, Repeats
from trimtab.engine.reward_log import RewardLog, strata
from trimtab.engine.reward_log import Shares as InForce
from trimtab.engine.share import are_shares, is_share, may_be_shares
from trimtab.engine.sift import sifted
from trimtab.schemas.decision import Decision, encode
from trimtab.schemas.evidence import MAX_VALUE, VALUE_SCALE, Panes
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Event, Outcome

ALL = (*SHARES, -0.5, 7.0, 1.5, MAX_VALUE)
ATTRIBUTIONS = (None, *({"window": "5s", "repeated": rule, "default": 0.5} for rule in ("first", "last", "max")))


THOMPSON = {"type": "bandit", "policy": {"type": "thompson"}}


def of_shares(attribution: dict[str, object] | None, **more: object) -> Release:
    return release(strategy=THOMPSON, objective={"metric": "rating", "attribution": attribution}, **more)  # type: ignore[arg-type]


def without_others(asked: Sequence[Asked]) -> list[Asked]:
    return [
        replace(one, outcomes=tuple((delay_ms, value) for delay_ms, value in one.outcomes if 0 <= value <= 1))
        for one in asked
    ]


def learned(made: Decision) -> tuple[object, ...]:
    return made.weights, made.arms, made.seen.counted


def letters(rig: EvidenceRig) -> int:
    """How many events are told as refused once all seconds are final; a new ledger tells the same."""
    rig.now_ms += 5_000
    rig.bring()
    return sum(pane.refusal.events for one in rig.replay() for pane in one.refused)


@settings(max_examples=60)
@given(requests(of=ALL), st.sampled_from(ATTRIBUTIONS))
def test_a_release_learns_as_if_they_had_never_come(asked: list[Asked], attribution: dict[str, object] | None) -> None:
    told, spared = EvidenceRig(), EvidenceRig()
    for rig in (told, spared):
        rig.apply(of_shares(attribution))
    ours, theirs = play(told, asked, last_s(5)), play(spared, without_others(asked), last_s(5))
    assert learned(ours[-1][1]) == learned(theirs[-1][1])
    refused = sum(len(one.outcomes) for one in asked) - sum(len(one.outcomes) for one in without_others(asked))
    assert letters(told) == refused, "each is told once, when its second is final"
    assert [rig.ledger.releases["checkout"]._evidence.dead_lettered for rig in (told, spared)] == [refused, 0]


@settings(max_examples=40)
@given(requests(of=ALL), st.sampled_from(ATTRIBUTIONS), st.integers(0, 200))
def test_repetitions_and_a_restart_anywhere_change_nothing(
    asked: list[Asked], attribution: dict[str, object] | None, at: int
) -> None:
    rig = EvidenceRig()
    rig.apply(of_shares(attribution))
    play(rig, asked, last_s(5), again=2)
    ledger, expected = Ledger(), rig.replay()
    for offset, (at_ms, record) in enumerate(rig.log):
        effects = ledger.advance(offset, at_ms, record)
        assert effects.refused == expected[offset].refused
        assert list(map(encode, decisions(effects))) == list(map(encode, decisions(expected[offset])))
        if offset == at % len(rig.log):
            ledger = Ledger.restore([ledger.snapshot()], [[fold.snapshot()] for fold in ledger.releases.values()])


@settings(max_examples=40)
@given(requests(of=ALL), st.sampled_from(ATTRIBUTIONS))
def test_estimates_rest_on_the_same(asked: list[Asked], attribution: dict[str, object] | None) -> None:
    rig = EvidenceRig()
    rollout = of_shares(attribution)
    rig.apply(rollout)
    made = play(rig, asked, last_s(5))[-1][1]
    keep = rig.ledger.releases["checkout"]._evidence.keep.requests
    log = RewardLog("checkout", "rating", keep.cohorts if keep else None, share_metric=rollout.spec.share_metric)
    for _, record in rig.log:
        if isinstance(record, Panes):
            log.merge(record)
    batches = log.batches(("stable", "canary"), InForce(), strata(log.seconds))
    assert [(sum(one.trials[at] for one in batches), sum(one.rewards[at] for one in batches)) for at in (0, 1)] == [
        (arm.trials, arm.reward_sum) for arm in made.arms
    ]


def test_the_letter_tells_pane_and_way_out_once_the_second_is_final() -> None:
    rig = EvidenceRig()
    rig.apply(of_shares(None, segments=[{"name": "mobile"}]))
    rig.now_ms += 1_000
    at_once = rig.bring(
        *[outcome("canary", metric="rating", value=value, segment="mobile") for value in (1.0, 2.0, -1.0)],
        outcome("stable", metric="rating", value=0.5), outcome("canary", metric="paid", value=900.0),
    )  # fmt: skip
    assert (decision(at_once).seen.counted, decision(at_once).seen.dead_lettered, at_once.refused) == (3, 2, [])
    rig.now_ms += 4_000
    (pane,) = rig.bring(response("stable", rig.now_ms)).refused
    assert (pane.source, pane.first_offset, pane.last_offset) == (0, 0, 0)
    assert (pane.refusal.code, pane.refusal.events, pane.refusal.release) == ("bad-value", 2, "checkout")
    assert pane.refusal.reason == (
        "release checkout: an outcome of its objective lies below 0 or above 1: expected a share, or `values: real` in"
        f" the release file (variant canary, segment mobile, second {NOW_S})"
    )
    rig.now_ms += 4_000
    assert rig.bring(response("stable", rig.now_ms)).refused == []


def test_a_pane_that_is_final_when_it_first_comes_is_told_at_once() -> None:
    rig = EvidenceRig()
    rig.apply(of_shares(None))
    rig.folding.update(0, NOW_MS, batch(outcome("canary", metric="rating", value=2.0)))
    rig.now_ms += 60_000
    (pane,) = rig.bring(response("stable", rig.now_ms)).refused
    assert pane.refusal.events == 1
    assert rig.bring(response("stable", rig.now_ms)).refused == []


def test_a_content_that_is_replaced_by_one_with_nothing_to_refuse_leaves_no_letter() -> None:
    rig, (tail, head) = EvidenceRig(), (builder(), builder())
    rig.apply(of_shares(None))
    tail.update(1, NOW_MS, batch(outcome("canary", metric="rating", value=2.0)))
    head.update(0, NOW_MS, batch(outcome("canary", metric="rating", value=1.0)))
    rig.append(emitted(tail))
    rig.append(emitted(head))
    assert rig.ledger.releases["checkout"]._evidence.dead_lettered == 0
    assert letters(rig) == 0
    assert not any(effects.refused for effects in rig.replay())


@pytest.mark.parametrize("values", ["real", "share"])
def test_what_is_refused_is_that_of_the_spec_in_force(values: str) -> None:
    rig = EvidenceRig()
    first, then = ("share", "real") if values == "real" else ("real", "share")
    rig.apply(release(strategy=THOMPSON, objective={"metric": "rating", "values": first}))
    rig.bring(outcome("canary", metric="rating", value=3.0))
    rig.apply(release(strategy=THOMPSON, objective={"metric": "rating", "values": then}))
    rig.now_ms += 1_000
    events = [outcome("canary", rig.now_ms, metric="rating", value=value) for value in (3.0, 3.0, 0.5)]
    seen = decision(rig.bring(*events)).seen
    # A pane that is not final when outcomes have to be shares has none that are none, whenever they came.
    assert (seen.counted, seen.dead_lettered) == ((3, 1) if values == "real" else (1, 3))


@pytest.mark.parametrize("objective", [{"metric": "rating", "values": "real"}, {"metric": "success"}])
def test_other_objectives_refuse_nothing(objective: dict[str, object]) -> None:
    rig = EvidenceRig()
    rig.apply(release(strategy=THOMPSON, objective=objective))
    rig.now_ms += 1_000
    made = decision(rig.bring(*[outcome("canary", metric="rating", value=value) for value in ALL]))
    assert (made.seen.counted, made.seen.dead_lettered) == (len(ALL), 0)


def test_an_objective_that_is_a_metric_of_the_release_file_refuses_nothing() -> None:
    part = {"expression": 'outcome("rating").mean', "weight": 1, "from": 0, "to": 5}
    rig = EvidenceRig()
    rig.apply(release(objective={"metric": "quality"}, metrics=[{"name": "quality", "parts": [part]}]))
    rig.now_ms += 1_000
    seen = decision(rig.bring(outcome("canary", rig.now_ms, metric="rating", value=4.0))).seen
    assert (seen.counted, seen.dead_lettered) == (1, 0)


def test_sums_of_a_fold_that_does_not_tell_them_apart_are_refused_whole_where_they_cannot_be_shares() -> None:
    bad, good = (
        content(values={"rating": (3, total * VALUE_SCALE, squares * VALUE_SCALE), "paid": (1, 9, 81)})
        for total, squares in ((9, 60), (2, 2))
    )
    assert sifted(good, ["rating", "unheard"]) == (good, 0)
    assert sifted(bad, ["unheard", "rating"]) == (content(values={"paid": (1, 9, 81)}), 3)


@given(st.lists(st.floats(-2, 3) | st.floats(0, 1) | st.floats(1, 1.000002) | st.just(MAX_VALUE), min_size=1))
def test_sums_of_shares_may_be_shares_and_one_that_is_none_can_not(values: list[float]) -> None:
    shares = are_shares(np.array(values)).tolist()
    assert shares == [is_share(value) for value in values]
    for value, share in zip(values, shares, strict=True):
        assert may_be_shares((1, round(value * VALUE_SCALE), round(value * value * VALUE_SCALE))) == share
        assert share or not 0 <= value <= 1
        assert not share or -1e-6 < value < 1 + 1e-6
    kept = [value for value, share in zip(values, shares, strict=True) if share]
    sums = [round(value * VALUE_SCALE) for value in kept], [round(value * value * VALUE_SCALE) for value in kept]
    assert may_be_shares((len(kept), *map(sum, sums)))


def test_an_outcome_beyond_those_that_are_remembered_is_told_to_whom_it_counts() -> None:
    repeats = Repeats(horizon_s=30, most_per_second=0)
    share, other = (repeats.take((1, "rating", "checkout", "canary"), 100, value) for value in (0.5, 7.0))
    assert (share.of_all, share.of_shares) == (share.of_all, share.of_all)
    assert (other.of_all[-1], other.of_shares) == (1, NONE)


def rated(value: float, age_s: int, number: int) -> Outcome:
    return Outcome(
        release="checkout", variant="canary", time_ms=NOW_MS, metric="rating", value=value,
        started_ms=NOW_MS - age_s * 1000, request=number,
    )  # fmt: skip


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from(ALL), st.sampled_from((0, 3, 9)), st.integers(1, 4)), max_size=20))
def test_a_pane_tells_what_the_others_come_to_however_messages_are_read(told: list[tuple[float, int, int]]) -> None:
    events: list[Event] = [request(), *(rated(*one) for one in told)]
    shares = [event for event in events if not isinstance(event, Outcome) or 0 <= event.value <= 1]
    together, apart, spared = builder(), builder(), builder()
    together.update(0, NOW_MS, batch(*events))
    for offset, event in enumerate(events):
        apart.update(offset, NOW_MS, batch(event))
    spared.update(0, NOW_MS, batch(*shares))
    ours, theirs, expected = (rows(emitted(one))["checkout", "canary", "", NOW_S] for one in (together, apart, spared))
    assert ours.content == theirs.content
    left, refused = sifted(ours.content, ["rating"])
    assert msgspec.structs.replace(left, shares=(), share_repeats=()) == expected.content
    assert refused == len(events) - len(shares)


def test_what_is_told_apart_is_in_the_size_of_a_block() -> None:
    folding = builder()
    events = [
        replace_metric(rated(value, age_s, 1), f"m{metric}")
        for metric in range(30)
        for age_s in range(12)
        for value in (0.5, 0.25, 7.0)
    ]
    folding.update(0, NOW_MS, batch(*events))
    (block,) = folding._blocks.values()
    size = block.size
    assert block.sizes(np.array([0])).tolist() == [size]
    (record,) = folding.emit()[0][0]
    assert 0.5 * size < len(msgspec.msgpack.encode(record)) <= size


def replace_metric(event: Outcome, metric: str) -> Outcome:
    return msgspec.structs.replace(event, metric=metric)
