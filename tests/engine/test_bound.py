"""One bound on one variant: what it is told, when its warm-up is over, and what a breach of it is."""

import math

import pytest

from engine.windows import window
from trimtab.engine.bound import Bound, ShareBound, breaches_at_most, counting
from trimtab.engine.evidence import News
from trimtab.engine.rail import Pair, PairRail, ShareRail
from trimtab.engine.sequential.conclusion import Rule
from trimtab.engine.sequential.look import Share, Sums
from trimtab.engine.sequential.mean import Harm, MeanTest
from trimtab.engine.shown import Face, ShareFace
from trimtab.engine.sketch import bucket_of_limit
from trimtab.engine.totals import ArmTotals
from trimtab.schemas.decision import Verdict
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.guardrail import ErrorRateGuardrail, Guardrail, LatencyGuardrail

RULE = Rule(alpha=0.01)


def totals(**counts: int) -> ArmTotals:
    return ArmTotals([counts.get(name, 0) for name in COUNTS])


def errors(warm_up: str = "0s", metric: str = "error_rate") -> ErrorRateGuardrail:
    return ErrorRateGuardrail.model_validate({"metric": metric, "max": 0.1, "warmUp": warm_up})


def share_bound(guardrail: ErrorRateGuardrail | None = None) -> ShareBound:
    of = guardrail or errors()
    return ShareBound("canary", of, "max", ShareRail(0.1), RULE, ShareFace(of, "max"), count=counting(of))


def mean_bound(guardrail: Guardrail | None = None) -> Bound:
    of = guardrail or errors()
    rail = PairRail(MeanTest(0.5, harm=Harm.ABOVE), lambda pair: Sums(pair.variant.responses, 1.0, 1.0))
    return Bound("canary", of, "maxRatio", rail, RULE, Face(of, "maxRatio"))


def close(bound: ShareBound, totals: ArmTotals, now_s: int) -> None:
    """Ends a look, as the guard does for all bounds together."""
    bound.rail.update(bound.close(totals, now_s))


def test_a_bound_starts_with_nothing_to_look_at() -> None:
    assert not mean_bound().is_fresh
    assert share_bound().most == math.inf


def test_without_a_warm_up_everything_counts() -> None:
    assert not mean_bound().is_warming_up(100)


def test_a_warm_up_begins_with_the_first_response_and_ends_to_the_second() -> None:
    bound = mean_bound(errors("5s"))
    assert bound.is_warming_up(100)
    bound.see(100, 0)
    assert bound.is_warming_up(105)
    bound.see(105, 1)
    bound.see(107, 1)
    assert [bound.is_warming_up(second) for second in (105, 109, 110, 111)] == [True, True, False, False]


def test_a_long_warm_up_ends_to_the_second_too() -> None:
    bound = mean_bound(errors("30m"))
    bound.see(100, 1)
    assert [bound.is_warming_up(second) for second in (1_899, 1_900)] == [True, False]


def test_the_shortest_warm_up_lasts_to_the_end_of_its_second() -> None:
    bound = mean_bound(errors("1ms"))
    bound.see(100, 1)
    assert [bound.is_warming_up(second) for second in (100, 101)] == [True, False]


@pytest.mark.parametrize(("warm_up", "has_one"), [("0s", False), ("1ms", True), ("5s", True)])
def test_a_decision_asks_for_the_end_of_a_warm_up_where_there_is_one(warm_up: str, *, has_one: bool) -> None:
    assert share_bound(errors(warm_up)).warms_up is has_one


def test_a_bound_that_starts_anew_keeps_a_warm_up_that_is_over() -> None:
    before = mean_bound(errors("5s"))
    before.see(100, 1)
    assert not mean_bound(errors("5s")).after(before).is_warming_up(105)


def test_a_second_bound_of_the_same_kind_continues_from_a_snapshot() -> None:
    bound, restored = mean_bound(), mean_bound()
    bound.see(100, 1)
    bound.rail.update(Pair(window(responses=30), window()))
    bound.is_fresh = True
    restored.restore(bound.snapshot())
    assert (restored.began_s, restored.is_fresh) == (100, True)
    assert restored.rail.conclude(RULE) == bound.rail.conclude(RULE)


def test_a_bound_on_a_share_continues_from_a_snapshot() -> None:
    bound, restored = share_bound(errors("5s")), share_bound(errors("5s"))
    close(bound, totals(responses=10, errors=1), 100)
    close(bound, totals(responses=30, errors=4), 105)
    restored.restore(bound.snapshot())
    assert (restored.began_s, restored.told) == (100, Share(30, 4))
    assert restored.rail.conclude(RULE) == bound.rail.conclude(RULE)
    assert restored.rail.conclude(RULE).n == 20


def test_what_has_come_since_is_told_once() -> None:
    bound = share_bound()
    assert bound.ahead(totals(responses=10, errors=3)) == Share(10, 3)
    close(bound, totals(responses=10, errors=3), 100)
    assert bound.ahead(totals(responses=10, errors=3)) == Share(0, 0)
    assert bound.ahead(totals(responses=11, errors=4)) == Share(1, 1)
    close(bound, totals(responses=12, errors=4), 101)
    assert bound.told == Share(12, 4)


@pytest.mark.parametrize(
    ("responses", "breaches", "expected"),
    [(9, 3, Share(0, 0)), (10, 4, Share(0, 0)), (11, 2, Share(1, 0)), (12, 9, Share(2, 2)), (12, 4, Share(2, 1))],
)
def test_what_is_missing_after_a_lesser_content_is_waited_for(responses: int, breaches: int, expected: Share) -> None:
    bound = share_bound()
    close(bound, totals(responses=10, errors=3), 100)
    assert bound.ahead(totals(responses=responses, errors=breaches)) == expected


def test_a_look_has_to_be_looked_at_and_no_look_has_not() -> None:
    bound = share_bound()
    bound.most = -1.0
    close(bound, totals(), 100)
    assert bound.most == -1.0
    close(bound, totals(responses=1), 101)
    assert bound.most == math.inf


def test_a_look_of_a_warm_up_is_told_and_not_taken() -> None:
    bound = share_bound(errors("5s"))
    bound.most = -1.0
    close(bound, totals(responses=10, errors=9), 100)
    assert (bound.told, bound.most, bound.rail.conclude(RULE).n) == (Share(10, 9), -1.0, 0)
    close(bound, totals(responses=30, errors=9), 105)
    assert (bound.told, bound.most, bound.rail.conclude(RULE).n) == (Share(30, 9), math.inf, 20)


@pytest.mark.parametrize(
    ("peek", "evidence", "verdict"),
    [
        (Share(9, 0), 9.0, Verdict.INCONCLUSIVE),
        (Share(10, 0), 4.6, Verdict.INCONCLUSIVE),
        (Share(10, 0), 4.7, Verdict.FAIL),
        (Share(10, 2), -1.0, Verdict.PASS),
        (Share(10, 3), -1.0, Verdict.INCONCLUSIVE),
    ],
)
def test_a_bound_on_a_share_is_assessed_with_what_is_no_look_yet(
    peek: Share, evidence: float, verdict: Verdict
) -> None:
    bound = share_bound()
    close(bound, totals(responses=10), 100)
    shown = bound.assess(peek, evidence, window(responses=4, errors=1))
    assert (shown.variant, shown.verdict, shown.samples) == ("canary", verdict, 10 + peek.responses)
    assert (shown.ln_evidence, shown.threshold, shown.value) == (evidence, RULE.threshold, 0.25)
    assert bound.most == evidence


def test_each_guardrail_counts_its_own_breaches() -> None:
    slow = LatencyGuardrail(metric="latency_p99_ms", max=50.0)
    seen = totals(responses=10, errors=3, client_errors=4)
    seen.slower = {bucket_of_limit(50.0): 5}
    assert counting(errors())(seen) == 3
    assert counting(errors(metric="client_error_rate"))(seen) == 4
    assert counting(slow)(seen) == 5
    assert counting(slow)(totals(responses=10)) == 0


def test_news_breach_a_bound_at_most_as_often_as_they_may() -> None:
    slow, bucket = LatencyGuardrail(metric="latency_p99_ms", max=50.0), bucket_of_limit(50.0)
    assert breaches_at_most(errors())(News(9, 2, 0)) == 2
    assert breaches_at_most(errors(metric="client_error_rate"))(News(9, 2, 0)) == 9
    assert breaches_at_most(slow)(News(9, 2, bucket)) == 0
    assert breaches_at_most(slow)(News(9, 2, bucket + 1)) == 9
