"""Policies that forget: what is left of the past."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.policy.policies import batch
from trimtab.engine.policy.discounted import Discounted
from trimtab.engine.policy.sliding import Sliding
from trimtab.engine.policy.thompson import Thompson

OLD, NEW = batch([(400, 300), (400, 100)]), batch([(100, 20), (100, 60)])
COUNTS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=12)


@given(st.lists(st.integers(0, 500), min_size=1, max_size=10), st.floats(10, 1e5))
def test_the_past_fades_with_trials_however_they_were_cut_into_batches(cuts: list[int], memory: float) -> None:
    whole, cut = (Discounted(2, memory=memory, real_valued=False) for _ in range(2))
    for policy in (whole, cut):
        policy.update(batch([(1000, 100), (0, 0)]))
    whole.update(batch([(0, 0), (sum(cuts), 0)]))
    for size in cuts:
        cut.update(batch([(0, 0), (size, 0)]))
    expected = 1000 * math.exp(-sum(cuts) / memory)
    assert whole.snapshot()["trials"][0] == pytest.approx(expected, rel=1e-9, abs=1e-200)
    assert cut.snapshot()["trials"][0] == pytest.approx(expected, rel=1e-9, abs=1e-200)


def test_a_long_memory_comes_to_thompson() -> None:
    fading, plain = Discounted(2, memory=1e12, real_valued=False), Thompson(2, real_valued=False)
    for policy in (fading, plain):
        policy.update(OLD)
        policy.update(NEW)
    assert fading.shares([True, True], 0, 1) == pytest.approx(plain.shares([True, True], 0, 1), abs=1e-6)


@given(COUNTS, st.integers(1, 6))
def test_sliding_is_thompson_on_the_newest_batches(counts: list[tuple[int, int]], kept: int) -> None:
    batches = [batch([(n, n // 2), (m, m // 3)]) for n, m in counts]
    sliding, plain = Sliding(2, batches=kept, real_valued=False), Thompson(2, real_valued=False)
    for each in batches:
        sliding.update(each)
    for each in [each for each in batches if sum(each.trials)][-kept:]:
        plain.update(each)
    assert sliding.shares([True, True], 0, 1) == plain.shares([True, True], 0, 1)


def test_without_evidence_nothing_is_forgotten() -> None:
    for policy in (Sliding(2, batches=1, real_valued=False), Discounted(2, memory=1, real_valued=False)):
        policy.update(OLD)
        before = policy.shares([True, True], 0, 1)
        for _ in range(10):
            policy.update(batch([(0, 0), (0, 0)]))
        assert policy.shares([True, True], 0, 1) == before


@pytest.mark.parametrize(
    "policy", [Discounted(2, memory=2_000, real_valued=False), Sliding(2, batches=5, real_valued=False)]
)
def test_a_fall_of_the_best_arm_is_overcome_where_thompson_still_trusts_it(policy: Discounted | Sliding) -> None:
    rng = np.random.default_rng(6)
    plain = Thompson(2, real_valued=False)
    for share in [0.9] * 30 + [0.3] * 8:
        came = batch([(450, int(rng.binomial(450, share))), (50, int(rng.binomial(50, 0.5)))])
        policy.update(came)
        plain.update(came)
    assert plain.shares([True, True], 0, 1)[0] > 0.99
    assert policy.shares([True, True], 0, 1)[1] > 0.95


def test_to_forget_an_arm_leaves_the_others_alone() -> None:
    for policy in (
        Thompson(2, real_valued=False),
        Discounted(2, memory=1e9, real_valued=False),
        Sliding(2, batches=3, real_valued=False),
    ):
        policy.update(OLD)
        policy.forget(0, 0.0)
        fresh = Thompson(2, real_valued=False)
        fresh.update(batch([(0, 0), (400, 100)]))
        assert policy.shares([True, True], 0, 1) == fresh.shares([True, True], 0, 1)
