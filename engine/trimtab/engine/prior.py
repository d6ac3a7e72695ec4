"""What is believed of the variants before anything has come: observations that nobody made.

A prior of mean m and strength N is N observations that sum to N m. Shares are taken for coin tosses, whose squares sum
to the same; real values have the deviation that the file says. A shadow phase is what was seen in it, cut down to at
most N observations with the same mean and spread.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trimtab.engine.policy.policy import Batch
from trimtab.schemas.prior import SHADOW_STRENGTH, VariantPrior
from trimtab.schemas.release import Spec

Seed = tuple[float, float, float]
"""trials, sum of rewards and of their squares, as they were seen"""


@dataclass(frozen=True, slots=True)
class Pseudo:
    """Observations that nobody made, of one variant.

    >>> Pseudo.stated(VariantPrior(mean=0.25, strength=8))
    Pseudo(trials=8.0, rewards=2.0, squares=2.0)
    """

    trials: float = 0.0
    rewards: float = 0.0
    squares: float = 0.0

    @classmethod
    def stated(cls, prior: VariantPrior) -> "Pseudo":
        """Gives those that a release file states."""
        trials, rewards = float(prior.strength), prior.strength * prior.mean
        if prior.deviation is None:
            return cls(trials, rewards, rewards)
        return cls(trials, rewards, trials * (prior.mean**2 + prior.deviation**2))

    @classmethod
    def seen(cls, seed: Seed, most: float) -> "Pseudo":
        """Gives what was seen, as `most` observations at most.

        >>> Pseudo.seen((1_000.0, 30.0, 30.0), most=100)
        Pseudo(trials=100.0, rewards=3.0, squares=3.0)
        """
        trials, rewards, squares = seed
        part = min(1.0, most / trials) if trials > 0.0 else 0.0
        return cls(trials * part, rewards * part, squares * part)


_NOTHING: Final = Pseudo()


def priors_of(spec: Spec, seed: Mapping[str, Seed]) -> list[Pseudo]:
    """Gives the prior of each variant, in the order of the release file; `seed` is what a shadow phase saw."""
    prior, names = spec.objective.prior, [variant.name for variant in spec.variants]
    if prior is None:
        return [_NOTHING] * len(names)
    if prior.source is not None:
        most = prior.strength or SHADOW_STRENGTH
        return [Pseudo.seen(seed[name], most) if name in seed else _NOTHING for name in names]
    return [Pseudo.stated(one) if (one := prior.of(name)) else _NOTHING for name in names]


def batch_of(priors: Sequence[Pseudo], spec: Spec) -> Batch:
    """Gives priors as the first batch of a policy, for which more is always better."""
    trials, rewards, squares = ([getattr(one, of) for one in priors] for of in ("trials", "rewards", "squares"))
    if spec.objective.goal == "minimize":
        if spec.objective.values == "share":
            squares = [n - 2 * gained + square for n, gained, square in zip(trials, rewards, squares, strict=True)]
            rewards = [n - gained for n, gained in zip(trials, rewards, strict=True)]
        else:
            rewards = [-gained for gained in rewards]
    return Batch(trials, rewards, squares, [1.0 / len(priors)] * len(priors))


def reason_of(spec: Spec, seed: Mapping[str, Seed]) -> list[str]:
    """Gives the words for a prior that was to be taken from a shadow phase."""
    prior = spec.objective.prior
    if prior is None or prior.source is None:
        return []
    if not seed:
        return ["prior: no shadow phase of this objective has completed before, so nothing is believed"]
    told = ", ".join(
        f"{variant.name} {one.rewards:.6g} of {one.trials:.6g}"
        for variant, one in zip(spec.variants, priors_of(spec, seed), strict=True)
    )
    return [f"prior: from the shadow phase, {told}"]
