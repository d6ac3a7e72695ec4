"""One alpha for all guardrails and candidates of a release."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.sequential.budget import BudgetTest
from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.family import ABORT_ALPHA, Family, Merged
from trimtab.engine.sequential.look import Share, SharePair

WEIGHTS = st.dictionaries(
    st.sampled_from("abc"), st.dictionaries(st.sampled_from("wxyz"), st.floats(0.01, 100), min_size=1), min_size=1
)


@given(WEIGHTS, st.floats(0.001, 0.5))
def test_the_parts_of_alpha_sum_to_alpha(weights: dict[str, dict[str, float]], alpha: float) -> None:
    family = Family(weights, alpha)
    parts = [family.rule(candidate, name).alpha for candidate, names in weights.items() for name in names]
    assert math.fsum(parts) == pytest.approx(alpha)
    thresholds = [family.merge(candidate, {}).threshold for candidate in weights]
    assert math.fsum(math.exp(-threshold) for threshold in thresholds) == pytest.approx(alpha)


@given(WEIGHTS, st.lists(st.floats(-50, 50), min_size=4, max_size=4))
def test_what_one_guardrail_fails_alone_fails_the_candidate(
    weights: dict[str, dict[str, float]], evidences: list[float]
) -> None:
    family = Family(weights)
    for candidate, names in weights.items():
        told = dict(zip(names, evidences, strict=False))
        merged = family.merge(candidate, told)
        if any(told[name] >= family.rule(candidate, name).threshold + 1e-9 for name in names):
            assert merged.is_alarm
        mean = sum(weight * math.exp(told[name]) for name, weight in names.items()) / sum(names.values())
        assert merged.ln_evidence == pytest.approx(math.log(mean), abs=1e-9)
        assert merged.leading in names


def test_guardrails_that_are_half_sure_each_are_sure_together() -> None:
    family = Family({"canary": {"errors": 1, "latency": 1}}, alpha=0.01)
    half = family.rule("canary", "errors").threshold - 0.5
    assert family.merge("canary", {"errors": half, "latency": half}).is_alarm
    assert not family.merge("canary", {"errors": half}).is_alarm


def test_weights_shift_alpha_between_guardrails_and_candidates() -> None:
    family = Family({"blue": {"errors": 3, "latency": 1}, "green": {"errors": 4}}, alpha=0.08)
    alphas = [
        family.rule("blue", "errors").alpha,
        family.rule("blue", "latency").alpha,
        family.rule("green", "errors").alpha,
    ]
    assert alphas == pytest.approx([0.03, 0.01, 0.04])
    assert family.rule("green", "errors", min_samples=7).min_samples == 7


def test_the_guardrail_that_adds_the_most_leads() -> None:
    family = Family({"canary": {"errors": 1, "latency": 1}})
    assert family.merge("canary", {"errors": 1.0, "latency": 2.0}).leading == "latency"


@pytest.mark.parametrize("weights", [{}, {"errors": 0.0}, {"errors": -1.0}, {"errors": math.inf}, {"errors": math.nan}])
def test_weights_that_are_none_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="candidate canary: expected weights above 0"):
        Family({"canary": weights})


@pytest.mark.parametrize("alpha", [0.0, 1.0, math.nan])
def test_an_alpha_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="expected an alpha between 0 and 1"):
        Family({"canary": {"errors": 1.0}}, alpha)


@pytest.mark.slow
def test_a_harmless_release_is_seldom_aborted() -> None:
    """Two candidates, two guardrails each on the edge of harm, which share the baseline and its errors."""
    candidates = ("blue", "green")
    alarms = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        family = Family({name: {"budget": 1, "comparison": 1} for name in candidates}, 10 * ABORT_ALPHA)
        tests = {name: (BudgetTest(0.02), ComparisonTest()) for name in candidates}
        alarms += any(_look(rng, family, tests) for _ in range(1_500))
    assert alarms / 300 <= 10 * ABORT_ALPHA


def _look(rng: np.random.Generator, family: Family, tests: dict[str, tuple[BudgetTest, ComparisonTest]]) -> bool:
    baseline = int(rng.binomial(160, 0.02))
    alarms = []
    for name, (budget, comparison) in tests.items():
        x = int(rng.binomial(20, 0.02))
        budget.update(Share(20, x))
        comparison.update(SharePair(20, x, 160, baseline))
        told = {"budget": budget.evidence(), "comparison": comparison.evidence()}
        alarms.append(family.merge(name, told).is_alarm)
    return any(alarms)


def test_a_family_may_be_wrong_once_in_a_hundred_where_nobody_says_otherwise() -> None:
    assert Family({"canary": {"errors": 1.0}}).rule("canary", "errors").alpha == 0.01


def test_evidence_that_is_just_enough_is_an_alarm() -> None:
    assert Merged(4.5, 4.5, "errors").is_alarm
    assert not Merged(math.nextafter(4.5, 0), 4.5, "errors").is_alarm


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf])
def test_one_weight_that_is_none_spoils_all(weight: float) -> None:
    with pytest.raises(ValueError, match="candidate canary: expected weights above 0"):
        Family({"canary": {"errors": 1.0, "latency": weight}})


def test_a_guardrail_that_says_nothing_counts_as_no_evidence() -> None:
    family = Family({"canary": {"errors": 1.0, "latency": 1.0}})
    said = family.merge("canary", {"errors": 5.0})
    assert said == family.merge("canary", {"errors": 5.0, "latency": 0.0})
    assert (said.ln_evidence, said.leading) == (pytest.approx(math.log((math.exp(5.0) + 1.0) / 2)), "errors")
