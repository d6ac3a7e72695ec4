"""Sums of sliding windows of all variants of a release, kept up to date: a decision reads them without adding up tiles.

Changes are added as they come, tiles are taken out as they leave. All of it is integers, so a sum is that of the
window's tiles, to the last bit, whatever came in which order. What lies on one length is a plane: a row per variant.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.contribution import BUCKET_BYTES, PaneContent
from trimtab.engine.sketch import Asked, Sketches
from trimtab.engine.tile import Bytes, joined, laid_out, parts_of, take_tile
from trimtab.engine.tiles import Values, add_values
from trimtab.engine.window import SHOWN_QUANTILES, ArmWindow
from trimtab.schemas.evidence import COUNTS

Ints = npt.NDArray[np.int64]
Planes = npt.NDArray[np.int64]
"""by length, variant, and counter or latency bucket"""

_COUNTS = len(COUNTS)


Replacement = tuple[int, int, PaneContent, PaneContent]
"""row of a variant and second of its pane, whose content is another now: the old one, and the new one"""


class Left(NamedTuple):
    """A tile that is no more part of a window."""

    row: int
    length_ms: int
    tile: bytes
    values: Values


@lru_cache(maxsize=256)  # most releases ask for the same
def _asked_of(slower_than: tuple[int, ...]) -> Asked:
    return Asked(SHOWN_QUANTILES, slower_than)


class Running:
    """The sums of those windows that somebody has asked for.

    >>> running = Running(rows=1, metrics=())
    >>> running.begin(10_000, [ArmWindow()])
    >>> once = PaneContent(np.ones(8, dtype="<i8").tobytes(), b"", b"", {})
    >>> from trimtab.engine.contribution import NOTHING
    >>> running.replace([(0, 100, NOTHING, once)], {10_000: 91})
    >>> running.windows(10_000)[0].responses
    1
    """

    __slots__ = ("_asked", "_buckets", "_counts", "_first", "_metrics", "_place", "_seen", "_starts", "_values")

    def __init__(self, rows: int, metrics: Sequence[str], slower_than: tuple[int, ...] = ()) -> None:
        """`metrics`: whose outcomes windows hold. `slower_than`: buckets above which somebody counts latencies."""
        self._metrics = metrics
        self._asked = _asked_of(slower_than)
        self._place: dict[int, int] = {}
        """length -> its plane"""
        self._counts: Planes = np.zeros((0, rows, _COUNTS), dtype=np.int64)
        self._buckets: Planes = np.zeros((0, rows, 0), dtype=np.int64)
        self._first = 0
        """the bucket that the first cell of a row stands for"""
        self._values: list[list[Values]] = []
        """by length and variant"""
        self._seen: dict[int, list[ArmWindow]] = {}
        self._starts: tuple[dict[int, int], Ints] = ({}, np.zeros(0, dtype=np.int64))
        """the first second of each window when contents were replaced last, and the same by plane"""

    def __contains__(self, length_ms: int) -> bool:
        return length_ms in self._place

    def __bool__(self) -> bool:
        return bool(self._place)

    def begin(self, length_ms: int, windows: Sequence[ArmWindow]) -> None:
        """Keeps a window up to date from now on; `windows`: what each variant has in it now."""
        self._place[length_ms] = len(self._place)
        counts, rows = [window.counts for window in windows], len(windows)
        self._counts = np.concatenate([self._counts, np.array(counts, dtype=np.int64).reshape(1, rows, _COUNTS)])
        plane = np.zeros((1, rows, self._buckets.shape[2]), dtype=np.int64)
        self._buckets = np.concatenate([self._buckets, plane])
        self._values.append([dict(window.values) for window in windows])
        for row, window in enumerate(windows):
            first, latencies = window.latency.cells
            if len(latencies):
                self._reach(first, first + len(latencies))
                start = first - self._first
                self._buckets[-1, row, start : start + len(latencies)] += latencies

    def _reach(self, first: int, stop: int) -> None:
        """Makes room for buckets."""
        lengths, rows, width = self._buckets.shape
        if width and self._first <= first and stop <= self._first + width:
            return
        begin, end = (min(first, self._first), max(stop, self._first + width)) if width else (first, stop)
        grown = np.zeros((lengths, rows, end - begin), dtype=np.int64)
        if width:
            grown[:, :, self._first - begin : self._first - begin + width] = self._buckets
        self._first, self._buckets = begin, grown

    def replace(self, replaced: Sequence[Replacement], starts_s: dict[int, int]) -> None:
        """Takes other contents of panes; `starts_s`: length -> the first second that belongs to that window."""
        self._seen.clear()
        contents, width = joined([content for _, _, old, new in replaced for content in (old, new)])
        heads: list[int] = []  # end to end: of nested lists NumPy takes three times as long
        for row, second, old, new in replaced:
            heads += (row, second, len(old.packed_buckets), len(new.packed_buckets))
        where, starts = np.array(heads, dtype=np.int64), self._starts_of(starts_s)
        first, stop = _replace(contents, width, where, starts, self._counts, self._buckets, self._first)
        if stop:
            self._reach(first, stop)
            _replace(contents, width, where, starts, self._counts, self._buckets, self._first)
        if self._metrics:
            self._replace_values(replaced, starts_s)

    def _starts_of(self, starts_s: dict[int, int]) -> Ints:
        """Gives the same by plane; from one second to the next nobody gives others."""
        if self._starts[0] is not starts_s or len(self._starts[1]) != len(self._place):
            of_planes = [starts_s[length_ms] for length_ms in self._place]
            self._starts = (starts_s, np.array(of_planes, dtype=np.int64))
        return self._starts[1]

    def _replace_values(self, replaced: Sequence[Replacement], starts_s: dict[int, int]) -> None:
        for row, second, old, new in replaced:
            for length_ms, place in self._place.items():
                if second >= starts_s[length_ms]:
                    total = self._values[place][row]
                    add_values(total, -1, _kept(old.values, self._metrics))
                    add_values(total, +1, _kept(new.values, self._metrics))

    def take_out(self, left: Sequence[Left]) -> None:
        """Takes tiles out of the windows that they have left."""
        gone = [one for one in left if one.length_ms in self._place]
        if not gone:
            return
        self._seen.clear()
        places = [(self._place[one.length_ms], one.row) for one in gone if one.tile]
        if places:
            packed, starts = laid_out([one.tile for one in gone if one.tile])
            _take_out(packed, starts, np.array(places, dtype=np.int64), self._counts, self._buckets, self._first)
        for one in gone:
            add_values(self._values[self._place[one.length_ms]][one.row], -1, one.values)

    def windows(self, length_ms: int) -> list[ArmWindow]:
        """Gives what each variant did in a window. What it gives does not change with what comes."""
        known = self._seen.get(length_ms)
        if known is None:
            place = self._place[length_ms]
            counts, values = self._counts[place].tolist(), self._values[place]
            latencies = Sketches(self._first, self._buckets[place].copy(), self._asked)
            known = self._seen[length_ms] = [
                ArmWindow(of_row, dict(values[row]), None, (), (latencies, row)) for row, of_row in enumerate(counts)
            ]
        return known

    def let_go(self) -> None:
        """Forgets what was given: it is worked out again for whoever asks again.

        Kept from decision to decision it would be memory that other releases push out of the processor's caches.
        """
        self._seen.clear()


def _kept(values: Values, metrics: Sequence[str]) -> Values:
    return {metric: values[metric] for metric in metrics if metric in values}


@compiled
def _replace(  # noqa: PLR0913, PLR0917 - compiled code takes arguments by place
    contents: Bytes, width: int, where: Ints, starts: Ints, counts: Planes, buckets: Planes, first: int
) -> tuple[int, int]:
    """Replaces contents, unless some bucket has no room: it then gives the least, and the one after the greatest.

    `contents`: of each replacement the old one and the new one, `joined`. `where`: of each its row and second, and how
    many bytes of latency buckets either content has, end to end.
    """
    table, amounts, cells = parts_of(contents, len(where) // 2, width)
    least, stop = 1 << 30, 0
    for bucket in cells:
        least, stop = min(least, int(bucket)), max(stop, int(bucket) + 1)
    if stop and (least < first or stop > first + buckets.shape[2]):
        return least, stop
    cell = 0
    for content in range(len(where) // 2):
        head, sign = 4 * (content // 2), 2 * (content % 2) - 1
        row, second, size = where[head], where[head + 1], where[head + 2 + content % 2] // BUCKET_BYTES
        for length in range(len(starts)):
            if second >= starts[length]:
                for name in range(width):
                    counts[length, row, name] += sign * table[content * width + name]
                for at in range(cell, cell + size):
                    buckets[length, row, cells[at] - first] += sign * np.int64(amounts[at])
        cell += size
    return 0, 0


@compiled
def _take_out(  # noqa: PLR0913, PLR0917 - compiled code takes arguments by place
    packed: Bytes, starts: Ints, places: Ints, counts: Planes, buckets: Planes, first: int
) -> None:
    """Takes tiles out of sums that hold them. `places`: length and row of each."""
    for tile in range(len(starts)):
        length, row = places[tile, 0], places[tile, 1]
        take_tile(packed, starts[tile], counts[length, row], buckets[length, row], first)
