"""Whether the policy of a release can be made: whatever stands in its way is the release's fault, not the worker's."""

from trimtab.engine.policy.build import Factories, policy_of
from trimtab.engine.policy.hedge import Hedge
from trimtab.engine.policy.policy import Policy
from trimtab.schemas.release import Spec
from trimtab.schemas.strategy import Bandit, Ensemble


def policy_under(spec: Spec, strategy: Bandit | Ensemble, factories: Factories) -> Policy:
    """Gives the policy of a bandit, as `policy_of`, or what weighs the members of an ensemble."""
    if isinstance(strategy, Ensemble):
        return Hedge(len(spec.variants), memory=strategy.memory)
    return policy_of(
        strategy.policy, [variant.name for variant in spec.variants], real_valued=spec.objective.values == "real",
        factories=factories, features={segment.name: segment.features for segment in spec.segments},
    )  # fmt: skip


def refusal_of_policy(spec: Spec, factories: Factories) -> str:
    """Gives why the policy of a release cannot be made; empty where it can, or there is none."""
    if (after := spec.after_shadow) is not None:
        return refusal_of_policy(after, factories).replace("strategy.", "strategy.then.", 1)
    if not isinstance(spec.strategy, Bandit):
        return ""
    try:
        policy_under(spec, spec.strategy, factories)
    except Exception as error:  # noqa: BLE001 - a user's factory may raise anything
        told = str(error) if isinstance(error, ValueError) else repr(error)
        return f"strategy.policy: {told:.400}"
    return ""
