"""P(best) of Beta posteriors against brute-force quadrature, adaptive quadrature, closed form, and sampling."""

import math
from collections.abc import Callable, Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import bandit, proba
from scipy import integrate, stats
from scipy.special import betaln

from engine import quadrature
from trimtab.engine.best import probability_best, probability_best_of
from trimtab.engine.posterior import Beta

Draw = Callable[[np.random.Generator, int], list[Beta]]


def sizes(rng: np.random.Generator, arms: int) -> list[int]:
    return [int(size) for size in np.exp(rng.uniform(math.log(20), math.log(200_000), arms))]


def of_counts(counts: Sequence[tuple[int, int]]) -> list[Beta]:
    return [Beta(1.0 + good, 1.0 + n - good) for n, good in counts]


def anywhere(rng: np.random.Generator, arms: int) -> list[Beta]:
    return of_counts([(n, int(rng.binomial(n, rng.random()))) for n in sizes(rng, arms)])


def near_ties(rng: np.random.Generator, arms: int) -> list[Beta]:
    share = rng.random()
    return of_counts([(n, int(rng.binomial(n, share))) for n in sizes(rng, arms)])


def near_ties_of_one_size(rng: np.random.Generator, arms: int) -> list[Beta]:
    share, n = rng.random(), sizes(rng, 1)[0]
    return of_counts([(n, int(rng.binomial(n, share))) for _ in range(arms)])


def few_failures(rng: np.random.Generator, arms: int) -> list[Beta]:
    return of_counts([(n, n - int(rng.integers(0, 4))) for n in sizes(rng, arms)])


def few_failures_of_one_size(rng: np.random.Generator, arms: int) -> list[Beta]:
    n = sizes(rng, 1)[0]
    return of_counts([(n, n - int(rng.integers(0, 4))) for _ in range(arms)])


def few_successes(rng: np.random.Generator, arms: int) -> list[Beta]:
    return of_counts([(n, int(rng.integers(0, 4))) for n in sizes(rng, arms)])


def few_successes_of_one_size(rng: np.random.Generator, arms: int) -> list[Beta]:
    n = sizes(rng, 1)[0]
    return of_counts([(n, int(rng.integers(0, 4))) for _ in range(arms)])


def known_beside_unknown(rng: np.random.Generator, arms: int) -> list[Beta]:
    return [Beta(1.0, 1.0)] * (arms // 2) + few_failures(rng, arms - arms // 2)


def fractional(rng: np.random.Generator, arms: int) -> list[Beta]:
    return [Beta(1 + float(a), 1 + float(b)) for a, b in rng.exponential(30, (arms, 2))]


@pytest.mark.parametrize(
    "draw",
    [
        anywhere, near_ties, near_ties_of_one_size, few_failures, few_failures_of_one_size, few_successes,
        few_successes_of_one_size, known_beside_unknown, fractional,
    ],
)  # fmt: skip
def test_agrees_with_quadrature(draw: Draw) -> None:
    rng = np.random.default_rng(20)
    for trial in range(27):
        posteriors = draw(rng, 2 + trial % 9)
        error = np.abs(probability_best(posteriors) - quadrature.probability_best(posteriors)).max()
        assert error < (1e-4 if draw is fractional else 1e-6), posteriors


def test_agrees_where_posteriors_are_exponential_in_shape() -> None:
    assert probability_best([Beta(100_001, 1), Beta(100_000, 2)])[0] == pytest.approx(0.75, abs=5e-6)
    posteriors = [Beta(100_001, 1)] * 9 + [Beta(100_000, 2)]
    assert probability_best(posteriors)[9] == pytest.approx(quadrature.probability_best(posteriors)[9], abs=5e-6)


@pytest.mark.parametrize(
    ("first", "second"), [(Beta(13, 90), Beta(20, 95)), (Beta(3, 1), Beta(1, 1)), (Beta(2.5, 1), Beta(1, 7.25))]
)
def test_agrees_with_adaptive_quadrature(first: Beta, second: Beta) -> None:
    def integrand(at: float) -> float:
        density = stats.beta(first.alpha, first.beta).pdf(at)
        return float(density * stats.beta(second.alpha, second.beta).cdf(at))

    exact = integrate.quad(integrand, 0, 1, epsabs=1e-10, limit=200)[0]
    assert probability_best([first, second])[0] == pytest.approx(exact, abs=1e-7)


def closed_form(first: tuple[int, int], second: tuple[int, int]) -> float:
    """P(second > first) for whole parameters. Source: Miller, Formulas for Bayesian A/B testing (2015)."""
    (alpha, beta), (other_alpha, other_beta) = first, second
    return sum(
        math.exp(
            betaln(alpha + i, beta + other_beta)
            - math.log(other_beta + i)
            - betaln(1 + i, other_beta)
            - betaln(alpha, beta)
        )
        for i in range(other_alpha)
    )


@pytest.mark.parametrize(("first", "second"), [((1, 1), (3, 2)), ((40, 361), (52, 350)), ((900, 20), (990, 15))])
def test_agrees_with_the_closed_form_of_two_arms(first: tuple[int, int], second: tuple[int, int]) -> None:
    posteriors = [Beta(*map(float, first)), Beta(*map(float, second))]
    assert probability_best(posteriors)[1] == pytest.approx(closed_form(first, second), abs=1e-7)


@pytest.mark.parametrize(
    "counts", [[(40, 4), (40, 6)], [(30, 20), (30, 22), (10, 7)], [(200, 1), (150, 0), (30, 0), (50, 1)]]
)
def test_agrees_with_how_often_a_thompson_sampler_pulls_each_arm(counts: list[tuple[int, int]]) -> None:
    policy = bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=7)
    for arm, (n, good) in enumerate(counts):
        for trial in range(n):
            policy.update(arm, trial < good)
    pulls, arms = 20_000, range(len(counts))
    pulled = np.bincount([policy.pull(arms) for _ in range(pulls)], minlength=len(counts)) / pulls
    # Four standard errors of a share of one half.
    assert np.abs(pulled - probability_best(of_counts(counts))).max() < 4 * math.sqrt(0.25 / pulls)


betas = st.builds(Beta, st.floats(1, 5_000), st.floats(1, 5_000))


@settings(max_examples=100)
@given(st.lists(betas, min_size=1, max_size=10), st.randoms(use_true_random=False))
def test_the_order_of_arms_does_not_matter_and_the_sum_is_one(posteriors: list[Beta], random: Random) -> None:
    shares = probability_best(posteriors)
    assert shares.sum() == pytest.approx(1.0, abs=1e-12)
    assert (shares >= 0).all()
    order = list(range(len(posteriors)))
    random.shuffle(order)
    assert probability_best([posteriors[arm] for arm in order]) == pytest.approx(shares[order], abs=1e-12)


@given(betas, st.integers(1, 10))
def test_arms_that_are_alike_share_evenly(posterior: Beta, arms: int) -> None:
    assert probability_best([posterior] * arms).tolist() == pytest.approx([1 / arms] * arms, abs=1e-9)


@given(st.lists(betas, min_size=2, max_size=4), st.integers(0, 3))
def test_more_success_never_makes_an_arm_less_likely_the_best(posteriors: list[Beta], arm: int) -> None:
    arm %= len(posteriors)
    better = [Beta(old.alpha + (at == arm), old.beta) for at, old in enumerate(posteriors)]
    assert probability_best(better)[arm] >= probability_best(posteriors)[arm] - 1e-6


def test_a_single_arm_is_best_for_certain() -> None:
    assert probability_best([Beta(2, 9)]).tolist() == [1.0]


def test_without_arms_there_is_no_best() -> None:
    with pytest.raises(ValueError, match="at least one"):
        probability_best([])


@pytest.mark.parametrize("huge", [1e13, 1e17, 1e100])
def test_more_trials_than_floats_can_tell_apart_still_have_a_best_arm(huge: float) -> None:
    assert probability_best([Beta(huge, huge), Beta(2 * huge, huge)]).tolist() == pytest.approx([0, 1], abs=1e-6)
    assert probability_best([Beta(huge, 1), Beta(huge, 1)]).tolist() == pytest.approx([0.5, 0.5], abs=1e-6)


def test_arrays_give_the_same_as_posteriors() -> None:
    posteriors = of_counts([(100, 9), (120, 12), (3, 0)])
    alpha, beta = (np.array([getattr(one, side) for one in posteriors]) for side in ("alpha", "beta"))
    assert probability_best_of(alpha, beta).tolist() == probability_best(posteriors).tolist()
