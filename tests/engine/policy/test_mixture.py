"""Mixtures of policies."""

from collections.abc import Sequence

import pytest

from engine.policy.policies import ADAPTER, batch
from trimtab.engine.policy.build import policy_of
from trimtab.engine.policy.mixture import Mixture
from trimtab.engine.policy.policy import Batch, Snapshot
from trimtab.engine.policy.thompson import Thompson
from trimtab.engine.policy.uniform import Uniform


class Seeded:
    """Gives shares that tell the seed."""

    def update(self, batch: Batch) -> None: ...

    def shares(self, eligible: Sequence[bool], pending: float, seed: int) -> list[float]:
        assert len(eligible) == 2
        assert pending == 10
        return [1 / (seed + 1), 1 - 1 / (seed + 1)]

    def snapshot(self) -> Snapshot:
        return {}

    def restore(self, snapshot: Snapshot) -> None: ...


def test_shares_are_the_weighted_mean_of_the_members() -> None:
    alone = Thompson(2, real_valued=False)
    mixed = Mixture([(3.0, Thompson(2, real_valued=False)), (1.0, Uniform())])
    for policy in (alone, mixed):
        policy.update(batch([(50, 10), (50, 14)]))
    expected = [0.75 * share + 0.125 for share in alone.shares([True, True], 0, 1)]
    assert mixed.shares([True, True], 0, 1) == pytest.approx(expected)


def test_each_member_draws_with_a_seed_of_its_own() -> None:
    first, second = (1 / (seed + 1) for seed in (14, 15))
    assert Mixture([(1.0, Seeded()), (1.0, Seeded())]).shares([True, True], 10, 7)[0] == pytest.approx(
        (first + second) / 2
    )


def test_a_release_file_may_mix_what_it_likes() -> None:
    said = ADAPTER.validate_python(
        {
            "type": "mixture",
            "members": [
                {"policy": {"type": "uniform"}},
                {"weight": 9, "policy": {"type": "epsilonGreedy", "epsilon": 0}},
            ],
        }
    )
    policy = policy_of(said, ["a", "b"], real_valued=False)
    policy.update(batch([(10, 1), (10, 9)]))
    assert policy.shares([True, True], 0, 1) == pytest.approx([0.05, 0.95])
