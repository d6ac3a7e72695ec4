"""Latency sketch: a histogram with logarithmic buckets, so that quantiles keep a relative error of 1 %.

Bucket 0 holds everything up to 10 us, bucket i > 0 the durations in (10 g^(i-1), 10 g^i] us, g = 1.01 / 0.99, with
which for whole microseconds is the same with edges rounded down. Edges are integers from exact arithmetic: the same
duration falls into the same bucket on every machine. Sketches are counts, so adding them up is exact in any order,
and subtracting one takes it out again.

Source: Masson, Rim, Lee: DDSketch (VLDB 2019), the mapping of section 2.2.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_UNIT_US: Final = 10
_UP, _DOWN = 101, 99
"""g as a fraction"""
_LAST_US: Final = 2**32 - 1


def _edges() -> tuple[Ints, npt.NDArray[np.float64]]:
    """Gives the upper edges up to the longest duration: rounded down, and as they are."""
    whole: list[int] = []
    exact: list[float] = []
    up, down = _UNIT_US, 1
    while up < _LAST_US * down:
        whole.append(up // down)
        exact.append(up / down)
        up, down = up * _UP, down * _DOWN
    return np.array([*whole, _LAST_US], dtype=np.int64), np.array([*exact, _LAST_US], dtype=np.float64)


EDGES_US, _EXACT_EDGES_US = _edges()
"""Upper edges of the buckets, inclusive, in microseconds: whole, and as they are."""

BUCKETS: Final = len(EDGES_US)
_VALUES: Final = _EXACT_EDGES_US * (2 * _DOWN / (_UP + _DOWN) / 1000)
_VALUES_MS: Final[list[float]] = _VALUES.tolist()
"""What a duration in a bucket is taken for: 1 % from either edge of it."""


_CELL_BITS: Final = 45
"""Of a 64-bit float's 52 bits of fraction, those that do not matter for its cell: 128 cells between powers of two, each
narrower than a bucket, so that no cell has more than one edge in it."""
_FIRST_CELL: Final = int(np.array([1.0]).view(np.int64)[0]) >> _CELL_BITS


def _cells() -> tuple[Ints, Ints]:
    """Gives, for each cell of floats from 1 to 2^32, the bucket of its least value and that bucket's upper edge."""
    last = int(np.array([2.0**32]).view(np.int64)[0]) >> _CELL_BITS
    least = (np.arange(_FIRST_CELL, last, dtype=np.int64) << _CELL_BITS).view(np.float64)
    bucket = np.searchsorted(EDGES_US, least)
    return bucket, EDGES_US[bucket]


_CELL_BUCKET, _CELL_EDGE_US = _cells()


@compiled
def buckets_of(durations_us: npt.NDArray[np.uint32]) -> Ints:
    """Gives the bucket of each duration (microseconds, unsigned 32 bit).

    The bits of a float name its cell in a table, one comparison decides between the cell's two buckets: the same
    as a binary search over the edges, at 2 ns a value.
    """
    durations = np.maximum(durations_us, np.uint32(1)).astype(np.float64)
    bits = durations.view(np.int64)
    buckets = np.empty(len(bits), dtype=np.int64)
    for at in range(len(bits)):
        cell = (bits[at] >> _CELL_BITS) - _FIRST_CELL
        buckets[at] = _CELL_BUCKET[cell] + (durations[at] > _CELL_EDGE_US[cell])
    return buckets


@compiled
def _range_of(buckets: Ints) -> tuple[int, int]:
    """Gives the least bucket, and the one after the greatest."""
    least, most = buckets[0], buckets[0]
    for bucket in buckets:
        least, most = min(least, bucket), max(most, bucket)
    return least, most + 1


@compiled
def _count_each(buckets: Ints, first: int, counts: Ints) -> None:
    for bucket in buckets:
        counts[bucket - first] += 1


@compiled
def _sum_from(counts: Ints, start: int) -> int:
    total = 0
    for at in range(start, len(counts)):
        total += counts[at]
    return total


@compiled
def _position_of(counts: Ints, q: float) -> int:
    """Gives the first position up to which there are q (n - 1) + 1 of n; -1 where n is 0."""
    total = _sum_from(counts, 0)
    if total == 0:
        return -1
    at, below, rank = 0, counts[0], q * (total - 1) + 1
    while below < rank:
        at += 1
        below += counts[at]
    return at


@compiled
def _positions_of(counts: Ints, quantiles: Floats) -> Ints:
    """Gives the same for each of rising `quantiles`, in one pass."""
    positions = np.full(len(quantiles), -1, dtype=np.int64)
    total = _sum_from(counts, 0)
    if total == 0:
        return positions
    at, below = 0, counts[0]
    for place in range(len(quantiles)):
        rank = quantiles[place] * (total - 1) + 1
        while below < rank:
            at += 1
            below += counts[at]
        positions[place] = at
    return positions


SketchSnapshot = tuple[int, str, bytes]
"""(first bucket, type of the counts, counts): as narrow as they allow"""


@lru_cache(maxsize=1024)
def bucket_of_limit(limit_ms: float) -> int:
    """Gives the bucket that a limit lies in; durations in it are not above the limit."""
    return int(np.searchsorted(EDGES_US, limit_ms * 1000))


class Sketch:
    """Counts by bucket, kept only for the range of buckets that occurred.

    >>> sketch = Sketch()
    >>> sketch.update(np.array([1_000, 2_000, 100_000], dtype=np.uint32))
    >>> round(sketch.quantile_ms(0.5), 1), sketch.count_above(50.0), sketch.count
    (2.0, 1, 3)
    """

    __slots__ = ("_counts", "_first")

    def __init__(self, first: int = 0, counts: Ints | None = None) -> None:
        self._first = first
        self._counts: Ints = np.zeros(0, dtype=np.int64) if counts is None else counts

    @classmethod
    def of_dense(cls, first: int, counts: Ints) -> "Sketch":
        """Gives a sketch of counts at `first` and the buckets that follow it, without zeros at the ends."""
        used = np.flatnonzero(counts)
        return cls(first + int(used[0]), counts[used[0] : used[-1] + 1].copy()) if len(used) else cls()

    @property
    def cells(self) -> tuple[int, Ints]:
        """The first bucket of its range, and the counts of that and those that follow; not to be changed."""
        return self._first, self._counts

    @property
    def count(self) -> int:
        """How many durations it holds."""
        return _sum_from(self._counts, 0)

    def update(self, durations_us: npt.NDArray[np.uint32]) -> None:
        """Adds durations, as `buckets_of` takes them."""
        if len(durations_us) == 0:
            return
        buckets = buckets_of(durations_us)
        self._reach(*_range_of(buckets))
        _count_each(buckets, self._first, self._counts)

    def add(self, buckets: Ints, counts: Ints) -> None:
        """Adds counts at distinct buckets; a negative count takes durations out again."""
        if len(buckets) == 0:
            return
        self._reach(int(buckets.min()), int(buckets.max()) + 1)
        self._counts[buckets - self._first] += counts

    def merge(self, other: "Sketch") -> None:
        """Adds all that `other` holds."""
        if len(other._counts):
            self._within(other)[:] += other._counts

    def subtract(self, other: "Sketch") -> None:
        """Takes out all that `other` holds."""
        if len(other._counts):
            self._within(other)[:] -= other._counts

    def _within(self, other: "Sketch") -> Ints:
        """Gives a view of the counts in the range of `other`, which it makes room for."""
        self._reach(other._first, other._first + len(other._counts))
        start = other._first - self._first
        return self._counts[start : start + len(other._counts)]

    def _reach(self, start: int, stop: int) -> None:
        end = self._first + len(self._counts)
        if len(self._counts) == 0:
            self._first, self._counts = start, np.zeros(stop - start, dtype=np.int64)
        elif start < self._first or stop > end:
            grown = np.zeros(max(stop, end) - min(start, self._first), dtype=np.int64)
            shift = self._first - min(start, self._first)
            grown[shift : shift + len(self._counts)] = self._counts
            self._first, self._counts = min(start, self._first), grown

    def quantile_ms(self, q: float) -> float | None:
        """Gives the `q` quantile (0 to 1) in milliseconds, within 1 %; None when the sketch is empty.

        It is the value whose rank is q (n - 1) + 1, counted from the smallest.
        """
        position = _position_of(self._counts, q)
        return None if position < 0 else _VALUES_MS[self._first + position]

    def quantiles_ms(self, quantiles: Floats) -> list[float | None]:
        """Gives the same for each of rising `quantiles`."""
        positions = _positions_of(self._counts, quantiles).tolist()
        return [None if position < 0 else _VALUES_MS[self._first + position] for position in positions]

    def count_above(self, limit_ms: float) -> int:
        """Gives how many durations lie above `limit_ms`; those in the bucket of the limit itself do not count."""
        return _sum_from(self._counts, max(0, bucket_of_limit(limit_ms) + 1 - self._first))

    def snapshot(self) -> SketchSnapshot:
        """Gives the sketch as plain data, without zeros at the ends."""
        used = Sketch.of_dense(self._first, self._counts)
        if len(used._counts) == 0:
            return 0, "<u1", b""
        dtype = np.min_scalar_type(int(used._counts.max())).str if used._counts.min() >= 0 else "<i8"
        return used._first, dtype, used._counts.astype(dtype).tobytes()

    @classmethod
    def restore(cls, snapshot: SketchSnapshot) -> "Sketch":
        """Gives the sketch of which `snapshot` was taken."""
        first, dtype, counts = snapshot
        return cls(first, np.frombuffer(counts, dtype=dtype).astype(np.int64))


class Asked:
    """What is asked of sketches: quantiles, and how many durations lie in higher buckets than some."""

    __slots__ = ("above", "place", "quantiles")

    def __init__(self, quantiles: Sequence[float], above: Sequence[int] = ()) -> None:
        """`quantiles`: rising."""
        self.quantiles, self.above = np.array(quantiles), np.array(above, dtype=np.int64)
        self.place = {bucket: len(quantiles) + at for at, bucket in enumerate(above)}
        """bucket -> where its count is among the answers"""


class Sketches:
    """Sketches side by side, of which nothing changes any more: what is asked of all of them takes one call.

    >>> both = Sketches(0, np.array([[0, 2], [1, 0]]), Asked([0.5], above=[0]))
    >>> both.quantiles_ms(0) == both.at(0).quantiles_ms(np.array([0.5]))
    True
    """

    __slots__ = ("_asked", "_counts", "_first", "_known")

    def __init__(self, first: int, counts: Ints, asked: Asked) -> None:
        """`counts`: a row for each, from bucket `first` on."""
        self._first, self._counts, self._asked = first, counts, asked
        self._known: list[list[float]] = []
        """quantiles and counts of each, once somebody has asked"""

    def at(self, row: int) -> Sketch:
        """Gives one of them."""
        return Sketch(self._first, self._counts[row])

    def quantiles_ms(self, row: int) -> Sequence[float | None]:
        """Gives the quantiles of one of them, as `Sketch.quantile_ms`."""
        known, asked = (self._known or self._look())[row], len(self._asked.quantiles)
        return known[:asked] if known[0] else [None] * asked

    def count_above(self, row: int, limit_ms: float) -> int:
        """Gives how many durations of one of them lie above `limit_ms`, as `Sketch.count_above`."""
        place = self._asked.place.get(bucket_of_limit(limit_ms))
        return self.at(row).count_above(limit_ms) if place is None else int((self._known or self._look())[row][place])

    def _look(self) -> list[list[float]]:
        quantiles, above = self._asked.quantiles, self._asked.above
        seen = np.empty((len(self._counts), len(quantiles) + len(above)))
        _see(self._counts, quantiles, above, self._first, seen)
        self._known = seen.tolist()
        return self._known


# It fills what it is given: an array that compiled code makes takes as long to hand over as all that is in it.
@compiled
def _see(counts: Ints, quantiles: Floats, above: Ints, first: int, seen: Floats) -> None:
    """Gives the quantiles of each row, in milliseconds, and how much is in higher buckets than each of `above`.

    Of a row that holds nothing, quantiles are 0, which no bucket stands for.
    """
    for row in range(len(counts)):
        positions = _positions_of(counts[row], quantiles)
        for place in range(len(positions)):
            seen[row, place] = _VALUES[first + positions[place]] if positions[place] >= 0 else 0.0
        for place in range(len(above)):
            seen[row, len(positions) + place] = _sum_from(counts[row], max(0, above[place] + 1 - first))
