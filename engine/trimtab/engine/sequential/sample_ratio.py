"""Whether requests reach the arms in the shares that the weights say, while weights move.

Null: given the weights in force, each request of a look goes to an arm with the arm's share. For each arm, odds that
are exp(tilt) times those of its share, either way, have the likelihood ratio
(p / share) ^ n ((1 - p) / (1 - share)) ^ others, of mean 1; E is the mean over arms and tilts. It is valid at every
request.

* A request is counted against the weights that it was routed by, those of its own revision: never against newer ones.
* Requests are taken as independent. With sticky routing count each key once, at its first request.
* An arm that no weight sends requests to cannot be short of them. Requests that reach it all the same are kept apart
  (`strays`) and the others are compared among themselves; so is a look whose requests could only go to one arm.
* A look without requests is passed over.

The value of an estimate is the arm's ratio of requests to what was expected that is farthest from 1.
"""

import math
from typing import Any, Final

import numpy as np

from trimtab.engine.compiled import compiled
from trimtab.engine.sequential.conclusion import Estimate
from trimtab.engine.sequential.look import Routed
from trimtab.engine.sequential.mixture import Floats, Mixture
from trimtab.engine.sequential.starts import FIRST

_HALF: Final = np.array([0.00625, 0.0125, 0.025, 0.05, 0.1, 0.2, 0.4])
LN_ODDS_BOTH_WAYS: Final = np.concatenate([-_HALF[::-1], _HALF])
"""From a loss of 0.6 % to one of a third; between two of them as in mixture.py."""
_PAIR: Final = 2


@compiled
def ratio_steps(tilts: Floats, weights: Floats, requests: Floats, arms: int) -> Floats:
    """Gives the log likelihood ratios of the first `arms` arms, arm by arm, for what a look brought."""
    total, sent = 0.0, 0.0
    for arm in range(len(weights)):
        total += weights[arm]
        if weights[arm] > 0.0:
            sent += requests[arm]
    steps = np.zeros(arms * len(tilts))
    for arm in range(arms):
        if 0.0 < weights[arm] < total:
            share = weights[arm] / total
            for place in range(len(tilts)):
                tilted = math.log1p(share * math.expm1(tilts[place]))
                steps[arm * len(tilts) + place] = requests[arm] * tilts[place] - sent * tilted
    return steps


class SampleRatioTest:
    """Whether arms get the requests that their weights say.

    >>> test = SampleRatioTest(2)
    >>> for second in range(60):
    ...     test.update(Routed((7_500, 2_500), (750, 230)))
    >>> round(test.evidence(), 2), round(test.estimate().value, 3), test.strays
    (33.07, 0.939, 0)
    """

    __slots__ = ("_arms", "_expected", "_mixture", "_requests", "strays")

    def __init__(self, arms: int, *, first: float = FIRST) -> None:
        """`arms`: at least two. Raises `ValueError` for fewer."""
        if arms < _PAIR:
            raise ValueError(f"expected at least two arms, got {arms}")
        # Of two arms one says it all: what is odds exp(tilt) for the one is exp(-tilt) for the other.
        self._arms = 1 if arms == _PAIR else arms
        self._mixture = Mixture(self._arms * len(LN_ODDS_BOTH_WAYS), first)
        self._requests = [0] * arms
        self._expected = [0.0] * arms
        self.strays = 0
        """requests that reached an arm without weight"""

    def update(self, look: Routed) -> None:
        """Takes a look that is over; as many weights and requests as there are arms."""
        self.strays += sum(n for n, weight in zip(look.requests, look.weights, strict=True) if not weight)
        if _is_of_use(look):
            self._mixture.update(self._steps(look))
            self._requests, self._expected = self._sums(look)

    def evidence(self, peek: Routed | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""
        return self._mixture.evidence(None if peek is None or not _is_of_use(peek) else self._steps(peek))

    def _steps(self, look: Routed) -> Floats:
        weights, requests = np.array(look.weights, dtype=np.float64), np.array(look.requests, dtype=np.float64)
        return ratio_steps(LN_ODDS_BOTH_WAYS, weights, requests, self._arms)

    def _sums(self, look: Routed) -> tuple[list[int], list[float]]:
        sent = sum(n for n, weight in zip(look.requests, look.weights, strict=True) if weight)
        whole = sum(look.weights)
        requests = [
            had + n * (weight > 0) for had, n, weight in zip(self._requests, look.requests, look.weights, strict=True)
        ]
        expected = [had + sent * weight / whole for had, weight in zip(self._expected, look.weights, strict=True)]
        return requests, expected

    def estimate(self, peek: Routed | None = None) -> Estimate:
        """Gives the ratio of requests to expected ones that is farthest from 1. Only evidence tells if it is chance."""
        is_peek = peek is not None and _is_of_use(peek)
        requests, expected = self._sums(peek) if peek is not None and is_peek else (self._requests, self._expected)
        ratios = [n / due for n, due in zip(requests, expected, strict=True) if due]
        worst = max(ratios, key=lambda ratio: abs(ratio - 1.0), default=None)
        return Estimate(worst, 1.0, sum(requests), is_within=True)

    def ratio(self, arm: int) -> float | None:
        """Gives an arm's requests over those that were expected; None where none were."""
        return self._requests[arm] / self._expected[arm] if self._expected[arm] else None

    def snapshot(self) -> dict[str, Any]:
        """Gives the state as plain data."""
        return {
            "requests": list(self._requests),
            "expected": list(self._expected),
            "strays": self.strays,
            "mixture": self._mixture.snapshot(),
        }

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continues from a snapshot of a test of as many arms."""
        self._requests, self._expected = list(snapshot["requests"]), list(snapshot["expected"])
        self.strays = snapshot["strays"]
        self._mixture.restore(snapshot["mixture"])


def _is_of_use(look: Routed) -> bool:
    """Whether requests could go to one arm or another, and there are any."""
    requests = [n for n, weight in zip(look.requests, look.weights, strict=True) if weight]
    return len(requests) >= _PAIR and sum(requests) > 0
