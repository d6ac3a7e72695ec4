"""An absolute bound on a share: an error budget, or a latency quantile as the share of responses slower than a limit.

Null: whatever came before, a response breaches with a probability of at most `allowed`. For a share p above it
(p / allowed) ^ breaches ((1 - p) / (1 - allowed)) ^ others has mean 1 at `allowed` and less below, response by
response. So evidence is valid at every response and a peek at an open second costs nothing, however often.
`Side.BENEFIT` is the opposite: the null that the share is at least `allowed`, against shares below it.

A look without responses is passed over.

Source: mixture of likelihood ratios, Robbins: Statistical methods related to the law of the iterated logarithm (1970).
"""

import math
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.sequential.conclusion import Estimate, Side
from trimtab.engine.sequential.look import Share
from trimtab.engine.sequential.mixture import STARTS, Floats, Mixture, ln_evidence, ln_sum
from trimtab.engine.sequential.starts import FIRST

Ints = npt.NDArray[np.int64]

_HALF_FAIL_LN_ODDS: Final = 0.0
_LEAST_TOP, _FINEST = 1.6, 0.2


@compiled
def share_steps(breach: Floats, other: Floats, responses: float, breaches: float) -> Floats:
    """Gives the log likelihood ratio of each tilt; `breach`, `other`: of one response that breaches, or does not."""
    return breaches * breach + (responses - breaches) * other


def ln_odds_above(allowed: float) -> list[float]:
    """Gives the tilts of a budget's odds: up to where half of all responses breach, and halves of that.

    >>> [round(tilt, 2) for tilt in ln_odds_above(0.02)]
    [3.89, 1.95, 0.97, 0.49, 0.24]
    """
    tilts = [max(_HALF_FAIL_LN_ODDS - math.log(allowed / (1.0 - allowed)), _LEAST_TOP)]
    while tilts[-1] > 2.0 * _FINEST:
        tilts.append(tilts[-1] / 2.0)
    return tilts


def ratios_of(allowed: float, side: Side) -> tuple[Floats, Floats]:
    """Gives the log likelihood ratios of one response that breaches, and of one that does not, by tilt."""
    tilts = np.array(ln_odds_above(allowed)) * (-1.0 if side is Side.BENEFIT else 1.0)
    tilted = np.log1p(allowed * np.expm1(tilts))
    return tilts - tilted, -tilted


class BudgetTest:
    """Whether a share stays within what is allowed.

    >>> test = BudgetTest(0.02)
    >>> test.update(Share(1_000, 20))
    >>> round(test.evidence(), 2), round(test.evidence(Share(20, 10)), 2), test.estimate().value
    (-1.57, 14.46, 0.02)
    """

    __slots__ = ("_allowed", "_breaches", "_mixture", "_ratios", "_responses")

    def __init__(self, allowed: float, *, side: Side = Side.HARM, first: float = FIRST) -> None:
        """`allowed`: the share, above 0 and below 1. `first`: see `starts`. Raises `ValueError` for anything else."""
        if not 0.0 < allowed < 1.0:
            raise ValueError(f"expected an allowed share between 0 and 1, got {allowed!r}")
        if side is Side.BOTH:
            raise ValueError("expected one side of a budget, got both")
        self._allowed = allowed
        self._ratios = ratios_of(allowed, side)
        self._mixture = Mixture(len(self._ratios[0]), first)
        self._responses = self._breaches = 0

    def update(self, look: Share) -> None:
        """Takes a look that is over."""
        if look.responses:
            self._mixture.take(share_steps(*self._ratios, *look))
            self.note(look)

    def note(self, look: Share) -> None:
        """Takes note of a look whose evidence is in the masses."""
        self._mixture.stand_at(self._mixture.looks + 1)
        self._responses += look.responses
        self._breaches += look.breaches

    def evidence(self, peek: Share | None = None) -> float:
        """Gives ln E; with `peek`, as it would be if that were the next look."""
        if peek is None or not peek.responses:
            return self._mixture.evidence()
        return self._mixture.evidence(share_steps(*self._ratios, *peek))

    def estimate(self, peek: Share | None = None) -> Estimate:
        """Gives the share of breaches since the test began."""
        responses, is_within = self.standing(peek or (0, 0))
        share = (self._breaches + (peek.breaches if peek else 0)) / responses if responses else None
        return Estimate(share, self._allowed, responses, is_within=is_within)

    def standing(self, peek: tuple[int, int]) -> tuple[int, bool]:
        """Gives how many responses there were since the test began, `peek` included, and whether the share is kept."""
        responses = self._responses + peek[0]
        return responses, self._breaches + peek[1] <= self._allowed * responses

    def snapshot(self) -> dict[str, Any]:
        """Gives the state as plain data."""
        return {"responses": self._responses, "breaches": self._breaches, "mixture": self._mixture.snapshot()}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Continues from a snapshot of a test with the same settings."""
        self._responses, self._breaches = snapshot["responses"], snapshot["breaches"]
        self._mixture.restore(snapshot["mixture"])


class Budgets:
    """Budget tests side by side, whose evidence a decision asks for at once: one call into compiled code, not one each.

    The tests go on by themselves, with what they weigh in tables from now on.

    >>> tests = [BudgetTest(0.02), BudgetTest(0.1)]
    >>> peeks = [Share(20, 10), Share(0, 0)]
    >>> Budgets(tests).evidence(peeks) == [test.evidence(peek) for test, peek in zip(tests, peeks)]
    True
    """

    __slots__ = ("_masses", "_ratios", "_starts", "_tests", "_widths")

    def __init__(self, tests: Sequence[BudgetTest]) -> None:
        self._tests = tests
        widths = [len(test._ratios[0]) for test in tests]
        self._widths = np.array(widths, dtype=np.int64)
        self._masses = np.zeros((len(tests), max(widths, default=0)))
        self._ratios = np.zeros((2, *self._masses.shape))
        self._starts = np.zeros((len(tests), STARTS))
        for row, (test, width) in enumerate(zip(tests, widths, strict=True)):
            self._ratios[:, row, :width] = test._ratios
            test._mixture.move_into(self._masses[row, :width], self._starts[row])

    def update(self, looks: Sequence[Share]) -> None:
        """Takes looks that are over, one of each test; one without responses is none."""
        told = np.array(list(chain.from_iterable(looks)), dtype=np.float64)
        _update_all(self._widths, self._masses, self._ratios, self._starts, told)
        for test, look in zip(self._tests, looks, strict=True):
            if look.responses:
                test.note(look)

    def evidence(self, peeks: Sequence[tuple[int, int]]) -> list[float]:
        """Gives ln E of each, as it would be if its peek were the next look; one without responses is none.

        `peeks`: responses and breaches.
        """
        looks = np.array(list(chain.from_iterable(peeks)), dtype=np.float64)
        evidence = np.empty(len(self._tests))
        _evidence_of_all(self._widths, self._masses, self._ratios, self._starts, looks, evidence)
        given: list[float] = evidence.tolist()
        return given


@compiled
def _update_all(widths: Ints, masses: Floats, ratios: Floats, starts: Floats, looks: Floats) -> None:
    """Takes the arguments of `_evidence_of_all`, and lets the masses of each test that has a look grow by it."""
    for row in range(len(widths)):
        responses, breaches = looks[2 * row], looks[2 * row + 1]
        if responses > 0.0:
            for tilt in range(widths[row]):
                step = breaches * ratios[0, row, tilt] + (responses - breaches) * ratios[1, row, tilt]
                masses[row, tilt] = ln_sum(masses[row, tilt], starts[row, 0]) + step


@compiled
def _evidence_of_all(  # noqa: PLR0913, PLR0917 - compiled code takes arguments by place
    widths: Ints, masses: Floats, ratios: Floats, starts: Floats, looks: Floats, evidence: Floats
) -> None:
    """`ratios`: of responses that breach, and of others. `starts`: as `Mixture.move_into` has them.

    `looks`: responses and breaches of each, end to end.
    """
    grown = np.empty(masses.shape[1])  # once: room for each takes as long as what is worked out in it
    for row in range(len(widths)):
        width, responses, breaches = widths[row], looks[2 * row], looks[2 * row + 1]
        if responses > 0.0:
            for tilt in range(width):
                step = breaches * ratios[0, row, tilt] + (responses - breaches) * ratios[1, row, tilt]
                grown[tilt] = ln_sum(masses[row, tilt], starts[row, 0]) + step
            evidence[row] = ln_evidence(grown[:width], starts[row, 1])
        else:
            evidence[row] = ln_evidence(masses[row, :width], starts[row, 2])


def most_per_breach(allowed: float) -> float:
    """Gives what one breach adds to ln E at most: all that comes besides, and a later start, only take from it."""
    breach, _ = ratios_of(allowed, Side.HARM)
    return float(breach.max())
