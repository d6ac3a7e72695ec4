"""Hedge with the rate of AdaHedge, discounting and fixed share: against its bounds, and against plain arithmetic."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.policy.policies import batch
from trimtab.engine.policy.hedge import SHARE, Hedge
from trimtab.engine.policy.policy import Batch

FOREVER = 1e12


def played(rounds: Sequence[Sequence[float]], memory: float = FOREVER) -> tuple[float, list[float], Hedge]:
    """Gives what the weights lost, what each member lost, and the policy; `rounds` are losses of one trial."""
    members = len(rounds[0])
    policy, lost, sums = Hedge(members, memory=memory), 0.0, [0.0] * members
    for losses in rounds:
        shares = policy.shares([True] * members, 0, 1)
        lost += sum(share * loss for share, loss in zip(shares, losses, strict=True))
        sums = [total + loss for total, loss in zip(sums, losses, strict=True)]
        gained = [-loss for loss in losses]
        policy.update(Batch([1.0] * members, gained, [loss * loss for loss in losses], [1 / members] * members))
    return lost, sums, policy


def gap_and_range(policy: Hedge) -> tuple[float, float]:
    state = policy.snapshot()
    return state["gap"], state["range"]


def check_regret(rounds: Sequence[Sequence[float]]) -> None:
    """Holds the weights to what the head of the module promises, against the best member."""
    lost, sums, policy = played(rounds)
    members, count = len(sums), len(rounds)
    gap, spread = gap_and_range(policy)
    of_mixing = count * -math.log1p(-SHARE) * (gap + spread) / math.log(members)
    assert lost - min(sums) <= 2 * gap + spread + of_mixing + 1e-6 * max(1.0, spread)
    assert gap <= math.sqrt(count * math.log(members)) * spread / 2 + spread * (2 / 3 * math.log(members) + 1) + 1e-9


@settings(max_examples=80, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda members: st.lists(
            st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.5, 1.0]), min_size=members, max_size=members),
            min_size=1, max_size=120,
        )
    ),
    st.sampled_from([1.0, 1e-6, 1e6]),
)  # fmt: skip
def test_regret_against_the_best_member_is_bounded_whatever_comes(rounds: list[list[float]], scale: float) -> None:
    check_regret([[loss * scale for loss in losses] for losses in rounds])


def test_regret_is_bounded_where_the_losses_know_the_weights_and_always_hit_the_greater() -> None:
    policy, rounds = Hedge(2, memory=FOREVER), []
    for _ in range(2_000):
        first, second = policy.shares([True, True], 0, 1)
        rounds.append([1.0, 0.0] if first >= second else [0.0, 1.0])
        policy.update(Batch([1, 1], [-loss for loss in rounds[-1]], rounds[-1], [0.5, 0.5]))
    check_regret(rounds)


@pytest.mark.parametrize(("size", "most"), [(1, 0.02), (20, 0.002), (1_000, 0.002)])
def test_regret_per_trial_vanishes_on_noise(size: int, most: float) -> None:
    rng = np.random.default_rng(4)
    rounds = [(-rng.binomial(size, [0.93, 0.95, 0.6])).tolist() for _ in range(1_000)]
    check_regret(rounds)
    lost, sums, _ = played(rounds)
    assert (lost - min(sums)) / (1_000 * size) < most


def test_shares_are_those_of_exponential_weights_at_the_rate_of_gap_and_range() -> None:
    policy = Hedge(3, memory=FOREVER)
    policy.update(batch([(10, 9), (10, 7), (10, 8)]))
    losses = np.array([0.0, 2.0, 1.0])
    gap = 1.0  # mean of the first round, evenly weighted, less that of its leader
    rate = math.log(3) / (gap + 2.0)
    mixed = (1 - SHARE) * np.exp(-rate * losses) / np.exp(-rate * losses).sum() + SHARE / 3
    assert policy.shares([True] * 3, 0, 1) == pytest.approx(mixed.tolist())
    assert gap_and_range(policy) == pytest.approx((gap, 2.0))


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_shares_do_not_depend_on_the_scale_of_rewards(scale: float) -> None:
    rng = np.random.default_rng(6)
    rounds = rng.normal(size=(60, 3))
    *_, plain = played(rounds.tolist(), memory=30)
    *_, scaled = played((rounds * scale).tolist(), memory=30)
    assert scaled.shares([True] * 3, 0, 1) == pytest.approx(plain.shares([True] * 3, 0, 1))


def test_to_discount_is_to_let_losses_grow() -> None:
    rng = np.random.default_rng(7)
    rounds, memory = rng.random((80, 3)), 20.0
    *_, discounted = played(rounds.tolist(), memory=memory)
    *_, grown = played((rounds * np.exp(np.arange(80) / memory)[:, None]).tolist())
    assert discounted.shares([True] * 3, 0, 1) == pytest.approx(grown.shares([True] * 3, 0, 1), rel=1e-6)


def test_members_that_are_alike_go_on_sharing() -> None:
    rng = np.random.default_rng(8)
    policy = Hedge(3, memory=10_000)
    for _ in range(2_000):
        policy.update(batch([(20, n) for n in rng.binomial(20, 0.95, 3).tolist()]))
    assert max(policy.shares([True] * 3, 0, 1)) < 0.9


def rounds_until_second_leads(policy: Hedge, rewards: tuple[int, int]) -> int:
    for count in range(1, 3_000):
        policy.update(batch([(100, rewards[0]), (100, rewards[1])]))
        first, second = policy.shares([True, True], 0, 1)
        if second > first:
            return count
    raise AssertionError("the second never leads")


def test_a_member_that_was_bad_for_long_comes_back_as_soon_as_it_is_better() -> None:
    policy = Hedge(2, memory=FOREVER)
    for _ in range(2_000):
        policy.update(batch([(100, 97), (100, 30)]))
    # 2,000 x 67 trials behind, at 2 a round; what may be lost by the mixing is ln(2 / SHARE) over the rate.
    assert rounds_until_second_leads(policy, (96, 98)) < 600


def test_a_short_memory_lets_go_of_a_leader_that_falls() -> None:
    waits = []
    for memory in (1_000.0, 100_000.0):
        policy, rng = Hedge(2, memory=memory), np.random.default_rng(9)
        for _ in range(1_000):
            policy.update(batch([(100, n) for n in rng.binomial(100, [0.97, 0.9]).tolist()]))
        waits.append(rounds_until_second_leads(policy, (50, 90)))
    assert waits[0] <= waits[1] <= 20


def test_what_a_member_did_not_answer_counts_as_what_the_others_lost() -> None:
    whole, part = Hedge(3, memory=FOREVER), Hedge(3, memory=FOREVER)
    whole.update(batch([(10, 9), (10, 9), (10, 9)]))
    part.update(batch([(10, 9), (4, 3.6), (0, 0)]))
    assert part.shares([True] * 3, 0, 1) == whole.shares([True] * 3, 0, 1) == pytest.approx([1 / 3] * 3)


def test_a_trial_that_a_member_did_not_have_counts_with_the_mean_of_the_weights() -> None:
    policy = Hedge(3, memory=100)
    policy.update(batch([(20, 18), (1, 1), (0, 0)]))
    # Weights were even, over the two that were tried: 0.9 and 1 come to a mean of 0.95 for each of the missing trials.
    gained = np.array([18.0, 1 + 19 * 0.95, 20 * 0.95])
    lost = gained.max() - gained
    assert gap_and_range(policy) == pytest.approx((lost[:2].mean(), lost[0]))
    rate = math.log(3) / (lost[:2].mean() + lost[0])
    wanted = np.exp(-rate * lost)
    mixed = (1 - SHARE) * wanted / wanted.sum() + SHARE / 3
    assert policy.shares([True] * 3, 0, 1) == pytest.approx(mixed.tolist())
    policy.update(batch([(7, 7), (10, 10), (10, 10)]))
    assert gap_and_range(policy)[1] == pytest.approx(lost[0] * math.exp(-0.1))


def test_a_member_that_is_out_takes_no_part_in_gap_and_range() -> None:
    two, three = Hedge(2, memory=FOREVER), Hedge(3, memory=FOREVER)
    rng = np.random.default_rng(10)
    for first, second in rng.binomial(50, [0.9, 0.8], (40, 2)).tolist():
        two.update(batch([(50, first), (50, second)]))
        three.update(batch([(50, first), (50, second), (0, 0)]))
    assert gap_and_range(three)[1] == pytest.approx(gap_and_range(two)[1])
    assert three.shares([True, True, False], 0, 1)[2] == 0.0
    assert three.shares([True, True, False], 0, 1)[0] == pytest.approx(two.shares([True, True], 0, 1)[0], abs=0.1)


def test_a_member_alone_has_all() -> None:
    policy = Hedge(1, memory=10)
    policy.update(batch([(5, 2)]))
    assert policy.shares([True], 0, 1) == [1.0]


def test_a_round_without_any_trial_changes_nothing() -> None:
    policy = Hedge(2, memory=10)
    policy.update(batch([(5, 2), (5, 4)]))
    before = policy.snapshot()
    policy.update(batch([(0, 0), (0, 0)]))
    assert policy.snapshot() == before
