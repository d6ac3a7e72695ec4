"""The likelihood ratios of a look, against SciPy and by enumeration."""

import math
from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trimtab.engine.sequential.hypergeometric import pair_steps
from trimtab.engine.sequential.look import SharePair

TILTS = np.array([-3.2, -0.4, 0.1, 0.8, 3.2])


def ratios(candidate: int, baseline: int, breaches: int, ln_odds: float) -> tuple[list[int], npt.NDArray[np.float64]]:
    """All possible counts of the candidate, and the likelihood ratios that they give, by tilt."""
    counts = list(range(max(0, breaches - baseline), min(candidate, breaches) + 1))
    looks = [SharePair(candidate, x, baseline, breaches - x) for x in counts]
    return counts, np.exp([pair_steps(TILTS, ln_odds, look) for look in looks])


@pytest.mark.parametrize(
    ("candidate", "baseline", "breaches"),
    [
        (1, 1, 1),
        (5, 3, 4),
        (3, 9, 11),
        (100, 900, 10),
        (100, 900, 500),
        (50, 40, 80),
        (10, 1_000, 1_009),
        (400, 400, 7),
    ],
)
@pytest.mark.parametrize("margin", [1.0, 1.5, 0.7])
def test_agrees_with_fishers_noncentral_hypergeometric_distribution(
    candidate: int, baseline: int, breaches: int, margin: float
) -> None:
    counts, ours = ratios(candidate, baseline, breaches, math.log(margin))
    fisher = stats.nchypergeom_fisher
    at_null = fisher.pmf(counts, candidate + baseline, candidate, breaches, margin)
    for place, tilt in enumerate(TILTS):
        tilted = fisher.pmf(counts, candidate + baseline, candidate, breaches, margin * math.exp(tilt))
        likely = at_null > 1e-200
        assert ours[likely, place] == pytest.approx(tilted[likely] / at_null[likely], rel=1e-7)
        assert float(at_null @ ours[:, place]) == pytest.approx(1, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.floats(0.01, 0.99), st.floats(1, 3), st.floats(0, 1))
def test_the_mean_is_at_most_one_at_any_baseline_share_within_the_margin(
    candidate: int, baseline: int, share: float, margin: float, part: float
) -> None:
    """All outcomes of all requests; `part` of the margin is used up, or as much more than it for the opposite null."""
    odds = share / (1 - share)
    for sign, ln_ratio in ((1, part * math.log(margin)), (-1, (2 - part) * math.log(margin))):
        of_candidate = odds * math.exp(ln_ratio) / (1 + odds * math.exp(ln_ratio))
        tilts = np.array([sign * 0.4, sign * 3.2])
        mean = np.zeros(2)
        for x, y in product(range(candidate + 1), range(baseline + 1)):
            chance = stats.binom.pmf(x, candidate, of_candidate) * stats.binom.pmf(y, baseline, share)
            mean += chance * np.exp(pair_steps(tilts, math.log(margin), SharePair(candidate, x, baseline, y)))
        assert mean.max() <= 1 + 1e-9


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 599), st.integers(0, 299))
def test_evidence_rises_with_the_candidates_part_of_the_breaches(
    candidate: int, baseline: int, breaches: int, place: int
) -> None:
    counts, ours = ratios(candidate, baseline, min(breaches, candidate + baseline - 1), 0.0)
    place %= len(counts)
    more = ours[min(place + 1, len(counts) - 1)]
    assert (ours[place][TILTS > 0] <= more[TILTS > 0] * (1 + 1e-9)).all()
    assert (ours[place][TILTS < 0] >= more[TILTS < 0] * (1 - 1e-9)).all()


@pytest.mark.parametrize("breaches", [(0, 0), (70, 30)])
def test_where_none_or_all_breach_there_is_nothing_to_tell(breaches: tuple[int, int]) -> None:
    assert pair_steps(TILTS, 0.3, SharePair(70, breaches[0], 30, breaches[1])).tolist() == [0] * len(TILTS)


@pytest.mark.parametrize("width", [23, 24, 25, 26])
def test_a_plain_sum_and_one_around_the_largest_term_agree(width: int) -> None:
    counts, ours = ratios(width, 2_000, 200, 0.2)
    at_null = stats.nchypergeom_fisher.pmf(counts, width + 2_000, width, 200, math.exp(0.2))
    assert at_null @ ours == pytest.approx(1, abs=1e-9)


BILLION = 10**9


@pytest.mark.parametrize(
    "look",
    [
        SharePair(BILLION, BILLION, BILLION, 0),
        SharePair(BILLION, 0, BILLION, BILLION),
        SharePair(BILLION, BILLION // 2, BILLION, BILLION // 2),
        SharePair(BILLION, 3, BILLION, 2),
        SharePair(BILLION, 24, BILLION, 0),
        SharePair(24, 24, BILLION, BILLION - 24),
        SharePair(1, 1, BILLION, 0),
        SharePair(1, 0, BILLION, BILLION),
        SharePair(BILLION, BILLION - 1, 1, 1),
    ],
)
def test_extreme_looks_give_finite_evidence(look: SharePair) -> None:
    assert np.isfinite(pair_steps(TILTS, math.log(1.2), look)).all()


def test_evidence_of_billions_is_as_it_should_be() -> None:
    """A share of 1e9 draws is normal, to all digits: ln E[exp(tilt x)] = tilt mean + tilt^2 variance / 2."""
    n, breaches, tilt = BILLION, BILLION // 1000, 1e-3
    mean = breaches / 2
    variance = breaches / 4 * (2 * n - breaches) / (2 * n - 1)
    (step,) = pair_steps(np.array([tilt]), 0.0, SharePair(n, breaches // 2 + 500, n, breaches - breaches // 2 - 500))
    assert step == pytest.approx(tilt * (breaches // 2 + 500 - mean) - tilt**2 * variance / 2, abs=1e-5)
