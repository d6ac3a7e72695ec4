"""Posteriors against scipy and by their own laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trimtab.engine.posterior import Beta, NormalInverseGamma, reward_posterior
from trimtab.schemas.evidence import VALUE_SCALE


@given(st.floats(1, 1e5), st.floats(1, 1e5), st.floats(0, 1))
def test_the_probability_above_a_limit_is_that_of_scipy(alpha: float, beta: float, limit: float) -> None:
    assert Beta(alpha, beta).probability_above(limit) == pytest.approx(
        stats.beta(alpha, beta).sf(limit), rel=1e-6, abs=1e-300
    )


def test_a_small_probability_keeps_its_digits() -> None:
    assert Beta(1, 1_000).probability_above(0.1) == pytest.approx(0.9**1_000, rel=1e-9)


@given(st.integers(0, 10**6), st.floats(0, 1))
def test_successes_and_failures_are_added_to_one_each(trials: int, share: float) -> None:
    successes = int(share * trials)
    assert reward_posterior(trials, successes * VALUE_SCALE) == Beta(1 + successes, 1 + trials - successes)


@given(st.integers(0, 10**6), st.integers(-(2**50), 2**50))
def test_to_minimise_successes_and_failures_change_places(trials: int, reward_sum: int) -> None:
    most, least = reward_posterior(trials, reward_sum), reward_posterior(trials, reward_sum, minimize=True)
    assert (most.alpha, most.beta) == (least.beta, least.alpha)


@given(st.integers(0, 10**6), st.integers(-(2**70), 2**70))
def test_rewards_outside_of_zero_and_one_are_taken_as_the_nearest_within(trials: int, reward_sum: int) -> None:
    posterior = reward_posterior(trials, reward_sum)
    assert posterior.alpha >= 1
    assert posterior.beta >= 1
    assert posterior.alpha + posterior.beta == pytest.approx(trials + 2)
    if reward_sum >= trials * VALUE_SCALE:
        assert posterior == Beta(1 + trials, 1)
    if reward_sum <= 0:
        assert posterior == Beta(1, 1 + trials)


def test_half_a_reward_counts_half() -> None:
    assert reward_posterior(10, 5 * VALUE_SCALE // 2) == Beta(3.5, 8.5)


PRIOR = NormalInverseGamma(mean=0.2, count=2.0, shape=1.5, rate=0.7)
rewards = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


def after(seen: list[float], prior: NormalInverseGamma = PRIOR) -> NormalInverseGamma:
    return prior.updated(len(seen), sum(seen), sum(value * value for value in seen))


def close_to(belief: NormalInverseGamma) -> object:
    return pytest.approx((belief.mean, belief.count, belief.shape, belief.rate), rel=1e-9, abs=1e-9)


@given(rewards, rewards)
def test_rewards_in_two_batches_count_as_in_one(first: list[float], second: list[float]) -> None:
    twice = after(second, after(first))
    assert (twice.mean, twice.count, twice.shape, twice.rate) == close_to(after(first + second))


def test_the_belief_is_that_of_bayes_rule_on_a_grid() -> None:
    seen = [0.4, 1.1, -0.3, 0.8]
    mean, precision = np.linspace(-4, 4, 1601)[:, None], np.linspace(1e-4, 25, 1500)[None, :]

    def density(belief: NormalInverseGamma) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
        given_precision = stats.norm(belief.mean, 1 / np.sqrt(belief.count * precision)).pdf(mean)
        joint = given_precision * stats.gamma(belief.shape, scale=1 / belief.rate).pdf(precision)
        return np.asarray(joint / joint.sum())

    likelihood = np.prod([stats.norm(mean, 1 / np.sqrt(precision)).pdf(value) for value in seen], axis=0)
    by_rule = density(PRIOR) * likelihood
    assert np.abs(density(after(seen)) - by_rule / by_rule.sum()).max() < 1e-9


@given(rewards, st.floats(-10, 10))
def test_the_mean_alone_has_the_t_distribution_of_scipy(seen: list[float], limit: float) -> None:
    belief = after(seen)
    exact = stats.t(belief.degrees, belief.mean, belief.scale).sf(limit)
    assert belief.probability_above(limit) == pytest.approx(exact, rel=1e-6, abs=1e-300)


def test_without_rewards_the_belief_stays() -> None:
    assert PRIOR.updated(0, 0.0, 0.0) is PRIOR


def test_squares_that_rounding_made_too_small_are_taken_for_those_of_equal_rewards() -> None:
    assert PRIOR.updated(3, 0.6, 0.0).rate == pytest.approx(after([0.2] * 3).rate)
