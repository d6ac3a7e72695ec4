"""Random problems of eleven kinds: regret of `adaptive` against Thompson sampling and against the best reference.

The best reference is picked for each problem after the fact, which no policy can know: 1.0 is hard to reach.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from benchmarks.regret_problems import FAMILIES, random_problem
from benchmarks.regret_rivals import DiscountBank, Filling, Rival, Thompson
from benchmarks.regret_run import Adaptives, mean_regret

_RUNS: Final = 8
_OURS: Final = "adaptive"

_POLICIES: Final[Mapping[str, Callable[[int, int], Rival]]] = {
    _OURS: Adaptives,
    "thompson": Thompson,
    "thompson_sharp": lambda rows, arms: Thompson(rows, arms, sharpening=2.0),
    "discounted_98": lambda rows, arms: Thompson(rows, arms, discount=0.98),
    "discounted_90": lambda rows, arms: Thompson(rows, arms, discount=0.9),
    "discount_bank": DiscountBank,
    "kl_ucb_filling": Filling,
}

Regrets = Mapping[str, float]


def family_figures(seeds: Sequence[int]) -> dict[str, object]:
    """Gives geometric means of ratios by family, and over all."""
    played = {family: [_regrets(family, seed) for seed in seeds] for family in FAMILIES}
    everything = [regrets for of in played.values() for regrets in of]
    return {
        "families_vs_thompson": _means(played, lambda one: one[_OURS] / one["thompson"]),
        "families_vs_best": _means(played, lambda one: one[_OURS] / _best(one)),
        "families_thompson_vs_best": _means(played, lambda one: one["thompson"] / _best(one)),
        "families_worst_vs_best": {
            policy: round(max(one[policy] / _best(one) for one in everything), 2) for policy in _POLICIES
        },
        "families_all_vs_best": {
            policy: _geometric(one[policy] / _best(one) for one in everything) for policy in _POLICIES
        },
    }


def _regrets(family: str, seed: int) -> Regrets:
    problem = random_problem(family, seed)
    return {policy: mean_regret(make, problem, _RUNS) for policy, make in _POLICIES.items()}


def _best(regrets: Regrets) -> float:
    return min(regret for policy, regret in regrets.items() if policy != _OURS)


def _means(played: Mapping[str, Sequence[Regrets]], ratio: Callable[[Regrets], float]) -> dict[str, float]:
    return {family: _geometric(map(ratio, of)) for family, of in played.items()}


def _geometric(ratios: Iterable[float]) -> float:
    return round(float(np.exp(np.mean(np.log(list(ratios))))), 3)
