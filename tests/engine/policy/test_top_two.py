"""Top-two Thompson sampling, and when a winner may be declared."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from engine.policy.policies import batch, drawn
from trimtab.engine.policy.declaration import declare, log_evidence_better
from trimtab.engine.policy.top_two import TopTwo, pairs


def test_pairs_are_how_often_an_arm_is_measured_when_leader_and_challenger_are_drawn() -> None:
    rng = np.random.default_rng(7)
    best, trials = np.array([0.6, 0.3, 0.08, 0.02]), np.array([500.0, 100.0, 300.0, 20.0])
    measured = np.zeros(4)
    draws = 40_000
    for _ in range(draws):
        leader = challenger = rng.choice(4, p=best)
        while challenger == leader:
            challenger = rng.choice(4, p=best)
        is_leader = rng.random() < (trials[challenger] + 1) / (trials[leader] + trials[challenger] + 2)
        measured[leader if is_leader else challenger] += 1
    assert pairs(best.tolist(), trials.tolist()) == pytest.approx(measured / draws, abs=4 * math.sqrt(0.25 / draws))
    assert sum(pairs(best.tolist(), trials.tolist())) == pytest.approx(1.0)


def test_a_certain_leader_is_measured_against_all_others_alike() -> None:
    policy = TopTwo(3, alpha=0.05, real_valued=False)
    policy.update(batch([(100_000, 10_000), (100_000, 60_000), (100_000, 10_000)]))
    assert policy.shares([True] * 3, 0, 1) == pytest.approx([0.25, 0.5, 0.25])


def test_arms_that_are_hopeless_are_left_alone() -> None:
    policy = TopTwo(3, alpha=0.05, real_valued=False)
    policy.update(batch([(2_000, 1_000), (2_000, 1_010), (2_000, 400)]))
    assert policy.shares([True] * 3, 0, 1)[2] < 1e-6


def test_evidence_is_the_integral_over_both_shares_against_the_best_fit_of_the_hypothesis() -> None:
    (n, x), (m, y) = (30, 20), (25, 9)
    numerator = integrate.quad(lambda p: p**x * (1 - p) ** (n - x), 0, 1)[0]
    numerator *= integrate.quad(lambda q: q**y * (1 - q) ** (m - y), 0, 1)[0]
    grid = np.linspace(0.001, 0.999, 999)
    first, second = np.meshgrid(grid, grid)
    log_likelihood = x * np.log(first) + (n - x) * np.log1p(-first) + y * np.log(second) + (m - y) * np.log1p(-second)
    for hypothesis, ours in (
        (first <= second, log_evidence_better((n, x), (m, y))),
        (second <= first, log_evidence_better((m, y), (n, x))),
    ):
        assert ours == pytest.approx(math.log(numerator) - log_likelihood[hypothesis].max(), abs=1e-3)


@pytest.mark.parametrize(("p", "q"), [(0.5, 0.5), (0.2, 0.2), (0.3, 0.6), (0.05, 0.05), (1.0, 1.0)])
def test_the_mean_of_the_e_value_is_at_most_one_where_the_hypothesis_holds(p: float, q: float) -> None:
    for n, m in ((1, 1), (6, 3), (12, 12)):
        mean = sum(
            stats.binom.pmf(x, n, p) * stats.binom.pmf(y, m, q) * math.exp(log_evidence_better((n, x), (m, y)))
            for x in range(n + 1)
            for y in range(m + 1)
        )
        assert mean <= 1 + 1e-12


def test_rewards_between_zero_and_one_are_no_easier_to_be_wrong_about() -> None:
    values = np.array([0.0, 0.5, 1.0])
    weights = np.array([0.25, 0.5, 0.25])
    mean = 0.0
    for first in np.ndindex(3, 3, 3):
        for second in np.ndindex(3, 3, 3):
            chance = weights[list(first)].prod() * weights[list(second)].prod()
            evidence = log_evidence_better((3, values[list(first)].sum()), (3, values[list(second)].sum()))
            mean += chance * math.exp(evidence)
    assert mean <= 1


def test_nothing_known_is_no_evidence() -> None:
    assert log_evidence_better((0, 0), (0, 0)) == 0
    declaration = declare([0, 0, 0], [0, 0, 0], [True] * 3, alpha=0.05)
    assert not declaration.is_declared
    assert declaration.threshold == pytest.approx(math.log(40))


def test_only_arms_that_may_take_traffic_are_rivals() -> None:
    trials, rewards = [1_000, 1_000, 1_000], [500, 650, 660]
    assert declare(trials, rewards, [True, True, False], alpha=0.05).is_declared
    assert declare(trials, rewards, [True, True, False], alpha=0.05).leader == 1
    assert not declare(trials, rewards, [True] * 3, alpha=0.05).is_declared
    with pytest.raises(ValueError, match="at least two arms to tell a winner, got 1"):
        declare(trials, rewards, [True, False, False], alpha=0.05)


def test_a_winner_of_real_values_is_not_declared_here() -> None:
    policy = TopTwo(2, alpha=0.05, real_valued=True)
    with pytest.raises(ValueError, match="rewards from 0 to 1"):
        policy.declaration([True, True])


def test_a_winner_is_declared_in_the_end_and_it_is_the_right_one() -> None:
    rng = np.random.default_rng(12)
    policy = TopTwo(3, alpha=0.05, real_valued=False)
    for _ in range(60):
        shares = policy.shares([True] * 3, 500, 1)
        policy.update(drawn(rng, [0.30, 0.36, 0.30], shares, 500))
        if policy.declaration([True] * 3).is_declared:
            break
    assert policy.declaration([True] * 3).is_declared
    assert policy.declaration([True] * 3).leader == 1


@pytest.mark.slow
def test_a_wrong_winner_is_declared_at_most_as_often_as_alpha_says_looking_at_every_batch() -> None:
    """The best arm is better by so little that the wrong ones lead much of the time."""
    rng = np.random.default_rng(13)
    runs, wrong = 300, 0
    for _ in range(runs):
        policy = TopTwo(3, alpha=0.2, real_valued=False)
        shares = [1 / 3] * 3
        for look in range(150):
            policy.update(drawn(rng, [0.300, 0.301, 0.300], shares, 40))
            shares = policy.shares([True] * 3, 40, 1) if look % 5 == 0 else shares
            declaration = policy.declaration([True] * 3)
            if declaration.is_declared:
                wrong += declaration.leader != 1
                break
    # alpha and three standard errors of it
    assert wrong / runs <= 0.2 + 3 * math.sqrt(0.2 * 0.8 / runs)
