"""The log of rewards that come late: by the second of their requests, with the weights that routed them."""

import pytest
from hypothesis import given, settings

from engine.builders import NOW_MS, NOW_S, release, request
from engine.evidence_rig import EvidenceRig
from engine.late_rewards import Asked, last_s, play, requests
from trimtab.engine.request_book import request_keep
from trimtab.engine.reward_log import RewardLog, Shares, strata
from trimtab.schemas.evidence import Panes
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import Request

BOTH = ("stable", "canary")


def waiting() -> Release:
    attribution = {"window": "7s", "repeated": "max", "default": 0.25}
    return release(objective={"metric": "rating", "attribution": attribution})


def taken(rig: EvidenceRig) -> RewardLog:
    keep = request_keep(waiting().spec)
    assert keep is not None
    log = RewardLog("checkout", "rating", keep.cohorts)
    for _, record in rig.log:
        if isinstance(record, Panes):
            log.merge(record)
    return log


@settings(max_examples=25)
@given(requests())
def test_seconds_hold_what_their_requests_earned(asked: list[Asked]) -> None:
    rig = EvidenceRig()
    rig.apply(waiting())
    newest = play(rig, asked, last_s(7))[-1][1]
    log = taken(rig)
    batches = log.batches(BOTH, Shares(), strata(log.seconds))
    for place, arm in enumerate(newest.arms):
        assert sum(batch.trials[place] for batch in batches) == arm.trials
        assert sum(batch.rewards[place] for batch in batches) == arm.reward_sum
    by_second = dict(zip(log.seconds, batches, strict=True))
    for second in {one.start_ms // 1000 for one in asked}:
        of_second = [one for one in asked if one.start_ms // 1000 == second]
        assert sum(by_second[second].rewards) == sum(one.reward(7, "max", 0.25) for one in of_second)


def test_the_estimate_ends_where_requests_wait() -> None:
    assert taken(EvidenceRig()).waits_s == 10
    assert RewardLog("checkout", "rating").waits_s == 0


def test_propensities_are_those_of_the_revisions_that_routed() -> None:
    rig = EvidenceRig()
    rig.apply(waiting())
    by = [Request(release="checkout", variant=variant, time_ms=NOW_MS, era=5, revision=revision)
          for variant, revision in (("stable", 1), ("canary", 2), ("canary", 2), ("stable", 9))]  # fmt: skip
    rig.bring(*by, request("stable"))
    shares = Shares()
    shares.decide(0, {"stable": 8_000, "canary": 2_000}, (5, 1))
    shares.decide(NOW_MS - 3_000, {"stable": 4_000, "canary": 6_000}, (5, 2))
    (batch,) = taken(rig).batches(BOTH, shares, [(NOW_S, "")])
    # One by the first, two by the second, and two that nobody knows of: those are taken for what was in force.
    assert batch.shares == pytest.approx([0.8 / 5 + 4 * 0.4 / 5, 0.2 / 5 + 4 * 0.6 / 5])


def test_a_second_without_requests_has_the_weights_that_were_in_force() -> None:
    shares = Shares()
    shares.decide(0, {"stable": 8_000, "canary": 2_000}, (5, 1))
    assert shares.of_requests((NOW_S, ""), {}, BOTH) == [0.8, 0.2]
