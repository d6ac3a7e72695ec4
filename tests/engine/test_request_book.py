"""What is kept of requests: by segment, over a change of variants, and without anybody asking."""

import msgspec
import pytest

from engine.builders import NOW_MS, NOW_S, content, outcome, release, request
from engine.evidence_rig import EvidenceRig, decisions
from trimtab.engine.cohort_book import CohortSpec
from trimtab.engine.errors import EngineError
from trimtab.engine.evidence import Evidence
from trimtab.engine.propensity import MOST_CHANGES, InForce
from trimtab.engine.ratio_guard import RatioGuard
from trimtab.engine.request_book import RequestBook, RequestKeep, request_keep
from trimtab.engine.routed import RoutedSeconds
from trimtab.engine.sequential.look import Routed
from trimtab.schemas.evidence import VALUE_SCALE

COHORTS = CohortSpec("converted", 5, 0, "last")
ONE = content({}, {"converted": (1, VALUE_SCALE, VALUE_SCALE)}, requests=2)
NOTHING = content()


def test_segments_have_cohorts_of_their_own_and_the_rest_is_what_is_in_none() -> None:
    book = RequestBook(RequestKeep(("stable", "canary"), COHORTS, segments=("mobile",)))
    for segment in ("mobile", "mobile", "desktop"):
        book.replace("canary", (100, segment), NOTHING, ONE)
    book.advance(120)
    assert book.cohorts is not None
    assert book.cohorts.earned(1) == (6, 3 * VALUE_SCALE, 3 * VALUE_SCALE)
    assert book.cohorts_in("mobile").earned(1) == (4, 2 * VALUE_SCALE, 2 * VALUE_SCALE)
    assert book.cohorts_in("").earned(1) == (2, VALUE_SCALE, VALUE_SCALE)
    again = RequestBook.restore(RequestKeep(("stable", "canary"), COHORTS, segments=("mobile",)), book.snapshot())
    assert again.snapshot() == book.snapshot()
    assert again.cohorts_in("mobile").earned(1) == (4, 2 * VALUE_SCALE, 2 * VALUE_SCALE)


def test_decisions_show_what_segments_earned() -> None:
    rig = EvidenceRig()
    attribution = {"metric": "converted", "attribution": {"window": "5s"}}
    rig.apply(release(objective=attribution, segments=[{"name": "mobile"}]))
    rig.bring(request(segment="mobile"), request(), outcome(value=1.0))
    made = [one for _ in range(12) for one in decisions(rig.wait(1_000))][-1]
    assert (made.arms[1].trials, made.arms[1].reward_sum) == (2, 1.0)
    assert (made.arms[1].segments["mobile"].trials, made.arms[1].segments["mobile"].reward_sum) == (1, 0.0)


def test_without_cohorts_nobody_can_ask_for_them() -> None:
    book = RequestBook(RequestKeep(("stable", "canary"), has_ratio=True))
    assert (book.evidence_count, book.cohorts) == (0, None)
    with pytest.raises(EngineError, match="cohorts are not kept"):
        book.cohorts_in("")


def test_a_restart_keeps_the_open_seconds_of_a_ratio_without_cohorts() -> None:
    keep = RequestKeep(("stable", "canary"), has_ratio=True)
    book = RequestBook(keep)
    book.decide(0, (5, 1), (9_000, 1_000), {})
    book.replace("canary", (100, ""), NOTHING, msgspec.structs.replace(content(requests=2), routed=((5, 1, 2),)))
    again = RequestBook.restore(keep, book.snapshot())
    assert (again.snapshot(), again.cohorts) == (book.snapshot(), None)
    assert list(again.routed.close(101, again.in_force)) == [Routed((9_000, 1_000), [0, 2], 100)]


def test_a_snapshot_of_before_requests_were_kept_by_revision_begins_anew_with_them() -> None:
    keep = RequestKeep(("stable", "canary"), COHORTS)
    book = RequestBook(keep)
    book.replace("canary", (100, ""), NOTHING, ONE)
    again = RequestBook.restore(keep, msgspec.structs.replace(book.snapshot(), routed=None))
    assert again.snapshot() == book.snapshot()


def test_contents_that_were_taken_back_leave_nothing_to_look_at() -> None:
    book = RequestBook(RequestKeep(("stable", "canary")))
    book.decide(0, (5, 1), (9_000, 1_000), {})
    routed = msgspec.structs.replace(content(requests=2), routed=((5, 1, 2),))
    book.replace("canary", (100, ""), NOTHING, routed)
    book.replace("canary", (100, ""), routed, NOTHING)
    assert list(book.routed.close(101, book.in_force)) == []


def test_what_does_not_take_part_is_passed_over() -> None:
    book = RequestBook(RequestKeep(("stable", "canary"), COHORTS, has_ratio=True))
    before = book.snapshot()
    book.replace("newer", (100, ""), NOTHING, ONE)
    assert book.snapshot() == before


def test_a_release_that_asks_for_nothing_keeps_no_more_than_who_routed() -> None:
    plain = RequestKeep(("stable", "canary"))
    assert request_keep(release().spec) == plain
    assert request_keep(release(guardrails=[{"metric": "sample_ratio", "severity": "muted"}]).spec) == plain


def test_weights_of_before_are_known_under_other_variants() -> None:
    in_force = InForce()
    in_force.decide(NOW_MS, (5, 1), (9_000, 1_000), {"mobile": (4_000, 6_000)})
    anew = in_force.arranged(("stable", "canary"), ("newer", "canary"))
    assert (anew.of((5, 1)), anew.of((5, 1), "mobile")) == ((0, 1_000), (0, 6_000))
    assert (anew.at(NOW_S), anew.at(NOW_S, "mobile")) == ((0, 1_000), (0, 6_000))
    assert InForce().at(NOW_S) == ()


def test_only_the_newest_changes_of_weights_are_remembered() -> None:
    in_force = InForce()
    for number in range(MOST_CHANGES + 10):
        in_force.decide(NOW_MS + number * 1_000, (5, number + 1), (10_000 - number, number))
    assert in_force.of((5, 10)) is None
    assert in_force.of((5, 11)) == (9_990, 10)
    assert in_force.at(NOW_S) == (9_990, 10), "the oldest that is known"


def test_weights_that_stay_take_no_room_and_are_known_by_every_revision() -> None:
    in_force = InForce()
    for number in range(5):
        in_force.decide(NOW_MS + number * 1_000, (5, number + 1), (9_000, 1_000))
    assert len(in_force.snapshot().changes) == 1
    assert in_force.of((5, 3)) == (9_000, 1_000)


def test_requests_that_come_after_their_second_was_closed_are_left_out_and_told() -> None:
    seconds, in_force = RoutedSeconds(arms=2, since_s=0), InForce()
    in_force.decide(0, (5, 1), (5_000, 5_000))
    late = msgspec.structs.replace(content(requests=3), routed=((5, 1, 3),))
    assert list(seconds.close(101, in_force)) == []
    seconds.add(0, (100, ""), +1, late)
    assert (seconds.missed, seconds.is_empty) == (3, True)


def test_requests_of_known_revisions_are_expected_by_their_weights_and_a_snapshot_keeps_open_seconds() -> None:
    keep = RequestKeep(("stable", "canary"), COHORTS, has_ratio=True)
    book = RequestBook(keep)
    book.decide(0, (5, 1), (9_000, 1_000), {})
    book.decide(90_000, (5, 2), (5_000, 5_000), {})
    routed = msgspec.structs.replace(content(requests=4), routed=((5, 1, 2), (5, 9, 1)))
    book.replace("canary", (100, ""), NOTHING, routed)
    again = RequestBook.restore(keep, book.snapshot())
    for one in (book, again):
        assert list(one.routed.close(101, one.in_force)) == [Routed((9_000, 1_000), [0, 2], 100, is_stale=True)]
        assert one.routed.missed == 1, "of a revision that nobody decided on"
        one.advance(120)
        assert one.cohorts is not None
        assert one.cohorts.expected() == [2 * 9_000 + 2 * 5_000, 2 * 1_000 + 2 * 5_000]
    assert again.snapshot() == book.snapshot()


def test_a_release_without_a_sample_ratio_keeps_and_starts_nothing_of_it() -> None:
    evidence = Evidence(("stable", "canary"), {})
    guard = RatioGuard(release().spec, evidence)
    guard.take(Routed((9_000, 1_000), [9, 1]), NOW_S)
    guard.start_over(lambda _: True)
    guard.restore(guard.snapshot())
    assert (guard.snapshot(), guard.assess("canary"), guard.is_settled, guard.fails()) == ({}, [], True, False)
