"""Shares from preferences: what all policies end with.

Shares are finite, none is negative, they sum to 1, and an arm that may not take traffic has none.
"""

from collections.abc import Sequence


def evenly(eligible: Sequence[bool]) -> list[float]:
    """Gives every arm that may take traffic the same share.

    >>> evenly([True, False, True])
    [0.5, 0.0, 0.5]
    """
    count = sum(eligible)
    return [1.0 / count if may else 0.0 for may in eligible]


def in_proportion(preferences: Sequence[float], eligible: Sequence[bool]) -> list[float]:
    """Gives shares in proportion to `preferences` (finite, at least 0); even ones where none is above 0.

    >>> in_proportion([3.0, 5.0, 1.0], [True, False, True])
    [0.75, 0.0, 0.25]
    """
    wanted = [preference if may else 0.0 for preference, may in zip(preferences, eligible, strict=True)]
    greatest = max(wanted)
    if greatest <= 0.0:
        return evenly(eligible)
    scaled = [preference / greatest for preference in wanted]  # a sum of huge or tiny preferences would not be finite
    total = sum(scaled)
    return [preference / total for preference in scaled]


def explored(shares: Sequence[float], eligible: Sequence[bool], ratio: float) -> list[float]:
    """Gives `shares` with `ratio` of all traffic spread evenly over the arms that may take it.

    >>> explored([1.0, 0.0], [True, True], 0.5)
    [0.75, 0.25]
    """
    return [(1.0 - ratio) * share + ratio * even for share, even in zip(shares, evenly(eligible), strict=True)]
