"""Runs in the peers' environment: River's and MABWiser's bandits on problems from standard input; answers in JSON.

Input: {"batch": events, "by_event": bool, "runs": number, "problems": {name: rates by batch and arm}}.
Output: {name: {policy: mean regret}}. As everybody else, a peer learns what came of a batch once it is over; `by_event`
asks River alone, and tells it at once what came of every event. A policy that fails (Exp3 overflows) has no figure.
"""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import numpy as np
from mabwiser.mab import MAB, LearningPolicy
from river import bandit, proba


class Peer(Protocol):
    """A bandit that draws arms one by one."""

    def batch(self, rates: Sequence[float], size: int) -> list[int]:
        """Plays one batch; gives the arms that it drew."""


class River:
    """Any policy of River."""

    def __init__(self, policy: bandit.base.Policy, seed: int) -> None:
        self._policy, self._rng = policy, np.random.default_rng(seed)

    def batch(self, rates: Sequence[float], size: int) -> list[int]:
        """Draws all arms, then learns."""
        arms = list(range(len(rates)))
        drawn = [self._policy.pull(arms) for _ in range(size)]
        for arm, luck in zip(drawn, self._rng.random(size), strict=True):
            self._policy.update(arm, bool(luck < rates[arm]))
        return drawn


class Prompt(River):
    """Any policy of River, which learns from every event at once."""

    def batch(self, rates: Sequence[float], size: int) -> list[int]:
        """Draws an arm, and learns."""
        return [arm for _ in range(size) for arm in super(Prompt, self).batch(rates, 1)]


class MabWiser:
    """Any policy of MABWiser without context."""

    def __init__(self, policy: object, seed: int) -> None:
        self._policy, self._seed, self._rng = policy, seed, np.random.default_rng(seed)
        self._bandit: MAB | None = None

    def batch(self, rates: Sequence[float], size: int) -> list[int]:
        """Draws all arms, then learns."""
        if self._bandit is None:  # it wants to be fitted before it is asked: a first batch that is uniform
            self._bandit = MAB(list(range(len(rates))), self._policy, seed=self._seed)
            drawn = [at % len(rates) for at in range(size)]
            self._bandit.fit(drawn, self._rewards(drawn, rates))
            return drawn
        drawn = [self._bandit.predict() for _ in range(size)]
        self._bandit.partial_fit(drawn, self._rewards(drawn, rates))
        return drawn

    def _rewards(self, drawn: list[int], rates: Sequence[float]) -> list[int]:
        return [int(luck < rates[arm]) for arm, luck in zip(drawn, self._rng.random(len(drawn)), strict=True)]


_RIVER: Final[dict[str, Callable[[int], bandit.base.Policy]]] = {
    "river_thompson": lambda seed: bandit.ThompsonSampling(proba.Beta(), seed=seed),
    "river_ucb": lambda seed: bandit.UCB(delta=1, seed=seed),
    "river_bayes_ucb": lambda seed: bandit.BayesUCB(seed=seed),
    "river_epsilon_greedy": lambda seed: bandit.EpsilonGreedy(epsilon=0.1, seed=seed),
    "river_exp3": lambda seed: bandit.Exp3(gamma=0.1, seed=seed),
}
_MABWISER: Final[dict[str, object]] = {
    "mabwiser_thompson": LearningPolicy.ThompsonSampling(),
    "mabwiser_ucb1": LearningPolicy.UCB1(alpha=1),
    "mabwiser_epsilon_greedy": LearningPolicy.EpsilonGreedy(epsilon=0.1),
    "mabwiser_softmax": LearningPolicy.Softmax(tau=1),
    "mabwiser_popularity": LearningPolicy.Popularity(),
}


def peers(*, by_event: bool) -> dict[str, Callable[[int], Peer]]:
    """Gives who plays."""
    river = Prompt if by_event else River
    made: dict[str, Callable[[int], Peer]] = {name: partial(_seeded, river, make) for name, make in _RIVER.items()}
    if not by_event:
        made |= {name: partial(MabWiser, policy) for name, policy in _MABWISER.items()}
    return made


def _seeded(river: type[River], make: Callable[[int], bandit.base.Policy], seed: int) -> Peer:
    return river(make(seed), seed)


def regret(make: Callable[[int], Peer], rates: Sequence[Sequence[float]], size: int, runs: int) -> float | None:
    """Gives the mean regret of what was drawn."""
    total = 0.0
    for seed in range(runs):
        peer = make(seed)
        for batch in rates:
            try:
                drawn = peer.batch(batch, size)
            except (OverflowError, ValueError):
                return None
            total += size * max(batch) - float(np.array(batch)[drawn].sum())
    return total / runs


def main() -> None:
    """Answers one question from standard input."""
    asked = json.load(sys.stdin)
    playing = peers(by_event=asked["by_event"])
    answers = {
        name: {peer: regret(make, rates, asked["batch"], asked["runs"]) for peer, make in playing.items()}
        for name, rates in asked["problems"].items()
    }
    print(json.dumps(answers))


main()
