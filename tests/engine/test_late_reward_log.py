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


def routed_by(*revisions: int) -> RewardLog:
    rig = EvidenceRig()
    rig.apply(waiting())
    rig.bring(*[
        Request(release="checkout", variant="stable", time_ms=NOW_MS, era=5, revision=revision)
        for revision in revisions
    ])  # fmt: skip
    return taken(rig)


def moves(*decided: tuple[int, int, int]) -> Shares:
    """`decided`: milliseconds since the second in question began, revision, and the share of canary in %."""
    shares = Shares()
    for at_ms, revision, percent in decided:
        shares.decide(NOW_MS + at_ms, {"stable": 10_000 - 100 * percent, "canary": 100 * percent}, (5, revision))
    return shares


@pytest.mark.parametrize(
    ("others", "revision", "canary"),
    [
        ([(-5_000, 10, 0), (500, 30, 10)], 20, 0.0),  # on the way to the proxies
        ([(-5_000, 10, 0), (500, 30, 10)], 30, 0.1),
        ([(-5_000, 10, 0), (250, 25, 20)], 20, 0.1),  # half of the time that it was in force
        ([(-5_000, 10, 0), (750, 35, 40)], 30, 0.2),
        ([(-5_000, 10, 0), (2_000, 60, 50)], 70, 0.5),  # not in force in that second at all
        ([(-5_000, 10, 0), (2_000, 60, 50), (9_000, 90, 70)], 70, 0.5),
        ([(-5_000, 10, 30), (-2_500, 22, 60)], 10, 0.3),
        ([(-5_000, 10, 0), (500, 30, 10)], 80, 0.05),  # unknown: as in the whole second
    ],
)
def test_other_shares_are_those_in_force_while_a_revision_was(
    others: list[tuple[int, int, int]], revision: int, canary: float
) -> None:
    log, actual = routed_by(revision), moves((-5_000, 10, 5), (-3_000, 20, 7), (500, 30, 9), (3_000, 70, 11))
    ((_, found),) = log.targets(BOTH, actual, moves(*others), [(NOW_S, "")])
    assert found == pytest.approx(canary)


def test_the_same_shares_are_no_others_however_late_they_came_to_the_proxies() -> None:
    log, shares = routed_by(1, 1, 2, 9), moves((-5_000, 1, 0), (300, 2, 10), (300, 3, 15), (900, 4, 20))
    (batch,) = log.batches(BOTH, shares, [(NOW_S, "")])
    assert log.targets(BOTH, shares, shares, [(NOW_S, "")]) == [batch.shares]


def test_a_second_without_requests_has_the_weights_that_were_in_force() -> None:
    shares = Shares()
    shares.decide(0, {"stable": 8_000, "canary": 2_000}, (5, 1))
    assert shares.of_requests((NOW_S, ""), {}, BOTH) == [0.8, 0.2]
