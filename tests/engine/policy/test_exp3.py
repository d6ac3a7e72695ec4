"""Exp3 with importance weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.policy.policies import batch, drawn
from trimtab.engine.policy.exp3 import LEAST_SHARE, Exp3
from trimtab.engine.policy.policy import Batch


def losses(policy: Exp3) -> list[float]:
    values: list[float] = policy.snapshot()["losses"]
    return values


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_losses_are_importance_weighted_row_by_row(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    policy, brute = Exp3(3, exploration=0.01), np.zeros(3)
    for _ in range(count):
        shares = rng.dirichlet(np.ones(3) * 3) * 0.99 + 0.01 / 3
        arms, rewards = rng.choice(3, 50, p=shares), rng.random(50)
        for arm, reward in zip(arms, rewards, strict=True):
            brute[arm] += (1 - reward) / shares[arm]
        sums = np.bincount(arms, rewards, 3)
        squares = np.bincount(arms, rewards**2, 3)
        policy.update(Batch(np.bincount(arms, minlength=3).tolist(), sums.tolist(), squares.tolist(), shares.tolist()))
    assert losses(policy) == pytest.approx(brute - brute.min(), rel=1e-9, abs=1e-9)


def test_shares_at_routing_count_and_not_those_of_now() -> None:
    early, late = batch([(90, 45), (10, 5)], [0.9, 0.1]), batch([(90, 45), (10, 5)], [0.1, 0.9])
    fair, unfair = Exp3(2, exploration=0.0), Exp3(2, exploration=0.0)
    fair.update(early)
    unfair.update(late)
    assert losses(fair) == pytest.approx([0, 0])
    assert losses(unfair)[0] > 400


def test_estimates_have_no_bias() -> None:
    rng = np.random.default_rng(2)
    estimates = []
    for _ in range(4_000):
        policy = Exp3(2, exploration=0.0)
        policy.update(drawn(rng, [0.3, 0.6], [0.8, 0.2], 20))
        first, second = losses(policy)
        estimates.append(first - second)
    # 20 trials that lose .7 instead of .4; four standard errors.
    assert np.mean(estimates) == pytest.approx(20 * 0.3, abs=4 * np.std(estimates) / np.sqrt(4_000))


def test_nothing_overflows_over_a_billion_events() -> None:
    policy = Exp3(3, exploration=0.01)
    shares = policy.shares([True] * 3, 0, 1)
    for _ in range(1_000):
        trials = [1e6 * share for share in shares]
        policy.update(batch([(n, n * p) for n, p in zip(trials, (0.5, 0.4, 0.0), strict=True)], shares))
        shares = policy.shares([True] * 3, 0, 1)
    assert shares == pytest.approx([0.99 + 0.01 / 3, 0.01 / 3, 0.01 / 3], abs=1e-3)


def test_an_arm_that_was_out_comes_back_neither_better_nor_worse() -> None:
    policy = Exp3(3, exploration=0.0)
    policy.update(batch([(500, 250), (500, 250), (0, 0)], [0.5, 0.5, 0.0]))
    assert policy.shares([True] * 3, 0, 1) == pytest.approx([1 / 3] * 3)


def test_a_trial_of_an_arm_that_should_have_had_none_is_weighed_as_of_the_least_share() -> None:
    policy = Exp3(2, exploration=0.0)
    policy.update(batch([(10, 10), (1, 0)], [1.0, 0.0]))
    assert losses(policy) == pytest.approx([0.0, 1 / LEAST_SHARE])


def test_it_learns_fast_enough_to_beat_an_even_split() -> None:
    rng = np.random.default_rng(3)
    policy = Exp3(2, exploration=0.01)
    shares, earned = [0.5, 0.5], 0.0
    for _ in range(100):
        came = drawn(rng, [0.4, 0.6], shares, 1_000)
        policy.update(came)
        earned += sum(came.rewards)
        shares = policy.shares([True, True], 1_000, 1)
    assert 100_000 * 0.6 - earned < 0.25 * 10_000, "a quarter of the regret of an even split"
