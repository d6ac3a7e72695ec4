"""Cohorts: the requests that were routed in the same second, and how far back an outcome reaches to its own.

A pane keeps its outcomes apart by their age, the seconds between them and their request: exact below `EXACT_S`, and
beyond that in classes of an eighth of an octave, each taken for the middle of it. So an age is off by a sixteenth of
itself at most, and a pane has at most 81 of them, however long outcomes take. An age is a property of the outcome
alone, and a greater one is never taken for less: what is past a window stays past it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

EXACT_S: Final = 16
_EXACT_BITS: Final = 4
OLDEST_S: Final = 4_096
"""Ages are cut here, past every window that a release may ask for."""


def _middles() -> Ints:
    ages = np.arange(OLDEST_S + 1)
    bits = np.array([max(0, int(age).bit_length() - _EXACT_BITS) for age in ages.tolist()])
    middles: Ints = ((ages >> bits) << bits) + (1 << bits) // 2
    return np.minimum(middles, OLDEST_S)


_MIDDLES: Final = _middles()


def coarse(ages_s: Ints) -> Ints:
    """Gives the ages, in seconds, that these are taken for; what lies ahead of its request counts as of the same.

    >>> coarse(np.array([-1, 0, 15, 16, 17, 18, 1_800, 100_000])).tolist()
    [0, 0, 15, 17, 17, 19, 1856, 4096]
    """
    taken: Ints = _MIDDLES[np.clip(ages_s, 0, OLDEST_S)]
    return taken
