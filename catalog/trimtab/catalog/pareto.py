"""The Pareto front: what nothing else beats, being at least as good in everything and better in something.

With up to three goals a sweep in O(n log n): points by falling first value, and of those seen so far the staircase of
second and third values, which only holds what nothing seen beats (Kung, Luccio and Preparata, 1975). With more, each
point is compared with the front so far, for which sorted points make it enough to look back.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

_SWEPT: Final = 3

Point = tuple[float, ...]
"""values of which more is better"""


def front(points: Sequence[Point]) -> list[int]:
    """Gives the places of the points on the front, in the order of `points`; all of those that are equal are on it.

    >>> front([(1, 5), (2, 4), (1, 4), (2, 4)])
    [0, 1, 3]
    """
    if not points:
        return []
    by_value: dict[Point, list[int]] = {}
    for at, point in enumerate(points):
        by_value.setdefault(point, []).append(at)
    falling = sorted(by_value, reverse=True)
    best = _sweep(falling) if len(falling[0]) <= _SWEPT else _compare(falling)
    return sorted(at for point in best for at in by_value[point])


def _sweep(falling: list[Point]) -> list[Point]:
    """Gives the front of different points, sorted so that whatever beats one comes before it."""
    seconds: list[float] = []  # rising; below them, in step, thirds that fall
    thirds: list[float] = []
    best: list[Point] = []
    for point in falling:
        second, third = (*point[1:], 0.0, 0.0)[:2]
        at = bisect_left(seconds, second)  # from here on, seconds are at least as good; the first third is the best
        if at < len(seconds) and thirds[at] >= third:
            continue
        best.append(point)
        stays = at
        while stays and thirds[stays - 1] <= third:
            stays -= 1
        upto = at + (at < len(seconds) and seconds[at] == second)
        seconds[stays:upto] = [second]
        thirds[stays:upto] = [third]
    return best


def _compare(falling: list[Point]) -> list[Point]:
    best: list[Point] = []
    for point in falling:
        if not any(all(one >= other for one, other in zip(known, point, strict=True)) for known in best):
            best.append(point)
    return best
