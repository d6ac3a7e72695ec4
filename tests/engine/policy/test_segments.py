"""Policies over segments: partial pooling, and features."""

import math

import numpy as np
import pytest
from river import bandit

from engine.policy.policies import batch, drawn
from trimtab.engine.best import probability_best
from trimtab.engine.policy.linear import Linear
from trimtab.engine.policy.policy import Batch
from trimtab.engine.policy.segmented import Segmented
from trimtab.engine.posterior import Beta

BOTH = [True, True]


def alike(segments: int, shares: tuple[float, float], size: int, seed: int = 3) -> Segmented:
    rng, policy = np.random.default_rng(seed), Segmented(2)
    for segment in range(segments):
        policy.update_in(f"s{segment}", drawn(rng, shares, [0.5, 0.5], size))
    return policy


def varied(strength: float, segments: int, size: int, seed: int) -> Segmented:
    """Gives segments whose shares are drawn from a Beta of this strength."""
    rng, policy = np.random.default_rng(seed), Segmented(2)
    for segment in range(segments):
        share = rng.beta(strength * 0.3, strength * 0.7, 2)
        policy.update_in(f"s{segment}", drawn(rng, share.tolist(), [0.5, 0.5], size))
    return policy


def test_a_segment_without_traffic_goes_by_the_others_where_they_are_alike() -> None:
    assert alike(8, (0.10, 0.14), 4_000).shares_in("new", BOTH, 0, 1)[1] > 0.97


def test_a_segment_without_traffic_is_left_open_where_others_differ() -> None:
    policy = Segmented(2)
    for segment, (first, second) in enumerate([(100, 900), (900, 100), (300, 800), (900, 200)]):
        policy.update_in(f"s{segment}", batch([(1000, first), (1000, second)]))
    assert 0.2 < policy.shares_in("new", BOTH, 0, 1)[1] < 0.8


def test_a_segment_that_knows_itself_is_not_talked_over() -> None:
    policy = alike(8, (0.10, 0.20), 2_000)
    policy.update_in("odd", batch([(5_000, 1_000), (5_000, 500)]))
    assert policy.shares_in("odd", BOTH, 0, 1)[0] > 0.99
    assert policy.shares_in("s0", BOTH, 0, 1)[1] > 0.97


def test_pooling_finds_the_better_arm_of_small_segments_sooner_than_each_alone() -> None:
    pooled = alone = 0.0
    for seed in range(10):
        policy = alike(10, (0.10, 0.14), 400, seed)
        pooled += sum(policy.shares_in(f"s{segment}", BOTH, 0, 1)[1] for segment in range(10)) / 10
        for sums in list(policy.snapshot()["segments"].values())[1:]:
            counts = zip(sums["trials"], sums["rewards"], strict=True)
            alone += probability_best([Beta(1 + x, 1 + n - x) for n, x in counts])[1] / 10
    assert pooled / 10 > alone / 10 + 0.05


@pytest.mark.parametrize(("strength", "low", "high"), [(8, 3, 30), (100, 30, 400), (1e9, 400, 1e6)])
def test_the_spread_is_that_of_what_segments_were_drawn_from(strength: float, low: float, high: float) -> None:
    spreads = [varied(strength, 15, 4_000, seed).spread() for seed in range(5)]
    assert low < 1 / np.mean(spreads) < high


def test_a_posterior_is_the_segments_own_counts_and_a_prior_of_the_others() -> None:
    policy = Segmented(2)
    policy.update_in("own", batch([(50, 10), (60, 20)]))
    policy.update_in("other", batch([(400, 100), (300, 90)]))
    policy.update(batch([(100, 20), (100, 30)]))
    expected = []
    for n, x, m, y in ((50, 10, 500, 120), (60, 20, 400, 120)):
        strength, mean = 1 / (policy.spread() + 1 / m), (y + 0.25) / (m + 0.5)
        expected.append(Beta(1 + x + strength * mean, 1 + n - x + strength * (1 - mean)))
    assert policy.shares_in("own", BOTH, 0, 1) == pytest.approx(probability_best(expected).tolist())


def test_the_order_in_which_segments_came_does_not_matter() -> None:
    batches = {f"s{place}": batch([(100, 10 + place), (90, 3 * place)]) for place in range(6)}
    one, other = Segmented(2), Segmented(2)
    for segment, each in batches.items():
        one.update_in(segment, each)
    for segment, each in reversed(batches.items()):
        other.update_in(segment, each)
    assert one.shares_in("s2", BOTH, 0, 1) == other.shares_in("s2", BOTH, 0, 1)


def test_a_change_of_one_segment_is_forgotten_there_alone() -> None:
    policy = Segmented(2)
    for segment in ("a", "b", ""):
        policy.update_in(segment, batch([(100, 10), (100, 20)]))
    policy.forget_in("a", 1, 0.0)
    policy.forget(0, 0.5)
    segments = policy.snapshot()["segments"]
    assert {name: sums["trials"] for name, sums in segments.items()} == {"a": [100, 0], "b": [100, 100], "": [50, 100]}


FEATURES = {"mobile": {"mobile": 1.0, "hour": 0.2}, "desktop": {"hour": 0.9}, "tablet": {"mobile": 0.5, "hour": 0.5}}


def rows(rng: np.random.Generator) -> list[tuple[str, int, float]]:
    return [
        (str(rng.choice(list(FEATURES))), int(rng.integers(3)), float(rng.random()))
        for _ in range(200)
    ]  # fmt: skip


def summed(segment: str, observed: list[tuple[str, int, float]]) -> Batch:
    of_arm = [np.array([reward for at, arm, reward in observed if (at, arm) == (segment, k)]) for k in range(3)]
    return Batch(
        [len(each) for each in of_arm],
        [float(each.sum()) for each in of_arm],
        [float((each**2).sum()) for each in of_arm],
        [1 / 3] * 3,
    )


def test_a_batch_is_exactly_what_rivers_lin_ucb_learns_row_by_row() -> None:
    rng = np.random.default_rng(5)
    observed = rows(rng)
    ours = Linear(3, "linUcb", FEATURES, exploration=1.0)
    theirs = bandit.LinUCBDisjoint(seed=1)
    for segment, arm, reward in observed:
        theirs.update(arm, {"": 1.0, **FEATURES[segment]}, reward)
    for segment in FEATURES:
        ours.update_in(segment, summed(segment, observed))
    for segment, features in FEATURES.items():
        shares = ours.shares_in(segment, [True] * 3, 0, 1)
        assert shares[theirs.pull([0, 1, 2], context={"": 1.0, **features})] == 1
        for arm, sums in enumerate(ours.snapshot()["regressions"]):
            kept = theirs._bayes_lin_regs[arm]
            order = [kept._idx[name] for name in ("", "hour", "mobile")]
            assert np.array(sums["covariance"])[:3, :3] == pytest.approx(kept._ss_inv_arr[np.ix_(order, order)])


def test_features_carry_what_was_learned_to_segments_alike() -> None:
    rng = np.random.default_rng(6)
    features = {f"s{place}": {"size": place / 5} for place in range(6)}
    policy = Linear(2, "bayesian", features, exploration=1.0)
    for _ in range(5):
        for place in (0, 1, 4, 5):
            share = place / 5
            policy.update_in(f"s{place}", drawn(rng, [0.6 - 0.4 * share, 0.2 + 0.4 * share], [0.5, 0.5], 300))
    assert policy.shares_in("s0", BOTH, 0, 1)[0] > 0.95
    assert policy.shares_in("s5", BOTH, 0, 1)[1] > 0.95
    policy = Linear(2, "bayesian", {**features, "unseen": {"size": 0.95}}, exploration=1.0)
    for place in (0, 5):
        policy.update_in(f"s{place}", batch([(500, 300 - 40 * place), (500, 100 + 40 * place)]))
    assert policy.shares_in("unseen", BOTH, 0, 1)[1] > 0.95


def test_without_features_a_linear_policy_is_thompson_but_for_the_shape_of_beliefs() -> None:
    policy = Linear(2, "bayesian", {}, exploration=1.0)
    policy.update(batch([(2_000, 600), (2_000, 640)]))
    assert policy.shares(BOTH, 0, 1) == pytest.approx(
        probability_best([Beta(601, 1_401), Beta(641, 1_361)]).tolist(), abs=0.01
    )


def test_lin_ucb_gives_all_to_the_greatest_bound_and_explores_by_its_width() -> None:
    for exploration, chosen in ((0.01, 0), (100.0, 1)):
        policy = Linear(2, "linUcb", {}, exploration=exploration)
        policy.update(batch([(5_000, 2_500), (2, 1)]))
        assert policy.shares(BOTH, 0, 1)[chosen] == 1.0


def test_ties_of_bounds_share_evenly() -> None:
    policy = Linear(2, "linUcb", {}, exploration=1.0)
    policy.update(batch([(50, 20), (50, 20)]))
    assert policy.shares(BOTH, 0, 1) == [0.5, 0.5]


def test_the_noise_is_that_of_rewards_within_batches() -> None:
    policy = Linear(2, "bayesian", {}, exploration=1.0)
    for first, second in ((10.0, 10.5), (10.2, 10.4)):
        policy.update(
            Batch([100, 100], [100 * first, 100 * second], [100 * (first**2 + 4), 100 * (second**2 + 4)], [0.5] * 2)
        )
    inside = math.fsum([400, 400, 400, 400]) / (4 * 99)
    assert policy.snapshot()["inside"] / policy.snapshot()["degrees"] == pytest.approx(inside)
