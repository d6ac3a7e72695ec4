"""Evidence against a null hypothesis that may be looked at after every look, for ever.

A test has tilts: alternatives to its null, each with a likelihood ratio for what a look brought. Here those become one
number, E, with M(tilt) <- L(tilt) * (M(tilt) + weight of a start at this look) and E = mean of M over the tilts +
weight of all starts to come. Under the null E is a non-negative supermartingale that begins at 1, so that the chance
that it ever reaches 1/alpha is at most alpha (Ville's inequality), whatever was looked at in between.

* L has a mean of at most 1 under the null, given all that came before the look and the sizes of the look. That is for
  each test to see to; nothing here can check it.
* Everything is kept as a logarithm; memory is one number per tilt.
* The sums are added up in the order of the tilts: the same looks give the same bits.
"""

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.errors import EngineError
from trimtab.engine.sequential.starts import FIRST, NOTHING, ln_left, ln_start

STARTS: Final = 3
"""Numbers that starts to come are weighed by."""

Floats = npt.NDArray[np.float64]
Snapshot = dict[str, Any]
"""Plain data, as MessagePack and JSON have it"""

LN_ODDS: Final = np.array([0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
"""Tilts of odds, as logarithms: times 1.1 to times 25. For any truth between two of them the better one learns at 89 %
of the rate of the truth itself, so that a finer grid would lose more to its size than it gains."""


@compiled
def ln_sum(left: float, right: float) -> float:
    """Gives ln(exp(left) + exp(right))."""
    if left < right:
        left, right = right, left
    return left + math.log1p(math.exp(right - left))


@compiled
def grow(masses: Floats, steps: Floats, start: float) -> None:
    """Takes the log likelihood ratios of a look, one per tilt, into `masses`; `start`: ln of the look's weight."""
    for tilt in range(len(masses)):
        masses[tilt] = ln_sum(masses[tilt], start) + steps[tilt]


@compiled
def ln_evidence(masses: Floats, left: float) -> float:
    """Gives ln E; `left`: ln of the weight of all starts to come."""
    greatest = masses.max()
    total = 0.0
    for mass in masses:
        total += math.exp(mass - greatest)
    return ln_sum(greatest + math.log(total / len(masses)), left)


@compiled
def ln_evidence_after(masses: Floats, steps: Floats, start: float, left: float) -> float:
    """Gives ln E as `grow` would make it, and leaves `masses` as they are."""
    grown = masses.copy()
    grow(grown, steps, start)
    return ln_evidence(grown, left)


class Mixture:
    """Evidence of one test: a mixture over its tilts and over the looks at which it may start.

    >>> mixture = Mixture(2)
    >>> mixture.update(np.array([1.0, 2.0]))
    >>> round(mixture.evidence(), 2), round(mixture.evidence(np.array([1.0, 2.0])), 2), mixture.looks
    (1.54, 3.33, 1)
    """

    __slots__ = ("_first", "_masses", "_starts", "ln_left", "looks", "next_look")

    def __init__(self, tilts: int, first: float = FIRST) -> None:
        """`first`: the share of the start at the first look, above 0; 1 for a plain e-process."""
        self._first = first
        self._masses: Floats = np.full(tilts, NOTHING)
        self._starts: Floats = np.empty(STARTS)
        """`next_look` and `ln_left`, as compiled code has them"""
        self.stand_at(0)

    def update(self, steps: Floats) -> None:
        """Takes the log likelihood ratios of one look, one per tilt."""
        self.take(steps)
        self.stand_at(self.looks + 1)

    def take(self, steps: Floats) -> None:
        """Lets masses grow alone, which is half of an update."""
        grow(self._masses, steps, self.next_look[0])

    def stand_at(self, looks: int) -> None:
        """Takes note of how many looks are in the masses, which is the other half."""
        self.looks = looks
        self.ln_left = ln_left(looks, self._first)
        """the logarithm of the weight of all starts to come"""
        self.next_look = ln_start(looks + 1, self._first), ln_left(looks + 1, self._first)
        """the same of a start at the next look, and of all starts after it"""
        self._starts[:] = (*self.next_look, self.ln_left)

    def move_into(self, masses: Floats, starts: Floats) -> None:
        """Keeps what it weighs in rows of tables of several mixtures from now on.

        `masses`: one for each tilt. `starts`: ln of the weight of a start at the next look, of all starts after it,
        and of all from it on.
        """
        masses[:], starts[:] = self._masses, self._starts
        self._masses, self._starts = masses, starts

    def evidence(self, steps: Floats | None = None) -> float:
        """Gives ln E; with `steps`, as it would be after them."""
        if steps is None:
            return ln_evidence(self._masses, self.ln_left)
        return ln_evidence_after(self._masses, steps, *self.next_look)

    def snapshot(self) -> Snapshot:
        """Gives the state as plain data."""
        return {"looks": self.looks, "masses": self._masses.tolist()}

    def restore(self, snapshot: Snapshot) -> None:
        """Continues from a snapshot of a mixture over as many tilts."""
        masses = np.array(snapshot["masses"], dtype=np.float64)
        if masses.shape != self._masses.shape:
            raise EngineError(f"mixture: expected {len(self._masses)} tilts in the snapshot, got {len(masses)}")
        self._masses[:] = masses
        self.stand_at(int(snapshot["looks"]))
