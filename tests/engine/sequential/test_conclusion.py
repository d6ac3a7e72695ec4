"""Verdicts from evidence, rule by rule."""

import math
from dataclasses import dataclass

import pytest

from trimtab.engine.sequential.budget import BudgetTest
from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.conclusion import Conclusion, Estimate, Rule, Side, conclude
from trimtab.engine.sequential.look import Share, SharePair
from trimtab.schemas.decision import Verdict

PASS, FAIL, INCONCLUSIVE = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


@dataclass
class Told:
    """A test that has seen what it is told to have seen."""

    ln_evidence: float
    is_within: bool = True
    n: int = 100

    def update(self, look: Share) -> None:
        """Nothing is left to see."""

    def evidence(self, peek: Share | None = None) -> float:  # noqa: ARG002 - as every test
        return self.ln_evidence

    def estimate(self, peek: Share | None = None) -> Estimate:  # noqa: ARG002 - as every test
        return Estimate(0.5, 1.0, self.n, is_within=self.is_within)


@pytest.mark.parametrize(
    ("told", "verdict", "reason"),
    [
        (Told(50.0, n=19), INCONCLUSIVE, "19 of 20 samples"),
        (Told(50.0, n=20), FAIL, "ln evidence of harm 50.00, which reaches 4.61"),
        (Told(4.60), INCONCLUSIVE, "within the limit, but ln evidence of harm has risen to 4.60"),
        (Told(0.01), INCONCLUSIVE, "within the limit, but ln evidence of harm has risen to 0.01"),
        (Told(0.0), PASS, "within the limit, and no evidence of harm"),
        (Told(-1.0, is_within=False), INCONCLUSIVE, "beyond the limit, but ln evidence -1.00 is below 4.61"),
        (Told(9.0, is_within=True), FAIL, "ln evidence of harm 9.00, which reaches 4.61"),
    ],
)
def test_each_rule_decides_in_its_turn(told: Told, verdict: Verdict, reason: str) -> None:
    conclusion = conclude(told, Rule(0.01))
    assert (conclusion.verdict, conclusion.reason) == (verdict, reason)


def test_evidence_exactly_on_its_threshold_fails() -> None:
    rule = Rule(0.01)
    assert conclude(Told(rule.threshold), rule).verdict is FAIL
    assert conclude(Told(math.nextafter(rule.threshold, 0)), rule).verdict is INCONCLUSIVE


def test_a_strict_pass_may_be_wrong_once_in_twenty() -> None:
    assert Rule(0.01).pass_threshold == pytest.approx(math.log(20))


def test_a_strict_pass_takes_evidence_against_the_opposite() -> None:
    rule = Rule(0.01, pass_alpha=0.05)
    weak, enough = Told(math.nextafter(rule.pass_threshold, 0)), Told(rule.pass_threshold)
    assert conclude(Told(-1.0), rule, opposite=weak).verdict is INCONCLUSIVE
    assert (
        conclude(Told(-1.0), rule, opposite=weak).reason
        == "within the limit, but ln evidence of that, 3.00, is below 3.00"
    )
    assert conclude(Told(-1.0), rule, opposite=enough).verdict is PASS
    assert conclude(Told(9.0), rule, opposite=enough).verdict is FAIL


def test_a_conclusion_carries_the_numbers_that_it_rests_on() -> None:
    test, rule = BudgetTest(0.02), Rule(0.01, min_samples=30)
    test.update(Share(100, 1))
    assert conclude(test, rule) == Conclusion(
        PASS, "within the limit, and no evidence of harm", 0.01, 0.02, test.evidence(), rule.threshold, 100
    )


def test_an_open_look_can_fail_a_test_before_it_is_over() -> None:
    test = BudgetTest(0.02)
    assert conclude(test, Rule(0.01)).verdict is INCONCLUSIVE
    open_look = Share(20, 15)
    assert conclude(test, Rule(0.01), peek=open_look).verdict is FAIL
    assert conclude(test, Rule(0.01), peek=open_look).n == 20
    assert conclude(test, Rule(0.01)).n == 0


def test_a_candidate_passes_strictly_once_it_is_shown_not_to_be_inferior() -> None:
    test, opposite, rule = ComparisonTest(1.5), ComparisonTest(1.5, side=Side.BENEFIT), Rule(0.01)
    verdicts = []
    for _ in range(200):
        for one in (test, opposite):
            one.update(SharePair(100, 1, 900, 9))
        verdicts.append(conclude(test, rule, opposite=opposite).verdict)
    first = verdicts.index(PASS)
    assert first > 10
    assert set(verdicts[:first]) == {INCONCLUSIVE}
    assert set(verdicts[first:]) == {PASS}
