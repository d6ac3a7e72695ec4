"""From what a release file says of its policy to the policy that decides."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, assert_never

from trimtab.engine.policy.adaptive import Adaptive
from trimtab.engine.policy.discounted import Discounted
from trimtab.engine.policy.drift import DriftSignal
from trimtab.engine.policy.epsilon_greedy import EpsilonGreedy
from trimtab.engine.policy.exp3 import Exp3
from trimtab.engine.policy.forgetful import Forgetful
from trimtab.engine.policy.guest import Guest, PolicyFactory
from trimtab.engine.policy.kl_ucb import KlUcb
from trimtab.engine.policy.linear import Linear
from trimtab.engine.policy.mixture import Mixture
from trimtab.engine.policy.policy import Policy
from trimtab.engine.policy.river_policy import RiverPolicy
from trimtab.engine.policy.segmented import Segmented
from trimtab.engine.policy.sliding import Sliding
from trimtab.engine.policy.thompson import Thompson
from trimtab.engine.policy.top_two import TopTwo
from trimtab.engine.policy.ucb import Ucb
from trimtab.engine.policy.uniform import Uniform
from trimtab.engine.policy.watched import Watched, WatchedSegments
from trimtab.schemas import policy as spec
from trimtab.schemas.nearest import known

Factories = Mapping[str, PolicyFactory]

Features = Mapping[str, Mapping[str, float]]

NO_FACTORIES: Final[Factories] = MappingProxyType({})
_NO_FEATURES: Final[Features] = MappingProxyType({})

_Forgetful = spec.Thompson | spec.Discounted | spec.Sliding | spec.KlUcb | spec.Ucb | spec.EpsilonGreedy


def policy_of(  # noqa: C901, PLR0911 - one case per policy
    said: spec.PolicySpec,
    arms: Sequence[str],
    *,
    real_valued: bool,
    factories: Factories = NO_FACTORIES,
    features: Features = _NO_FEATURES,
) -> Policy:
    """Gives the policy that `said` describes, which knows nothing yet of the variants `arms`.

    `real_valued`: rewards need not lie between 0 and 1. `factories`: what entry points of the group `trimtab.policies`
    are, by name. `features`: segment -> feature -> value, for policies that know any.

    Raises `ValueError` where rewards do not fit the policy, no factory has the name that is asked for, or what it makes
    is no policy.

    >>> policy_of(spec.Uniform(type="uniform"), ["stable", "canary"], real_valued=False).shares([True, True], 0, 1)
    [0.5, 0.5]
    """
    spec.check_rewards(said, real_valued=real_valued)
    count = len(arms)
    match said:
        case spec.Thompson() | spec.Discounted() | spec.Sliding() | spec.KlUcb() | spec.Ucb() | spec.EpsilonGreedy():
            policy = _forgetful(said, count, real_valued=real_valued)
            return Watched(policy, DriftSignal(count, said.drift)) if said.drift else policy
        case spec.Segmented():
            segmented = Segmented(count)
            return WatchedSegments(segmented, partial(DriftSignal, count, said.drift)) if said.drift else segmented
        case spec.Exp3():
            return Exp3(count, exploration=said.exploration)
        case spec.TopTwo():
            return TopTwo(count, alpha=said.alpha, real_valued=real_valued)
        case spec.Uniform():
            return Uniform()
        case spec.Mixture():
            return Mixture(
                [
                    (member.weight, policy_of(member.policy, arms, real_valued=real_valued, factories=factories))
                    for member in said.members
                ]
            )
        case spec.River():
            return RiverPolicy(
                count, said.policy, said.parameters,
                pulls=said.pulls, max_updates=said.max_updates, real_valued=real_valued,
            )  # fmt: skip
        case spec.EntryPoint():
            factory = factories[known(said.name, factories, what="an entry point of trimtab.policies")]
            guest = Guest(said.name, factory(arms, said.parameters, real_valued=real_valued))
            if guest.refusal:
                raise ValueError(guest.refusal)
            return guest
        case spec.Linear():
            return Linear(count, said.model, features, exploration=said.exploration)
        case spec.Adaptive():
            return Adaptive(count)
        case _:
            assert_never(said)


def _forgetful(said: _Forgetful, arms: int, *, real_valued: bool) -> Forgetful:
    match said:
        case spec.Thompson():
            return Thompson(arms, real_valued=real_valued)
        case spec.Discounted():
            return Discounted(arms, memory=said.memory, real_valued=real_valued)
        case spec.Sliding():
            return Sliding(arms, batches=said.batches, real_valued=real_valued)
        case spec.KlUcb():
            return KlUcb(arms, exploration=said.exploration)
        case spec.Ucb():
            return Ucb(arms, exploration=said.exploration, real_valued=real_valued)
        case spec.EpsilonGreedy():
            return EpsilonGreedy(arms, epsilon=said.epsilon)
        case _:
            assert_never(said)
