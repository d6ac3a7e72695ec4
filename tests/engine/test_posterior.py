"""Posteriors against scipy and by their own laws."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trimtab.engine.posterior import Beta, reward_posterior
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
