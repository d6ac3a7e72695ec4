"""Shares: values from 0 to 1, as objectives have them that do not say `values: real`.

A value is judged as it is added up, rounded to 1/VALUE_SCALE with its square: then the sums of shares, and no others,
have 0 <= sum of squares <= sum <= count, whatever the order.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trimtab.schemas.evidence import VALUE_SCALE


def are_shares(values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Gives which of these values are shares.

    >>> are_shares(np.array([0.0, 0.25, 1.0, 1.0000000001, 1.01, -0.5, 1e6])).tolist()
    [True, True, True, True, False, False, False]
    """
    scaled, squared = np.rint(values * VALUE_SCALE), np.rint(values * values * VALUE_SCALE)
    shares: npt.NDArray[np.bool_] = (squared <= scaled) & (scaled <= VALUE_SCALE)
    return shares


def is_share(value: float) -> bool:
    """Whether a value is a share; the same for one."""
    return round(value * value * VALUE_SCALE) <= round(value * VALUE_SCALE) <= VALUE_SCALE


def may_be_shares(sums: Sequence[int]) -> bool:
    """Whether values of this count, sum and sum of squares (in 1/VALUE_SCALE) may all be shares.

    >>> may_be_shares((2, VALUE_SCALE, VALUE_SCALE)), may_be_shares((2, VALUE_SCALE, 4 * VALUE_SCALE))
    (True, False)
    """
    count, total, squares = sums
    return 0 <= squares <= total <= count * VALUE_SCALE
