"""Policies of River by name."""

import inspect

import numpy as np
import pytest
from river import bandit, proba

from engine.policy.policies import batch, through_msgpack
from trimtab.engine.policy.policy import Batch
from trimtab.engine.policy.river_policy import RiverPolicy, river_policies
from trimtab.schemas.river_policy import RIVER_POLICIES


def river(
    name: str,
    arms: int = 2,
    pulls: int = 500,
    max_updates: int = 1_000,
    *,
    real_valued: bool = False,
    **parameters: float,
) -> RiverPolicy:
    return RiverPolicy(arms, name, parameters, pulls=pulls, max_updates=max_updates, real_valued=real_valued)


def told(policy: RiverPolicy, arm: int) -> float:
    """Gives how many rewards River was told of an arm."""
    count: float = policy.snapshot()["river"]["_counts"].get(str(arm), 0)
    return count


def test_a_release_file_may_name_exactly_what_river_has() -> None:
    assert sorted(RIVER_POLICIES) == river_policies()


@pytest.mark.parametrize("name", RIVER_POLICIES)
def test_a_release_file_may_set_exactly_what_river_takes(name: str) -> None:
    takes = inspect.signature(getattr(bandit, name).__init__).parameters
    ours = set(takes) - {"self", "reward_obj", "reward_scaler", "seed"}
    assert set(RIVER_POLICIES[name].parameters) == ours
    assert {each for each in ours if takes[each].default is inspect.Parameter.empty} == set(
        RIVER_POLICIES[name].required
    )


@pytest.mark.parametrize("name", RIVER_POLICIES)
def test_arms_in_their_burn_in_are_pulled_in_turn(name: str) -> None:
    takes = RIVER_POLICIES[name]
    parameters = {"burn_in": 20.0, **{each: takes.parameters[each][1] for each in takes.required}}
    policy = RiverPolicy(3, name, parameters, pulls=50, max_updates=1_000, real_valued=False)
    policy.update(batch([(20, 3), (0, 0), (0, 0)]))
    assert policy.shares([True] * 3, 0, 1) == [0.0, 1.0, 0.0]
    policy.update(batch([(0, 0), (20, 3), (0, 0)]))
    again = RiverPolicy(3, name, parameters, pulls=50, max_updates=1_000, real_valued=False)
    again.restore(through_msgpack(policy.snapshot()))
    assert policy.shares([True] * 3, 0, 1) == again.shares([True] * 3, 0, 1) == [0.0, 0.0, 1.0]


def test_a_name_that_river_does_not_have_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"out of BayesUCB, .*; got 'Exp4'; did you mean Exp3\?"):
        river("Exp4")


def test_shares_are_how_often_river_pulls() -> None:
    ours = river("ThompsonSampling", arms=3, pulls=10_000)
    theirs = bandit.ThompsonSampling(reward_obj=proba.Beta(), seed=11)
    counts = [(60, 12), (80, 20), (20, 3)]
    ours.update(batch(counts))
    for arm, (n, x) in enumerate(counts):
        for trial in range(n):
            theirs.update(arm, trial < x)
    pulled = np.bincount([theirs.pull([0, 1, 2]) for _ in range(10_000)], minlength=3) / 10_000
    # Four standard errors of a difference between two shares of one half.
    assert np.abs(pulled - ours.shares([True] * 3, 0, 5)).max() < 4 * np.sqrt(0.5 / 10_000)


def test_epsilon_greedy_pulls_what_ours_computes() -> None:
    policy = river("EpsilonGreedy", pulls=10_000, epsilon=0.2)
    policy.update(batch([(10, 2), (10, 8)]))
    assert policy.shares([True, True], 0, 3) == pytest.approx([0.1, 0.9], abs=0.015)


def test_every_reward_of_a_batch_is_told_once() -> None:
    policy = river("RandomPolicy")
    policy.update(batch([(300, 77), (500, 500)]))
    assert (told(policy, 0), told(policy, 1)) == (300, 500)
    state = policy.snapshot()["river"]["_rewards"]
    assert state["0"]["_mean"] == pytest.approx(77 / 300)
    assert state["1"]["_mean"] == pytest.approx(1.0)


def test_a_large_batch_is_told_in_proportion() -> None:
    policy = river("RandomPolicy", max_updates=1_000)
    policy.update(batch([(900_000, 90_000), (100_000, 50_000)]))
    assert (told(policy, 0), told(policy, 1)) == (900, 100)
    state = policy.snapshot()["river"]["_rewards"]
    assert state["0"]["_mean"] == pytest.approx(0.1)
    assert state["1"]["_mean"] == pytest.approx(0.5)


def test_fractions_of_rewards_wait_for_the_next_batch() -> None:
    policy = river("RandomPolicy")
    for _ in range(40):
        policy.update(batch([(1, 0.25), (0, 0)]))
    assert told(policy, 0) == 40
    assert policy.snapshot()["river"]["_rewards"]["0"]["_mean"] == pytest.approx(0.25)


def test_real_values_keep_their_sum_and_squares() -> None:
    seen: list[float] = []

    class Heard(RiverPolicy):
        def _rewards(self, batch: Batch, arm: int, part: float) -> list[float]:
            rewards = super()._rewards(batch, arm, part)
            seen.extend(rewards)
            return rewards

    values = np.array([3.0, 8.0, -2.0, 5.0])
    policy = Heard(1, "EpsilonGreedy", {"epsilon": 0.1}, pulls=10, max_updates=100, real_valued=True)
    policy.update(Batch([4], [float(values.sum())], [float((values**2).sum())], [1.0]))
    assert np.sum(seen) == pytest.approx(values.sum())
    assert np.sum(np.square(seen)) == pytest.approx((values**2).sum())


def test_exp3_of_river_does_not_overflow() -> None:
    policy = river("Exp3", gamma=0.1, max_updates=100_000, pulls=200)
    shares = [0.5, 0.5]
    for _ in range(3):
        policy.update(
            batch([(100_000 * share, 100_000 * share * p) for share, p in zip(shares, (0.2, 0.9), strict=True)], shares)
        )
        shares = policy.shares([True, True], 0, 1)
    assert shares[1] > 0.9
    assert max(policy.snapshot()["river"]["_weights"].values()) == 1.0


def test_exp3_of_river_weighs_by_the_shares_at_routing() -> None:
    fair, unfair = river("Exp3", gamma=0.1), river("Exp3", gamma=0.1)
    fair.update(batch([(90, 45), (10, 5)], [0.9, 0.1]))
    unfair.update(batch([(90, 45), (10, 5)], [0.5, 0.5]))
    weights = fair.snapshot()["river"]["_weights"]
    assert weights["0"] == pytest.approx(weights["1"])
    assert unfair.snapshot()["river"]["_weights"]["0"] > unfair.snapshot()["river"]["_weights"]["1"]


def test_other_seeds_pull_otherwise() -> None:
    policy = river("ThompsonSampling", pulls=100)
    policy.update(batch([(40, 20), (40, 21)]))
    assert policy.shares([True, True], 0, 1) != policy.shares([True, True], 0, 2)
