"""What a release file may use of `river.bandit`: class names, and what their constructors take.

Kept as a table because `schemas` does not import River; a test holds it against the River that is installed. Contextual
policies of River are the policy `linear`. `seed` and `reward_obj` are ours: draws are seeded by the decision.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Bounds = tuple[float, float]

_BURN_IN: Final[Bounds] = (0, 10_000)


@dataclass(frozen=True, slots=True)
class RiverPolicy:
    """What one class takes: parameter -> smallest and greatest value."""

    parameters: Mapping[str, Bounds]
    required: tuple[str, ...] = ()
    bounded_only: bool = True
    """whether rewards must lie between 0 and 1"""


RIVER_POLICIES: Final[Mapping[str, RiverPolicy]] = {
    "BayesUCB": RiverPolicy({"burn_in": _BURN_IN}),
    "EpsilonGreedy": RiverPolicy(
        {"epsilon": (0, 1), "decay": (0, 1), "burn_in": _BURN_IN}, ("epsilon",), bounded_only=False
    ),
    "Exp3": RiverPolicy({"gamma": (1e-6, 1), "burn_in": _BURN_IN}, ("gamma",)),
    "RandomPolicy": RiverPolicy({"burn_in": _BURN_IN}, bounded_only=False),
    # For other rewards River samples what the next reward may be, not what the mean may be.
    "ThompsonSampling": RiverPolicy({"burn_in": _BURN_IN}),
    "UCB": RiverPolicy({"delta": (0, 1_000), "burn_in": _BURN_IN}, ("delta",), bounded_only=False),
}
