"""What a release file says of its policy: which rule turns what variants earned into shares of traffic.

* `type` names the policy; one that does not exist is refused with those that do, and the nearest name.
* More is always better here: an objective that is minimised turns its rewards around before a policy sees them.
* Policies that need rewards from 0 to 1 say so (`bounded_only`); `check_rewards` refuses them for others.
* A trial is a request whose reward is known. Nothing is forgotten while nothing comes in.
"""

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from trimtab.schemas.drift import Drift
from trimtab.schemas.nearest import known
from trimtab.schemas.part import Part
from trimtab.schemas.river_policy import RIVER_POLICIES

Finite = Annotated[float, Field(allow_inf_nan=False)]


def _of_a_kind(value: object) -> object:
    # Before the kinds are tried one by one, each of which would tell a problem of its own.
    if not isinstance(value, bool | int | float | str) or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError(f"expected a text, a finite number, true or false, got {value!r:.80}")
    return value


Parameter = Annotated[bool | int | Finite | str, BeforeValidator(_of_a_kind)]
Key = Annotated[str, Field(min_length=1, max_length=100)]

POLICY_TYPES: Final = (
    "adaptive", "thompson", "discounted", "sliding", "klUcb", "ucb", "epsilonGreedy", "exp3", "topTwo", "uniform",
    "mixture", "river", "entryPoint", "segmented", "linear",
)  # fmt: skip
"""Every `type` there is."""
POLICIES: Final = "trimtab.policies"
"""The group of Python entry points that users' own policies are found by."""


class _Policy(Part):
    _BOUNDED_ONLY: ClassVar[bool] = False

    @property
    def bounded_only(self) -> bool:
        """Whether rewards must lie between 0 and 1."""
        return self._BOUNDED_ONLY


class _Watched(_Policy):
    drift: Drift | None = None
    """a signal that an arm changed, upon which its past is discounted or forgotten; off where absent"""


class Adaptive(_Policy):
    """Learns how fast its world changes, and forgets as fast: the default."""

    _BOUNDED_ONLY: ClassVar[bool] = True
    type: Literal["adaptive"] = "adaptive"


class Thompson(_Watched):
    """Traffic follows the probability of being best. Never forgets: for worlds that stand still."""

    type: Literal["thompson"]


class Discounted(_Watched):
    """Thompson with a memory that fades."""

    type: Literal["discounted"]
    memory: Annotated[float, Field(ge=1, le=1e12)] = 50_000
    """trials, of all arms together, after which a trial counts 1/e"""


class Sliding(_Watched):
    """Thompson on the newest batches alone."""

    type: Literal["sliding"]
    batches: Annotated[int, Field(ge=1, le=1_000)] = 60
    """how many batches count; a batch is what became known between two decisions, empty ones aside"""


class KlUcb(_Watched):
    """Spends each batch so that all arms it serves end with the same KL-UCB index. Some arms get exactly nothing."""

    _BOUNDED_ONLY: ClassVar[bool] = True
    type: Literal["klUcb"]
    exploration: Annotated[float, Field(gt=0, le=100)] = 1.0
    """multiplies ln t in the index"""


class Ucb(_Watched):
    """Spends each batch so that all arms it serves end with the same UCB1 index. Some arms get exactly nothing."""

    type: Literal["ucb"]
    exploration: Annotated[float, Field(gt=0, le=100)] = 1.0
    """multiplies the width of the confidence bound"""


class EpsilonGreedy(_Watched):
    """The arm with the best mean gets all but epsilon, which all share evenly."""

    type: Literal["epsilonGreedy"]
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.1
    """share of traffic that explores"""


class Exp3(_Policy):
    """For worlds that work against you: losses weighed by how likely an arm was to be tried. Slow in others."""

    _BOUNDED_ONLY: ClassVar[bool] = True
    type: Literal["exp3"]
    exploration: Annotated[float, Field(ge=0, le=1)] = 0.01
    """share of traffic that explores"""


class TopTwo(_Policy):
    """Tells soonest which arm is best: traffic goes to the leader and its challengers. For experiments."""

    type: Literal["topTwo"]
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """greatest chance that an arm that is not best is ever declared the winner"""


class Uniform(_Policy):
    """Every arm gets the same."""

    type: Literal["uniform"]


class Member(_Policy):
    """One policy of a mixture."""

    weight: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    """counts against the sum of all members' weights"""
    policy: "PolicySpec"


class Mixture(_Policy):
    """The weighted mean of other policies' shares; all of them learn from all traffic."""

    type: Literal["mixture"]
    members: Annotated[tuple[Member, ...], Field(min_length=1, max_length=16)]

    @field_validator("members")
    @classmethod
    def _are_plain(cls, value: tuple[Member, ...]) -> tuple[Member, ...]:
        for member in value:
            if isinstance(member.policy, Mixture | Segmented | Linear):
                kind = member.policy.type
                raise ValueError(f"expected policies without members and segments, got {kind}")  # noqa: TRY004 - pydantic
        return value

    @property
    def bounded_only(self) -> bool:
        """Whether rewards must lie between 0 and 1."""
        return any(member.policy.bounded_only for member in self.members)


class River(_Policy):
    """A bandit of the library River by its class name; how often it pulls each arm becomes the shares."""

    type: Literal["river"]
    policy: str
    """name of a class in `river.bandit`"""
    parameters: dict[str, float] = {}  # noqa: RUF012 - pydantic copies it
    """what its constructor takes, in River's own spelling"""
    pulls: Annotated[int, Field(ge=10, le=10_000)] = 500
    """pulls that make a distribution: the standard error of a share is at most half of 1/sqrt(pulls)"""
    max_updates: Annotated[int, Field(ge=10, le=100_000)] = 1_000
    """rewards of a batch that it is told, one by one; it learns from a larger batch as from so many trials"""

    @field_validator("policy")
    @classmethod
    def _exists(cls, value: str) -> str:
        return known(value, RIVER_POLICIES, what="a policy of river.bandit")

    @model_validator(mode="after")
    def _parameters_fit(self) -> Self:
        takes = RIVER_POLICIES[self.policy]
        for name, value in self.parameters.items():
            try:
                low, high = takes.parameters[known(name, takes.parameters, what=f"parameters of {self.policy}")]
            except ValueError as error:
                raise ValueError(f"parameters: {error}") from None
            if not low <= value <= high:
                raise ValueError(f"parameters: expected {name} from {low:g} to {high:g}, got {value!r}")
        missing = [name for name in takes.required if name not in self.parameters]
        if missing:
            raise ValueError(f"parameters: {self.policy} needs {', '.join(missing)}, got {sorted(self.parameters)}")
        return self

    @property
    def bounded_only(self) -> bool:
        """Whether rewards must lie between 0 and 1."""
        return RIVER_POLICIES[self.policy].bounded_only


class EntryPoint(_Policy):
    """Your own policy: what the Python entry point of this name in the group `trimtab.policies` makes."""

    type: Literal["entryPoint"]
    name: Key
    """name of the entry point"""
    parameters: dict[Key, Parameter] = {}  # noqa: RUF012 - pydantic copies it
    """handed to it as they are"""


class Segmented(_Watched):
    """Thompson in each segment, where what others earned counts as far as segments are alike."""

    _BOUNDED_ONLY: ClassVar[bool] = True
    type: Literal["segmented"]


class Linear(_Policy):
    """Learns from segments by their features: what one earns tells of others alike. River's linear regression."""

    type: Literal["linear"]
    model: Literal["bayesian", "linUcb"] = "bayesian"
    """`bayesian`: by the probability of being best; `linUcb`: a segment goes whole to its greatest upper bound"""
    exploration: Annotated[float, Field(gt=0, le=100)] = 1.0
    """`linUcb`: standard deviations in the upper bound"""


def _of_known_type(value: object) -> object:
    if isinstance(value, Mapping) and isinstance(kind := value.get("type"), str):
        known(kind, POLICY_TYPES, what="a policy")
    return value


PolicySpec = Annotated[
    Annotated[
        Adaptive | Thompson | Discounted | Sliding | KlUcb | Ucb | EpsilonGreedy | Exp3 | TopTwo | Uniform | Mixture
        | River | EntryPoint | Segmented | Linear,
        Field(discriminator="type"),
    ],
    BeforeValidator(_of_known_type),
]  # fmt: skip

Member.model_rebuild()
Mixture.model_rebuild()


def check_rewards(spec: PolicySpec, *, real_valued: bool) -> None:
    """Raises `ValueError` where a policy needs rewards from 0 to 1 and these are not."""
    if real_valued and spec.bounded_only:
        raise ValueError(f"policy {spec.type}: expected rewards from 0 to 1 for it, got real values")


def own_policies(policy: PolicySpec) -> list[str]:
    """Gives the entry points that a policy needs, those of its members included.

    >>> own_policies(EntryPoint(type="entryPoint", name="mine"))
    ['mine']
    """
    match policy:
        case EntryPoint():
            return [policy.name]
        case Mixture():
            return [name for member in policy.members for name in own_policies(member.policy)]
        case _:
            return []
