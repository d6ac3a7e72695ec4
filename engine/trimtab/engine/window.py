"""Sliding windows over one variant, rolled up from seconds.

A window of length L keeps tiles of its hop (10 s: 1 s, 1 m: 10 s, 5 m: 30 s) and their running total. It holds the
tile of now and as many before it as make up L: never more than L, never less than L minus a hop. What lies ahead of
now (some broker's or publisher's clock is fast) counts at once and leaves in its own time. All of it is integers, so a
running total equals the sum of its seconds to the last bit, whatever came in which order.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.sketch import Sketch, SketchSnapshot
from trimtab.schemas.evidence import COUNTS

Ints = npt.NDArray[np.int64]

HOP_MS: Final = {10_000: 1_000, 60_000: 10_000, 300_000: 30_000}
"""length -> hop of the windows that are kept, milliseconds"""

_RESPONSES: Final = COUNTS.index("responses")
_ERRORS: Final = COUNTS.index("errors")


_BUCKET_BYTES: Final = 2
_MANY: Final = 256
"""Changes that are laid by at most."""

WindowSnapshot = tuple[int, int, list[tuple[int, list[int], SketchSnapshot]]]
"""(since, oldest tile, [(tile, counts, latency sketch)])"""
Change = tuple[int, int, bytes, bytes, bytes]
"""(second, +1 or -1, counts, latency buckets, how many in each), the last three packed as in a contribution"""


@dataclass(slots=True)
class ArmWindow:
    """What one variant did in a stretch of time."""

    counts: Ints = field(default_factory=lambda: np.zeros(len(COUNTS), dtype=np.int64))
    latency: Sketch = field(default_factory=Sketch)

    @property
    def responses(self) -> int:
        """Requests that ended."""
        return int(self.counts[_RESPONSES])

    @property
    def errors(self) -> int:
        """Responses that were errors."""
        return int(self.counts[_ERRORS])

    @property
    def error_ratio(self) -> float | None:
        """Share of responses that were errors; None without responses."""
        return self.errors / self.responses if self.responses else None

    def merge(self, other: "ArmWindow") -> None:
        """Adds all that `other` holds."""
        self.counts += other.counts
        self.latency.merge(other.latency)

    def subtract(self, other: "ArmWindow") -> None:
        """Takes out what `other` holds."""
        self.counts -= other.counts
        self.latency.subtract(other.latency)


NOTHING: Final = ArmWindow()


class Window:
    """The last `length_ms` of one variant.

    >>> window = Window(10_000)
    >>> one = np.ones(len(COUNTS), dtype="<i8").tobytes()
    >>> window.update([(100, +1, one, b"", b"")], now_s=100)
    >>> window.total.responses, window.advance(109), window.total.responses, window.advance(110), window.total.responses
    (1, None, 1, None, 0)
    """

    __slots__ = ("_hop_s", "_oldest", "_since_s", "_span", "_tiles", "total")

    def __init__(self, length_ms: int, since_s: int = 0) -> None:
        """`since_s`: what happened in a second before it does not belong."""
        self._since_s = since_s
        self._hop_s = HOP_MS[length_ms] // 1000
        self._span = length_ms // HOP_MS[length_ms]
        self._oldest = 0
        self._tiles: dict[int, ArmWindow] = {}
        self.total = ArmWindow()

    def update(self, changes: Iterable[Change], now_s: int) -> None:
        """Adds changes of panes, but for those that are older than the window."""
        self.advance(now_s)
        first_s = max(self._since_s, self._oldest * self._hop_s)
        for index, of_tile in _by_tile([change for change in changes if change[0] >= first_s], self._hop_s):
            self._tiles.setdefault(index, ArmWindow()).merge(of_tile)
            self.total.merge(of_tile)

    def advance(self, now_s: int) -> None:
        """Lets go of what is older than the window at `now_s`. Time never goes back."""
        oldest = now_s // self._hop_s - self._span + 1
        if oldest <= self._oldest:
            return
        self._oldest = oldest
        for index in [index for index in self._tiles if index < oldest]:
            self.total.subtract(self._tiles.pop(index))

    @property
    def leaving(self) -> Iterator[ArmWindow]:
        """What the window lets go of with each of the hops to come."""
        return (self._tiles.get(index, NOTHING) for index in range(self._oldest, self._oldest + self._span))

    def snapshot(self) -> WindowSnapshot:
        """Gives the window as plain data."""
        tiles = [(index, tile.counts.tolist(), tile.latency.snapshot()) for index, tile in sorted(self._tiles.items())]
        return (self._since_s, self._oldest, tiles)

    @classmethod
    def restore(cls, length_ms: int, snapshot: WindowSnapshot) -> "Window":
        """Gives the window of which `snapshot` was taken."""
        since_s, oldest, tiles = snapshot
        window = cls(length_ms, since_s)
        window._oldest = oldest
        for index, counts, latency in tiles:
            tile = ArmWindow(np.array(counts, dtype=np.int64), Sketch.restore(latency))
            window._tiles[index] = tile
            window.total.counts += tile.counts
            window.total.latency.merge(tile.latency)
        return window


class Windows:
    """All windows of one variant.

    What comes is laid by and added up when somebody looks: of many small changes that is a fraction of the work.
    """

    __slots__ = ("_added", "_by_length", "_laid_by")

    def __init__(self, since_s: int = 0) -> None:
        """`since_s`: what happened in a second before it does not belong."""
        self._by_length = {length: Window(length, since_s) for length in HOP_MS}
        self._laid_by: list[Change] = []
        self._added = dict.fromkeys(HOP_MS, 0)
        """how many of those each window has"""

    def update(self, change: Change, now_s: int) -> None:
        """Takes a change of some pane."""
        self._laid_by.append(change)
        if len(self._laid_by) >= _MANY:
            self._add_all(now_s)

    def at(self, length_ms: int, now_s: int) -> ArmWindow:
        """Gives what the variant did in the last `length_ms`; `now_s` never falls."""
        window, added = self._by_length[length_ms], self._added[length_ms]
        if added < len(self._laid_by):
            window.update(self._laid_by[added:], now_s)
            self._added[length_ms] = len(self._laid_by)
        window.advance(now_s)
        return window.total

    def _add_all(self, now_s: int) -> None:
        for length in self._by_length:
            self.at(length, now_s)
        self._laid_by.clear()
        self._added = dict.fromkeys(HOP_MS, 0)

    def leaving(self, length_ms: int) -> Iterator[ArmWindow]:
        """Gives what of that leaves with each of the hops to come, as of the last call of `at`."""
        return self._by_length[length_ms].leaving

    def snapshot(self, now_s: int) -> dict[int, WindowSnapshot]:
        """Gives the windows as plain data, by length."""
        self._add_all(now_s)
        return {length: window.snapshot() for length, window in self._by_length.items()}

    @classmethod
    def restore(cls, snapshot: dict[int, WindowSnapshot]) -> "Windows":
        """Gives the windows of which `snapshot` was taken."""
        windows = cls()
        windows._by_length = {length: Window.restore(length, kept) for length, kept in snapshot.items()}
        return windows


def _by_tile(changes: list[Change], hop_s: int) -> list[tuple[int, ArmWindow]]:
    """Adds changes up by the tile of `hop_s` seconds that they lie in."""
    if not changes:
        return []
    changes.sort(key=itemgetter(0))
    tiles, start, position = np.unique(
        [change[0] // hop_s for change in changes], return_index=True, return_inverse=True
    )
    sign = np.array([change[1] for change in changes], dtype=np.int64)
    counts = np.frombuffer(b"".join([change[2] for change in changes]), dtype="<i8").reshape(-1, len(COUNTS))
    of_tiles = np.add.reduceat(counts * sign[:, np.newaxis], start)
    latencies = _latency_by_tile(changes, sign, position, len(tiles))
    return [(tile, ArmWindow(*both)) for tile, *both in zip(tiles.tolist(), of_tiles, latencies, strict=True)]


def _latency_by_tile(changes: list[Change], sign: Ints, position: Ints, tiles: int) -> list[Sketch]:
    """Gives a sketch for each of `tiles`; `position` says in which of them a change lies."""
    buckets = np.frombuffer(b"".join([change[3] for change in changes]), dtype="<u2").astype(np.int64)
    if len(buckets) == 0:
        return [Sketch() for _ in range(tiles)]
    sizes = np.array([len(change[3]) // _BUCKET_BYTES for change in changes], dtype=np.int64)
    amounts = np.frombuffer(b"".join([change[4] for change in changes]), dtype="<u4") * np.repeat(sign, sizes)
    first = int(buckets.min())
    span = int(buckets.max()) - first + 1
    # Counts of one tile are far below 2^53: their sums are exact in a float.
    dense = np.bincount(np.repeat(position * span, sizes) + buckets - first, weights=amounts, minlength=tiles * span)
    return [Sketch.of_dense(first, row) for row in dense.astype(np.int64).reshape(tiles, span)]
