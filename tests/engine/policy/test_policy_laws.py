"""What every policy keeps to, whatever it is for."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.policy.policies import (
    BOUNDED,
    HEDGE,
    REAL,
    batch,
    build,
    drawn,
    drawn_values,
    through_json,
    through_msgpack,
)
from trimtab.engine.policy.policy import Batch, Policy

SEED = 20
KINDS = [(name, False) for name in BOUNDED] + [(name, True) for name in REAL]
KINDS += [(HEDGE, False), (HEDGE, True)]
every_policy = pytest.mark.parametrize(("name", "real_valued"), KINDS)


def check(shares: Sequence[float], eligible: Sequence[bool]) -> None:
    assert len(shares) == len(eligible)
    assert all(isinstance(share, float) and math.isfinite(share) and share >= 0 for share in shares)
    assert all(may or share == 0 for share, may in zip(shares, eligible, strict=True))
    assert abs(sum(shares) - 1) < 1e-9


def history(seed: int, arms: int, count: int, *, real_valued: bool) -> list[Batch]:
    rng = np.random.default_rng(seed)
    draw = drawn_values if real_valued else drawn
    means = rng.uniform(0.1, 0.9, arms)
    return [
        draw(rng, (means if step % 8 < 6 else means[::-1]).tolist(), rng.dirichlet(np.ones(arms)).tolist(), 150)
        for step in range(count)
    ]


def taught(name: str, batches: Sequence[Batch], arms: int, *, real_valued: bool) -> Policy:
    policy = build(name, arms, real_valued=real_valued)
    for each in batches:
        policy.update(each)
    return policy


@every_policy
@pytest.mark.parametrize("arms", [1, 2, 5, 50])
def test_shares_are_even_or_whole_before_anything_is_known(name: str, real_valued: bool, arms: int) -> None:  # noqa: FBT001 - a parameter of the test
    shares = build(name, arms, real_valued=real_valued).shares([True] * arms, 1_000, SEED)
    check(shares, [True] * arms)
    if not name.startswith(("river", "mixture")):
        assert shares == pytest.approx([1 / arms] * arms, abs=1e-6)


@every_policy
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_shares_sum_to_one_among_the_arms_that_may_take_traffic(
    name: str,
    real_valued: bool,  # noqa: FBT001 - a parameter of the test
    data: st.DataObject,
) -> None:
    arms = data.draw(st.integers(1, 6))
    sizes = st.one_of(st.just(0), st.integers(0, 5), st.integers(0, 1_000_000), st.floats(0, 1e6))
    policy = build(name, arms, real_valued=real_valued)
    for _ in range(data.draw(st.integers(0, 3))):
        trials = data.draw(st.lists(sizes, min_size=arms, max_size=arms))
        parts = data.draw(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=arms, max_size=arms))
        scale = data.draw(st.sampled_from([1.0, -1e6, 1e-6])) if real_valued else 1.0
        sums = [n * part * scale for n, part in zip(trials, parts, strict=True)]
        routed = data.draw(st.lists(st.floats(0.0, 1.0), min_size=arms, max_size=arms))
        policy.update(Batch(trials, sums, [total * scale for total in sums], routed))
        eligible = data.draw(st.lists(st.booleans(), min_size=arms, max_size=arms).filter(any))
        check(policy.shares(eligible, data.draw(st.sampled_from([0, 1, 1e6])), SEED), eligible)


@every_policy
def test_many_trials_without_any_difference_stay_finite(name: str, real_valued: bool) -> None:  # noqa: FBT001 - a parameter of the test
    for gained in (0, 1_000_000):
        policy = build(name, 4, real_valued=real_valued)
        for _ in range(3):
            policy.update(batch([(1_000_000, gained)] * 4))
        check(policy.shares([True, False, True, True], 1_000_000, SEED), [True, False, True, True])


@every_policy
def test_the_same_batches_and_seed_give_the_same_shares(name: str, real_valued: bool) -> None:  # noqa: FBT001 - a parameter of the test
    batches = history(1, 3, 6, real_valued=real_valued)
    one, other = (taught(name, batches, 3, real_valued=real_valued) for _ in range(2))
    other.shares([True] * 3, 10, 5)
    other.shares([True, True, False], 10, 6)
    assert one.shares([True] * 3, 100, SEED) == other.shares([True] * 3, 100, SEED)
    assert one.snapshot() == other.snapshot(), "asking changes nothing"


@every_policy
@pytest.mark.parametrize("through", [dict, through_json, through_msgpack])
def test_a_restored_policy_continues_bit_for_bit(
    name: str,
    real_valued: bool,  # noqa: FBT001 - a parameter of the test
    through: object,
) -> None:
    assert callable(through)
    batches = history(2, 3, 24, real_valued=real_valued)
    lived = taught(name, batches[:12], 3, real_valued=real_valued)
    snapshot = through(lived.snapshot())
    restored = taught(name, batches[:2], 3, real_valued=real_valued)
    restored.restore(snapshot)
    for each in batches[12:]:
        assert restored.shares([True] * 3, 100, SEED) == lived.shares([True] * 3, 100, SEED)
        assert restored.snapshot() == lived.snapshot()
        restored.update(each)
        lived.update(each)


@every_policy
def test_a_snapshot_does_not_change_with_what_comes_after_it(name: str, real_valued: bool) -> None:  # noqa: FBT001 - a parameter of the test
    batches = history(3, 3, 8, real_valued=real_valued)
    policy = taught(name, batches[:4], 3, real_valued=real_valued)
    snapshot = policy.snapshot()
    before = through_json(snapshot)
    for each in batches[4:]:
        policy.update(each)
    assert snapshot == before


CONVERGING = [(name, real) for name, real in KINDS if "uniform" not in name and "Random" not in name]


@pytest.mark.parametrize(("name", "real_valued"), CONVERGING)
def test_most_traffic_comes_to_the_best_arm_of_an_easy_problem(name: str, real_valued: bool) -> None:  # noqa: FBT001 - a parameter of the test
    rng = np.random.default_rng(4)
    policy = build(name, 3, real_valued=real_valued)
    shares = policy.shares([True] * 3, 300, SEED)
    for step in range(120):
        means = [10.0, 40.0, 20.0] if real_valued else [0.1, 0.9, 0.3]
        kept = [0.97 * share + 0.01 for share in shares]  # a floor, as every release has one
        policy.update((drawn_values if real_valued else drawn)(rng, means, kept, 300))
        shares = policy.shares([True] * 3, 300, step)
    assert max(shares) == shares[1] > (0.4 if name == "topTwo" else 0.75)


@pytest.mark.parametrize(("name", "real_valued"), CONVERGING)
def test_turned_around_rewards_minimise(name: str, real_valued: bool) -> None:  # noqa: FBT001 - a parameter of the test
    rng = np.random.default_rng(5)
    policy = build(name, 2, real_valued=real_valued)
    shares = [0.5, 0.5]
    for step in range(120):
        kept = [0.98 * share + 0.01 for share in shares]
        came = drawn_values(rng, [10.0, 40.0], kept, 300) if real_valued else drawn(rng, [0.1, 0.9], kept, 300)
        turned = (
            [-total for total in came.rewards]
            if real_valued
            else [n - total for n, total in zip(came.trials, came.rewards, strict=True)]
        )
        squares = came.squares if real_valued else turned
        policy.update(Batch(came.trials, turned, squares, came.shares))
        shares = policy.shares([True, True], 300, step)
    assert shares[0] > (0.45 if name == "topTwo" else 0.75)
