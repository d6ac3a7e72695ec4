"""When evidence of harm starts to count: a prior over the look at which a fall may begin.

A test that multiplies up everything since the release began is diluted by a good past: a fall after a good hour first
has to undo what the hour earned. So evidence is a mixture over starts s = 1, 2, 3, ... of processes that are 1 before
look s and multiply from s on. A mixture of e-processes whose weights sum to 1 is one: it exceeds 1/alpha with
probability at most alpha, ever. The weights are decided here:

* the first look has `first` (`FIRST` unless a test says otherwise): most faults are there from the first request on;
* of the rest, (1 + (t - 1) / 600) ** -0.5 is left after t looks. With a look a second a fall after an hour has to
  bring 12 nats more than one at the start, and one after a day 17: the best that any weights could do for a start that
  is known to within a look are 8 and 11.

Figures of what that buys, and of what it costs a fault from the start: benchmarks/README.md, gates.

Source: mixtures over the time of a change as in Shin, Ramdas, Rinaldo: E-detectors (2022), with weights that sum to 1.
"""

import math
from functools import lru_cache
from typing import Final

FIRST: Final = 0.9
"""The share of the first look."""
ONLY_FIRST: Final = 1.0
"""Everything starts at the first look: a plain e-process."""

_SCALE: Final = 600.0
"""Looks; with one a second, ten minutes."""
_EXPONENT: Final = -0.5
NOTHING: Final = -1e300
"""The logarithm of nothing, finite so that it can be written down as plain data."""


@lru_cache(maxsize=64)  # the bounds of a release ask for the same looks, one after another
def ln_left(looks: int, first: float) -> float:
    """Gives the logarithm of the weight of all starts after `looks` looks."""
    if looks == 0:
        return 0.0
    if first >= 1.0:
        return NOTHING
    return math.log1p(-first) + _EXPONENT * math.log1p((looks - 1) / _SCALE)


@lru_cache(maxsize=64)
def ln_start(look: int, first: float) -> float:
    """Gives the logarithm of the weight of a start at `look`, counted from 1."""
    if look == 1:
        return math.log(first)
    if first >= 1.0:
        return NOTHING
    lost = -math.expm1(_EXPONENT * math.log1p(1.0 / (_SCALE + look - 2)))
    return ln_left(look - 1, first) + math.log(lost)
