"""The policy `adaptive`: laws for any batches, and what it makes of traffic that stays, falls and scatters."""

import json
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.engine.policy.adaptive import Adaptive
from trimtab.engine.policy.policy import Batch

Floats = npt.NDArray[np.float64]


def batch(trials: Sequence[float], rewards: Sequence[float], squares: Sequence[float] | None = None) -> Batch:
    return Batch(trials, rewards, rewards if squares is None else squares, [1.0 / len(trials)] * len(trials))


def coins(rng: np.random.Generator, trials: Sequence[int], rates: Sequence[float]) -> Batch:
    return batch([float(n) for n in trials], [float(rng.binomial(n, p)) for n, p in zip(trials, rates, strict=True)])


def shares(policy: Adaptive, arms: int, pending: float = 1000.0) -> list[float]:
    return policy.shares([True] * arms, pending, 0)


class Traffic:
    """Requests routed by a policy, a thousand a batch."""

    def __init__(self, arms: int, seed: int) -> None:
        self.policy, self.arms, self.rng = Adaptive(arms), arms, np.random.default_rng(seed)

    def run(self, batches: int, rates: Sequence[float], *, dispersion: float = 0.0) -> Floats:
        """Gives the shares in force, by batch."""
        given_shares = []
        for _ in range(batches):
            now = np.array(shares(self.policy, self.arms))
            given_shares.append(now)
            routed = [int(n) for n in self.rng.multinomial(1000, now / now.sum())]
            self.policy.update(coins(self.rng, routed, self.drawn(rates, dispersion)))
        return np.array(given_shares)

    def drawn(self, rates: Sequence[float], dispersion: float) -> list[float]:
        if not dispersion:
            return list(rates)
        size = 1.0 / dispersion - 1.0
        return [float(self.rng.beta(rate * size, (1.0 - rate) * size)) for rate in rates]


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[Batch]]:
    arms = draw(st.integers(1, 6))
    counts = st.one_of(st.just(0.0), st.floats(0.0, 5.0), st.floats(1.0, 1e6))
    batches = []
    for _ in range(draw(st.integers(0, 5))):
        trials = draw(st.lists(counts, min_size=arms, max_size=arms))
        parts = draw(st.lists(st.sampled_from([0.0, 0.001, 0.3, 0.5, 1.0]), min_size=arms, max_size=arms))
        rewards = [n * part for n, part in zip(trials, parts, strict=True)]
        batches.append(batch(trials, rewards, [reward * draw(st.sampled_from([0.3, 1.0])) for reward in rewards]))
    return arms, batches


@settings(max_examples=150)
@given(histories(), st.data())
def test_shares_sum_to_one_over_eligible_arms_and_are_positive_there(
    history: tuple[int, list[Batch]], data: st.DataObject
) -> None:
    arms, batches = history
    policy = Adaptive(arms)
    for one in batches:
        policy.update(one)
    eligible = data.draw(st.lists(st.booleans(), min_size=arms, max_size=arms).filter(any))
    given_shares = policy.shares(eligible, data.draw(st.sampled_from([0.0, 1.0, 1e3, 1e7])), 0)
    assert sum(given_shares) == pytest.approx(1.0)
    assert [share > 0.0 for share in given_shares] == eligible


@settings(max_examples=50)
@given(histories(), histories())
def test_a_restored_snapshot_continues_bit_by_bit(
    before: tuple[int, list[Batch]], after: tuple[int, list[Batch]]
) -> None:
    arms, batches = before
    policy = Adaptive(arms)
    for one in batches:
        policy.update(one)
    restored = Adaptive(arms)
    restored.restore(json.loads(json.dumps(policy.snapshot())))
    for one in after[1]:
        if len(one.trials) == arms:
            policy.update(one)
            restored.update(one)
    assert restored.snapshot() == policy.snapshot()
    assert shares(restored, arms) == shares(policy, arms)


def test_a_snapshot_is_not_changed_by_what_comes_later() -> None:
    policy = Adaptive(2)
    snapshot = policy.snapshot()
    policy.update(batch([10.0, 10.0], [1.0, 9.0]))
    assert snapshot == Adaptive(2).snapshot()


@settings(max_examples=50)
@given(histories())
def test_the_order_of_arms_does_not_matter(history: tuple[int, list[Batch]]) -> None:
    arms, batches = history
    straight, turned = Adaptive(arms), Adaptive(arms)
    for one in batches:
        straight.update(one)
        turned.update(batch(one.trials[::-1], one.rewards[::-1], one.squares[::-1]))
    # Sums of 200,000 trials in another order differ in their last bits, and evidence makes some 1e-6 of that.
    assert shares(turned, arms)[::-1] == pytest.approx(shares(straight, arms), abs=1e-5)


def test_seeds_do_not_matter() -> None:
    policy = Adaptive(3)
    policy.update(batch([50.0, 50.0, 50.0], [5.0, 6.0, 7.0]))
    assert policy.shares([True] * 3, 100.0, 1) == policy.shares([True] * 3, 100.0, 2)


def test_a_batch_without_trials_changes_nothing() -> None:
    policy = Adaptive(2)
    policy.update(batch([100.0, 100.0], [10.0, 20.0]))
    snapshot = policy.snapshot()
    policy.update(batch([0.0, 0.0], [0.0, 0.0]))
    assert policy.snapshot() == snapshot


def test_the_only_eligible_arm_gets_everything() -> None:
    policy = Adaptive(3)
    policy.update(batch([100.0, 100.0, 100.0], [1.0, 50.0, 90.0]))
    assert policy.shares([True, False, False], 100.0, 0) == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("arms", [1, 2, 20, 50])
@pytest.mark.parametrize("rate", [0.0, 1e-6, 0.5, 1.0])
def test_huge_batches_of_equal_arms_leave_every_arm_its_floor(arms: int, rate: float) -> None:
    policy = Adaptive(arms)
    for _ in range(30):
        policy.update(batch([1e6] * arms, [1e6 * rate] * arms))
        given_shares = shares(policy, arms, 1e6)
        assert np.isfinite(given_shares).all()
        assert min(given_shares) > 1e-4 / arms
    assert max(given_shares) == pytest.approx(1.0 / arms, abs=0.02)


def test_every_arm_keeps_a_share_however_bad_it_is() -> None:
    policy = Adaptive(4)
    for _ in range(50):
        policy.update(batch([200.0] * 4, [0.0, 0.0, 0.0, 160.0]))
    assert shares(policy, 4)[:3] == pytest.approx([0.001] * 3)


def test_floors_of_large_batches_shrink_by_the_square_root() -> None:
    policy = Adaptive(4)
    for _ in range(50):
        policy.update(batch([25_000.0] * 4, [0.0, 0.0, 0.0, 20_000.0]))
    assert shares(policy, 4)[:3] == pytest.approx([0.0001] * 3)


def test_hypotheses_that_have_become_impossible_leave_numbers_behind() -> None:
    policy = Adaptive(3)
    policy.update(batch([0.0, 22_853.0, 66_339.0], [0.0, 22.0, 66_339.0]))
    policy.update(batch([4177.0, 0.0, 330_630.0], [4177.0, 0.0, 165_315.0]))
    policy.update(batch([0.0, 0.0, 1.0], [0.0, 0.0, 0.0]))
    assert sum(shares(policy, 3)) == pytest.approx(1.0)


def test_wrong_arms_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one arm, got 0"):
        Adaptive(0)
    with pytest.raises(ValueError, match=r"expected logit of shape \(12, 2\), got \(12, 3\)"):
        Adaptive(2).restore(Adaptive(3).snapshot())


def test_the_best_of_five_arms_is_found() -> None:
    traffic = Traffic(5, 1)
    traffic.run(30, [0.05, 0.06, 0.07, 0.08, 0.10])
    assert shares(traffic.policy, 5)[4] > 0.95


def test_a_fall_of_the_leader_is_answered_within_two_batches() -> None:
    traffic = Traffic(2, 2)
    traffic.run(50, [0.99, 0.985])
    given_shares = traffic.run(3, [0.90, 0.985])
    assert given_shares[0][0] > 0.8
    assert given_shares[2][0] < 0.15


def test_an_arm_that_recovers_is_found_again() -> None:
    traffic = Traffic(2, 3)
    traffic.run(30, [0.10, 0.20])
    traffic.run(200, [0.35, 0.20])
    assert shares(traffic.policy, 2)[0] > 0.9


def test_a_common_season_does_not_move_traffic() -> None:
    traffic = Traffic(3, 4)
    traffic.run(40, [0.10, 0.12, 0.16])
    for turn in np.linspace(0.0, 4.0 * np.pi, 60):
        level = 1.0 + 0.5 * np.sin(turn)
        assert traffic.run(1, [0.10 * level, 0.12 * level, 0.16 * level])[0][2] > 0.85


def test_noise_of_three_times_the_variance_is_not_taken_for_change() -> None:
    noisy = [Traffic(2, seed).run(100, [0.10, 0.12], dispersion=2.0 / 999.0)[40:, 1].mean() for seed in range(5)]
    assert np.mean(noisy) > 0.85


def test_scatter_is_told_from_drift() -> None:
    """Noise returns to where it was; a walk does not. Both move the counts of successive batches equally far."""
    rng = np.random.default_rng(6)
    steady, walking, logit = Adaptive(2), Adaptive(2), 0.0
    for _ in range(60):
        logit += rng.normal(0.0, 0.2)
        walking.update(coins(rng, [1000, 1000], [1.0 / (1.0 + np.exp(-logit)), 0.5]))
        steady.update(coins(rng, [1000, 1000], [float(1.0 / (1.0 + np.exp(-rng.normal(0.0, 0.14)))), 0.5]))
    scatter = np.array([0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2])
    held = [float((np.array(one.snapshot()["weight"]) @ scatter).sum()) for one in (steady, walking)]
    assert held[0] > 1e-3
    assert held[1] < 0.5 * held[0]


def test_huge_batches_are_not_forgotten_by_the_next() -> None:
    policy = Adaptive(2)
    for _ in range(20):
        policy.update(batch([5e5, 5e5], [5e5 * 0.100, 5e5 * 0.103]))
    assert shares(policy, 2, 1e6)[1] > 0.99


def test_pending_trials_widen_beliefs_of_arms_that_change() -> None:
    traffic = Traffic(2, 7)
    for turn in range(20):
        traffic.run(5, [0.05, 0.15] if turn % 2 else [0.15, 0.05])
    traffic.run(2, [0.05, 0.15])
    assert shares(traffic.policy, 2, 20_000.0)[0] > shares(traffic.policy, 2, 0.0)[0]


def test_rewards_that_vary_little_decide_sooner_than_coin_tosses() -> None:
    coin, steady = Adaptive(2), Adaptive(2)
    for _ in range(5):
        coin.update(batch([100.0, 100.0], [50.0, 52.0]))
        steady.update(batch([100.0, 100.0], [50.0, 52.0], [100 * (0.50**2 + 0.01), 100 * (0.52**2 + 0.01)]))
    assert shares(coin, 2)[1] < 0.8
    assert shares(steady, 2)[1] > 0.95


def test_rewards_above_their_trials_are_taken_as_the_most_that_they_can_be() -> None:
    policy = Adaptive(2)
    policy.update(batch([10.0, 10.0], [10.0 + 1e-9, 5.0]))
    assert np.isfinite(shares(policy, 2)).all()
