"""What each second brought, and the shares in force, against the totals of the ledger and sums over milliseconds."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.builders import NOW_MS, NOW_S, outcome, release, response
from engine.evidence_rig import EvidenceRig, decisions
from trimtab.engine.reward_log import RewardLog, Shares, strata
from trimtab.schemas.evidence import Panes

BOTH = ("stable", "canary")


def taken(running: EvidenceRig, metric: str) -> RewardLog:
    log = RewardLog("checkout", metric)
    for _, record in running.log:
        if isinstance(record, Panes):
            log.merge(record)
    return log


def busy_rig(metric: str) -> EvidenceRig:
    running = EvidenceRig()
    running.apply(release(objective={"metric": metric}, strategy={"type": "bandit", "interval": "100ms"}))
    for step in range(40):
        running.now_ms += 150
        at_ms = running.now_ms - step % 3 * 400
        events = [
            response(variant, at_ms, status=500 if (step + n) % 7 == 0 else 200) for n in range(5) for variant in BOTH
        ]
        running.bring(*events, outcome("canary", at_ms, value=step % 3 / 2), response("stable", at_ms, of="search"))
    return running


@pytest.mark.parametrize("metric", ["success", "converted"])
def test_all_seconds_together_are_what_the_decision_rests_on(metric: str) -> None:
    running = busy_rig(metric)
    log = taken(running, metric)
    batches = log.batches(BOTH, Shares(), strata(log.seconds))
    newest = decisions(running.replay())[-1]
    assert [sum(batch.trials[place] for batch in batches) for place in (0, 1)] == [arm.trials for arm in newest.arms]
    assert [sum(batch.rewards[place] for batch in batches) for place in (0, 1)] == [
        arm.reward_sum for arm in newest.arms
    ]
    assert newest.arms[1].reward_sum > 0


def test_repeated_and_reordered_contributions_change_nothing() -> None:
    running = busy_rig("success")
    records = [record for _, record in running.log if isinstance(record, Panes)]
    log, other = RewardLog("checkout", "success"), RewardLog("checkout", "success")
    for record in records:
        log.merge(record)
    shuffled = [record for start in range(0, len(records), 4) for record in reversed(records[start : start + 4])]
    for record in (*shuffled, *records):
        other.merge(record)
    assert log.batches(BOTH, Shares(), strata(log.seconds)) == other.batches(BOTH, Shares(), strata(other.seconds))


def test_squares_are_those_of_the_outcomes() -> None:
    running = EvidenceRig()
    running.apply(release(objective={"metric": "converted"}))
    running.bring(outcome("canary", NOW_MS, value=0.5), outcome("canary", NOW_MS, value=1.0))
    (batch,) = taken(running, "converted").batches(BOTH, Shares(), [(NOW_S, "")])
    assert (batch.trials, batch.rewards, batch.squares) == ([0, 2], [0.0, 1.5], [0.0, 1.25])


def test_seconds_that_are_not_asked_for_are_left_out_and_empty_ones_are_empty() -> None:
    running = EvidenceRig()
    running.apply(release())
    running.bring(response("canary", NOW_MS))
    (batch,) = taken(running, "success").batches(BOTH, Shares(), [(NOW_S + 1, "")])
    assert batch.trials == [0, 0]


@given(
    st.lists(st.tuples(st.integers(0, 1_500), st.integers(0, 10_000)), min_size=1, max_size=8),
    st.integers(99, 106),
)
def test_the_share_of_a_second_is_the_mean_over_its_milliseconds(steps: list[tuple[int, int]], second: int) -> None:
    shares, now_ms, decided = Shares(), 100_000, []
    for step_ms, weight in steps:
        now_ms += step_ms
        shares.decide(now_ms, {"v1": weight, "v2": 10_000 - weight})
        decided.append((now_ms, weight))
    in_force = [
        [weight for since_ms, weight in decided if since_ms <= at_ms][-1:]
        for at_ms in range(second * 1_000, second * 1_000 + 1_000)
    ]
    known = [found[0] for found in in_force if found]
    assert shares.mean(second, ["v1", "v2", "v3"]) == pytest.approx(
        [sum(known) / 1e7, sum(10_000 - weight for weight in known) / 1e7, 0.0]
    )


@pytest.mark.parametrize(("time_ms", "first_s"), [(60_000, 60), (60_001, 61)])
def test_the_first_whole_second_is_the_one_after_the_first_decision(time_ms: int, first_s: int) -> None:
    shares = Shares()
    shares.decide(time_ms, {"v1": 10_000})
    assert shares.first_s == first_s


def test_a_segment_with_weights_of_its_own_is_a_cell_of_its_own() -> None:
    running = EvidenceRig()
    running.apply(release())
    running.bring(
        response("canary", segment="mobile"), response("canary", segment="desktop", status=500), response("stable"),
    )  # fmt: skip
    log, shares = taken(running, "success"), Shares()
    shares.decide(NOW_MS, {"stable": 9_000, "canary": 1_000}, segments={"mobile": {"stable": 2_000, "canary": 8_000}})
    cells = strata(log.seconds, shares, Shares())
    assert cells == [(NOW_S, ""), (NOW_S, "mobile")]
    rest, mobile = log.batches(BOTH, shares, cells)
    assert (rest.trials, rest.rewards, rest.shares) == ([1, 1], [1, 0], [0.9, 0.1])
    assert (mobile.trials, mobile.rewards, mobile.shares) == ([0, 1], [0, 1], [0.2, 0.8])


def test_a_segment_has_the_weights_of_the_whole_while_it_has_none() -> None:
    shares = Shares()
    shares.decide(NOW_MS, {"stable": 10_000, "canary": 0})
    shares.decide(NOW_MS + 500, {"stable": 10_000, "canary": 0}, segments={"mobile": {"stable": 0, "canary": 10_000}})
    assert shares.mean(NOW_S, BOTH, "mobile") == [0.5, 0.5]
    assert shares.mean(NOW_S, BOTH, "watch") == shares.mean(NOW_S, BOTH) == [1.0, 0.0]


def test_what_is_told_again_long_after_its_second_is_passed_over() -> None:
    running = busy_rig("success")
    first, *_, last = [record for _, record in running.log if isinstance(record, Panes)]
    log = taken(running, "success")
    before = log.batches(BOTH, Shares(), strata(log.seconds))
    assert last.final_s - NOW_S > 3
    log.merge(msgspec.structs.replace(first, offset=last.offset + 1))  # reaches further than what it replaces
    assert log.batches(BOTH, Shares(), strata(log.seconds)) == before


def test_a_second_is_not_final_before_all_of_its_contribution_has_come() -> None:
    running = busy_rig("success")
    records = [record for _, record in running.log if isinstance(record, Panes)]
    whole, log = RewardLog("checkout", "success"), RewardLog("checkout", "success")
    for record in records:
        whole.merge(record)
    log.merge(msgspec.structs.replace(records[-1], more=True))
    for record in records:  # nothing is too old yet
        log.merge(record)
    assert log.batches(BOTH, Shares(), strata(log.seconds)) == whole.batches(BOTH, Shares(), strata(whole.seconds))
