"""From a release file's words to a policy."""

from collections.abc import Sequence

import pytest

from engine.policy.policies import ADAPTER, FACTORIES, SPECS
from trimtab.engine.policy.build import policy_of
from trimtab.engine.policy.context import Contextual
from trimtab.engine.policy.guest import Guest, Parameters
from trimtab.engine.policy.linear import Linear
from trimtab.engine.policy.policy import Policy
from trimtab.engine.policy.segmented import Segmented
from trimtab.engine.policy.thompson import Thompson
from trimtab.engine.policy.watched import Watched, WatchedSegments
from trimtab.schemas.policy import POLICY_TYPES

ARMS = ["stable", "canary"]


def test_every_type_but_the_default_is_built_by_some_test() -> None:
    assert {said["type"] for said in SPECS.values()} == set(POLICY_TYPES)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("thompson", Thompson), ("thompson watched", Watched), ("segmented", Segmented),
        ("segmented watched", WatchedSegments), ("entryPoint", Guest), ("linear bayesian", Linear),
    ],
)  # fmt: skip
def test_a_policy_is_what_its_type_says(name: str, kind: type) -> None:
    policy = policy_of(ADAPTER.validate_python(SPECS[name]), ARMS, real_valued=False, factories=FACTORIES)
    assert type(policy) is kind


def test_policies_that_know_segments_can_be_told_from_others() -> None:
    contextual = {
        said["type"]
        for said in SPECS.values()
        if isinstance(
            policy_of(ADAPTER.validate_python(said), ARMS, real_valued=False, factories=FACTORIES), Contextual
        )
    }
    assert contextual == {"segmented", "linear"}


def test_an_entry_point_that_is_not_installed_is_refused_with_the_nearest() -> None:
    said = ADAPTER.validate_python({"type": "entryPoint", "name": "mnie"})
    with pytest.raises(
        ValueError, match=r"expected an entry point of trimtab.policies out of mine; got 'mnie'; did you"
    ):
        policy_of(said, ARMS, real_valued=False, factories=FACTORIES)
    with pytest.raises(ValueError, match=r"out of \(none\); got 'mnie'$"):
        policy_of(said, ARMS, real_valued=False)


def test_an_entry_point_gets_variants_parameters_and_the_kind_of_rewards() -> None:
    seen: list[object] = []

    def factory(arms: Sequence[str], parameters: Parameters, *, real_valued: bool) -> Policy:
        seen.extend((list(arms), parameters, real_valued))
        return Thompson(len(arms), real_valued=real_valued)

    said = ADAPTER.validate_python({"type": "entryPoint", "name": "mine", "parameters": {"rate": 0.5, "on": True}})
    policy_of(said, ARMS, real_valued=True, factories={"mine": factory})
    assert seen == [ARMS, {"rate": 0.5, "on": True}, True]


def test_rewards_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="policy exp3: expected rewards from 0 to 1 for it, got real values"):
        policy_of(ADAPTER.validate_python({"type": "exp3"}), ARMS, real_valued=True)
