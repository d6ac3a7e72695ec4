"""A candidate's share of breaches against the baseline's: validity, power, margins and the odds ratio."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine.sequential.comparison import ComparisonTest
from trimtab.engine.sequential.conclusion import Side
from trimtab.engine.sequential.look import SharePair
from trimtab.engine.sequential.odds import OddsRatio
from trimtab.engine.sequential.starts import ONLY_FIRST

PAIRS = st.builds(
    lambda n, m, x, y: SharePair(n, min(n, x), m, min(m, y)),
    st.integers(1, 2_000),
    st.integers(1, 2_000),
    st.integers(0, 2_000),
    st.integers(0, 2_000),
)


def looks_until(test: ComparisonTest, looks: list[SharePair], alpha: float) -> float:
    for second, look in enumerate(looks, 1):
        test.update(look)
        if test.evidence() >= -math.log(alpha):
            return second
    return math.inf


def traffic(  # noqa: PLR0913 - one argument a parameter
    seconds: int, seed: int, *, candidate: float = 0.01, baseline: float = 0.01, rps: int = 1_000, weight: float = 0.1
) -> list[SharePair]:
    """Baseline and candidate share their troubles: the rate doubles and halves with a period of ten minutes."""
    rng = np.random.default_rng(seed)
    ours = rng.binomial(rps, weight, seconds)
    mood = np.exp(math.log(2) * np.sin(np.arange(seconds) * (2 * math.pi / 600)))
    odds = [share / (1 - share) * mood for share in (candidate, baseline)]
    breaches = [rng.binomial(n, o / (1 + o)) for n, o in zip((ours, rps - ours), odds, strict=True)]
    columns = (ours, breaches[0], rps - ours, breaches[1])
    return [SharePair(*look) for look in zip(*(column.tolist() for column in columns), strict=True)]


@given(PAIRS, st.sampled_from([1.0, 1.5]))
def test_more_breaches_of_the_candidate_are_more_evidence_of_harm(look: SharePair, margin: float) -> None:
    better = look._replace(candidate_breaches=max(0, look.candidate_breaches - 1))
    worse_baseline = look._replace(baseline_breaches=min(look.baseline, look.baseline_breaches + 1))
    harm, benefit = ComparisonTest(margin), ComparisonTest(margin, side=Side.BENEFIT)
    for less in (better, worse_baseline):
        assert harm.evidence(less) <= harm.evidence(look) + 1e-9
        assert benefit.evidence(less) >= benefit.evidence(look) - 1e-9


@given(PAIRS)
def test_a_wider_margin_is_less_evidence_of_harm(look: SharePair) -> None:
    evidences = [ComparisonTest(margin).evidence(look) for margin in (1.0, 1.2, 2.0)]
    assert evidences[0] >= evidences[1] - 1e-9
    assert evidences[1] >= evidences[2] - 1e-9


@given(PAIRS)
def test_both_sides_weigh_as_much_as_each_by_half(look: SharePair) -> None:
    sides = [math.exp(min(700, ComparisonTest(side=side, first=1.0).evidence(look))) for side in Side]
    assert min(sides[2], 1e300) == pytest.approx(min((sides[0] + sides[1]) / 2, 1e300))


def test_twice_the_errors_are_found_in_seconds_and_the_same_errors_are_not() -> None:
    assert looks_until(ComparisonTest(), traffic(120, 3, candidate=0.02), 0.05) < 40
    assert looks_until(ComparisonTest(), traffic(600, 3), 0.05) == math.inf


def test_what_is_within_the_margin_is_no_harm_and_what_is_beyond_is() -> None:
    looks = traffic(600, 4, candidate=0.015)
    assert looks_until(ComparisonTest(), looks, 0.01) < 600
    assert looks_until(ComparisonTest(2.0), looks, 0.01) == math.inf
    assert looks_until(ComparisonTest(1.1), traffic(600, 4, candidate=0.04), 0.01) < 20


def test_evidence_against_the_opposite_shows_that_a_candidate_is_not_inferior() -> None:
    test = ComparisonTest(1.5, side=Side.BENEFIT)
    assert looks_until(test, traffic(600, 5), 0.05) < 300
    assert looks_until(ComparisonTest(1.5, side=Side.BENEFIT), traffic(600, 5, candidate=0.015), 0.05) == math.inf


def test_a_fall_after_a_good_hour_is_found_soon() -> None:
    looks = traffic(3_600, 6, candidate=0.009) + traffic(300, 7, candidate=0.02)
    plain = ComparisonTest(first=ONLY_FIRST)
    assert 3_600 < looks_until(ComparisonTest(), looks, 0.01) < 3_690
    assert looks_until(plain, looks, 0.01) == math.inf


def test_the_odds_ratio_compares_each_look_within_itself() -> None:
    """Both arms are alike at all times, but the candidate got most of its traffic in the bad minute."""
    ratio = OddsRatio()
    for look in (SharePair(100, 1, 900, 9), SharePair(900, 90, 100, 10)):
        ratio.update(look)
    assert ratio.estimate(1.0).value == pytest.approx(1)
    assert ratio.estimate(1.0).n == 1_000


def test_without_breaches_of_the_baseline_there_is_no_ratio() -> None:
    test = ComparisonTest()
    test.update(SharePair(50, 0, 100, 0))
    assert (test.estimate().value, test.estimate().n, test.estimate().is_within) == (None, 50, True)
    test.update(SharePair(50, 1, 100, 0))
    assert (test.estimate().value, test.estimate().is_within) == (None, False)


@pytest.mark.parametrize("margin", [0.9, 0.0, math.inf, math.nan])
def test_a_margin_below_one_is_refused(margin: float) -> None:
    with pytest.raises(ValueError, match="expected a margin of at least 1"):
        ComparisonTest(margin)


@pytest.mark.slow
@pytest.mark.parametrize("rps", [30, 1_000])
@pytest.mark.parametrize(("margin", "candidate", "side"), [(1.0, 0.01, Side.HARM), (1.5, 0.015 / 1.005, Side.HARM)])
def test_a_harmless_candidate_is_seldom_condemned_in_three_thousand_looks(
    rps: int, margin: float, candidate: float, side: Side
) -> None:
    runs = [traffic(3_000, seed, candidate=candidate, rps=rps) for seed in range(200)]
    alarms = sum(looks_until(ComparisonTest(margin, side=side), looks, 0.05) < math.inf for looks in runs)
    assert alarms / 200 <= 0.05
