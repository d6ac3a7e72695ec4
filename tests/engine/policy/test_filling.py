"""KL-UCB and UCB1 by water filling, and epsilon-greedy."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.policy.policies import batch
from trimtab.engine.policy import kl_ucb, ucb
from trimtab.engine.policy.epsilon_greedy import EpsilonGreedy
from trimtab.engine.policy.kl_ucb import KlUcb
from trimtab.engine.policy.policy import Batch
from trimtab.engine.policy.ucb import Ucb

ARMS = st.lists(
    st.integers(0, 20_000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=2, max_size=8
)
BATCHES = st.floats(1, 1e6)


def kl(p: float, q: float) -> float:
    return (p * math.log(p / q) if p else 0.0) + ((1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0.0)


def kl_index(mean: float, n: float, bound: float) -> float:
    """Gives the greatest u with n kl(mean, u) <= bound, by bisection."""
    low, high = mean, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle < 1 and n * kl(mean, middle) <= bound else (low, middle)
    return low


def ucb_index(mean: float, n: float, bound: float) -> float:
    return mean + math.sqrt(bound / n)


@pytest.mark.parametrize(("rule", "index"), [(kl_ucb.fill, kl_index), (ucb.fill, ucb_index)])
@settings(max_examples=60, deadline=None)
@given(counts=ARMS, size=BATCHES)
def test_arms_that_are_served_end_with_the_same_index_and_no_other_is_above(
    rule: Callable[..., np.ndarray[tuple[int], np.dtype[np.float64]]],
    index: Callable[[float, float, float], float],
    counts: list[tuple[int, int]],
    size: float,
) -> None:
    trials = np.array([float(n) for n, _ in counts])
    means = np.array([(x + 0.25) / (n + 0.5) for n, x in counts])
    bound = math.log(trials.sum() + size + 1)
    given_ = rule(means, trials, bound, size)
    assert given_.sum() == pytest.approx(size, rel=1e-6)
    ends = [
        index(mean, n + more, bound) if n + more else math.inf
        for mean, n, more in zip(means, trials, given_, strict=True)
    ]
    served = [end for end, more in zip(ends, given_, strict=True) if more > 1e-6 * size]
    assert served == pytest.approx([served[0]] * len(served), abs=1e-6)
    assert all(end <= served[0] + 1e-6 for end, more in zip(ends, given_, strict=True) if more == 0)


@pytest.mark.parametrize(("rule", "index"), [(kl_ucb.fill, kl_index), (ucb.fill, ucb_index)])
def test_a_filled_batch_is_what_trial_by_trial_would_have_brought(
    rule: Callable[..., np.ndarray[tuple[int], np.dtype[np.float64]]], index: Callable[[float, float, float], float]
) -> None:
    means, trials, bound, size = np.array([0.4, 0.5, 0.45]), np.array([50.0, 90.0, 40.0]), 6.0, 120
    one_by_one = trials.copy()
    for _ in range(size):
        one_by_one[np.argmax([index(mean, n, bound) for mean, n in zip(means, one_by_one, strict=True)])] += 1
    assert rule(means, trials, bound, size) == pytest.approx(one_by_one - trials, abs=1.01)


def test_divergence_is_that_of_bernoulli_distributions() -> None:
    for p, q in ((0.1, 0.3), (0.5, 0.5), (0.0, 0.2), (0.999, 0.2)):
        assert kl_ucb.divergence(p, 1 - q) == pytest.approx(kl(p, q), abs=1e-9)


@pytest.mark.parametrize(
    "make", [lambda: KlUcb(3, exploration=1.0), lambda: Ucb(3, exploration=1.0, real_valued=False)]
)
def test_a_new_arm_is_served_before_arms_that_are_known(make: Callable[[], KlUcb | Ucb]) -> None:
    policy = make()
    policy.update(batch([(50_000, 5_000), (50_000, 4_000), (0, 0)]))
    assert policy.shares([True] * 3, 5, 1)[2] > 0.99


@pytest.mark.parametrize(
    ("small", "great"),
    [
        (KlUcb(2, exploration=0.1), KlUcb(2, exploration=10.0)),
        (Ucb(2, exploration=0.1, real_valued=False), Ucb(2, exploration=10.0, real_valued=False)),
    ],
)
def test_more_exploration_gives_more_to_the_worse_arm(small: KlUcb | Ucb, great: KlUcb | Ucb) -> None:
    for policy in (small, great):
        policy.update(batch([(500, 250), (500, 240)]))
    assert small.shares([True, True], 100, 1)[1] < great.shares([True, True], 100, 1)[1]


def test_ucb_judges_real_values_in_their_own_unit() -> None:
    def shares(unit: float) -> list[float]:
        policy = Ucb(2, exploration=1.0, real_valued=True)
        values = [np.array([1.0, 2.0, 4.0, 5.0]) * unit, np.array([2.0, 3.0, 4.0, 6.0]) * unit]
        sums, squares = [float(each.sum()) for each in values], [float((each**2).sum()) for each in values]
        policy.update(Batch([4, 4], sums, squares, [0.5, 0.5]))
        return policy.shares([True, True], 20, 1)

    assert shares(1.0) == pytest.approx(shares(1e4), abs=1e-9)
    assert 0.5 < shares(1.0)[1] < 1


@given(ARMS, st.floats(0, 1))
def test_epsilon_greedy_gives_the_best_mean_all_but_its_part_of_epsilon(
    counts: list[tuple[int, int]], epsilon: float
) -> None:
    assume(any(n for n, _ in counts))
    policy = EpsilonGreedy(len(counts), epsilon=epsilon)
    policy.update(batch(counts))
    shares = policy.shares([True] * len(counts), 0, 1)
    means = [x / n if n else -1.0 for n, x in counts]
    best = [arm for arm, mean in enumerate(means) if mean == max(means)]
    even = epsilon / len(counts)
    assert [shares[arm] for arm in best] == pytest.approx([even + (1 - epsilon) / len(best)] * len(best))
    assert all(share == pytest.approx(even) for arm, share in enumerate(shares) if arm not in best)


def test_epsilon_greedy_shares_evenly_among_arms_without_trials() -> None:
    policy = EpsilonGreedy(3, epsilon=0.1)
    policy.update(batch([(10, 5), (0, 0), (0, 0)]))
    assert policy.shares([False, True, True], 0, 1) == [0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    "policy",
    [KlUcb(2, exploration=1.0), Ucb(2, exploration=1.0, real_valued=False), EpsilonGreedy(2, epsilon=0.2)],
)
def test_what_is_forgotten_counts_no_more(policy: KlUcb | Ucb | EpsilonGreedy) -> None:
    policy.update(batch([(900, 90), (900, 500)]))
    policy.forget(1, 0.0)
    assert policy.snapshot()["trials"] == [900.0, 0.0]
    assert policy.snapshot()["rewards"] == [90.0, 0.0]
