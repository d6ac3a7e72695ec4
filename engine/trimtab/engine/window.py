"""Windows over one arm, sliding and tumbling, rolled up from seconds.

A sliding window of length L moves by hops of about a tenth of it (`HOP_MS`). It holds the hop of now and as many before
it as make up L: never more than L, never less than L minus a hop. What lies ahead of now (some broker's or publisher's
clock is fast) counts at once and leaves in its own time. A tumbling window of length L is the last L that is over, from
one multiple of L to the next. All of it is integers, so a window equals the sum of its seconds to the last bit,
whatever came in which order.

Sliding windows share their tiles: those of the shortest hold what is within it, those of the next what is older than
that, and so on: what leaves one goes over into the next. Every hop is a multiple of the one before, so a tile is never
split. A window is the sum of its own tiles and of those of all shorter ones, added up when somebody looks.
"""

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from trimtab.engine.errors import EngineError
from trimtab.engine.sketch import Sketch
from trimtab.engine.tile import Change, Tiles, TilesSnapshot, Values, add_values, counts_by_row, summed
from trimtab.schemas.evidence import COUNTS

Ints = npt.NDArray[np.int64]

HOP_MS: Final = {
    10_000: 1_000, 30_000: 5_000, 60_000: 10_000, 300_000: 30_000, 900_000: 60_000, 3_600_000: 300_000,
}  # fmt: skip
"""length -> hop of the sliding windows that can be kept, milliseconds"""

USUAL_MS: Final = (10_000, 60_000, 300_000)
"""The sliding windows that are kept where nobody asks for others."""

MAX_METRICS: Final = 32
MAX_SEGMENTS: Final = 16

_REQUESTS, _RESPONSES, _ERRORS, _CLIENT_ERRORS = (
    COUNTS.index(name) for name in ("requests", "responses", "errors", "client_errors")
)


class Keep(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a release besides its totals: memory and time grow with what is asked for, and with nothing else.

    >>> Keep(lengths_ms=(3_600_000, 10_000)).lengths_ms
    (10000, 3600000)
    """

    lengths_ms: tuple[int, ...] = USUAL_MS
    """of sliding windows; any of `HOP_MS`"""
    tumbling_ms: tuple[int, ...] = ()
    """of tumbling windows; whole seconds"""
    metrics: tuple[str, ...] = ()
    """whose outcomes windows hold"""
    segments: tuple[str, ...] = ()
    """that have totals and windows of their own"""
    keeps_seconds: bool = False
    """whether `Evidence.closed` gives single seconds"""
    slower_than: tuple[int, ...] = ()
    """latency buckets above which durations are counted in the totals"""

    def __post_init__(self) -> None:
        """Sorts lengths. Raises `ValueError` for what cannot be kept."""
        for name in ("lengths_ms", "tumbling_ms"):
            msgspec.structs.force_setattr(self, name, tuple(sorted(set(getattr(self, name)))))
        for length in self.lengths_ms:
            if length not in HOP_MS:
                raise ValueError(f"sliding window of {length} ms: expected one of {', '.join(map(str, HOP_MS))}")
        for length in self.tumbling_ms:
            if length <= 0 or length % 1000:
                raise ValueError(f"tumbling window of {length} ms: expected whole seconds above 0")
        for what, names, most in (("metrics", self.metrics, MAX_METRICS), ("segments", self.segments, MAX_SEGMENTS)):
            if len(names) > most:
                raise ValueError(f"{len(names)} {what}: expected at most {most}")


class ArmWindow:
    """What one arm did in a stretch of time."""

    __slots__ = ("_latency", "_tiles", "counts", "values")

    def __init__(
        self,
        counts: Ints | None = None,
        latency: Sketch | None = None,
        values: Values | None = None,
        tiles: Sequence[bytes] = (),
    ) -> None:
        """`tiles`: where to read latencies from once somebody asks for them."""
        self.counts: Ints = np.zeros(len(COUNTS), dtype=np.int64) if counts is None else counts
        """one per name in `COUNTS`"""
        self.values: Values = {} if values is None else values
        """sums of outcomes, of the metrics that windows hold"""
        self._latency = latency
        self._tiles = tiles

    @property
    def latency(self) -> Sketch:
        """Durations of the responses."""
        if self._latency is None:
            self._latency = summed(self._tiles)[1] if self._tiles else Sketch()
        return self._latency

    @property
    def requests(self) -> int:
        """Requests routed."""
        return int(self.counts[_REQUESTS])

    @property
    def responses(self) -> int:
        """Requests that ended."""
        return int(self.counts[_RESPONSES])

    @property
    def errors(self) -> int:
        """Responses that were errors."""
        return int(self.counts[_ERRORS])

    @property
    def client_errors(self) -> int:
        """Responses that were errors of the client."""
        return int(self.counts[_CLIENT_ERRORS])

    @property
    def error_ratio(self) -> float | None:
        """Share of responses that were errors; None without responses."""
        return self.errors / self.responses if self.responses else None

    def merge(self, other: "ArmWindow") -> None:
        """Adds all that `other` holds."""
        self.counts += other.counts
        self.latency.merge(other.latency)
        add_values(self.values, +1, other.values)

    def without(self, others: "Sequence[ArmWindow]") -> "ArmWindow":
        """Gives what is in none of `others`, which are parts of it."""
        rest = ArmWindow()
        rest.merge(self)
        for other in others:
            rest.counts -= other.counts
            rest.latency.subtract(other.latency)
            add_values(rest.values, -1, other.values)
        return rest


class TierSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """The tiles of one window as plain data."""

    length_ms: int
    oldest: int
    tiles: TilesSnapshot


class WindowsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """`Windows` as plain data."""

    since_s: int
    sliding: list[TierSnapshot]
    tumbling: list[TierSnapshot]


class _Tier:
    """Tiles of one hop, as many as make up a length; of a sliding window without what is in a shorter one."""

    __slots__ = ("hop_s", "length_ms", "oldest", "span", "start_s", "tiles")

    def __init__(self, length_ms: int, hop_ms: int, span: int) -> None:
        self.length_ms = length_ms
        self.hop_s = hop_ms // 1000
        self.span = span
        self.oldest = 0
        self.start_s = 0
        """the first second of the oldest tile that belongs"""
        self.tiles = Tiles()

    def advance(self, now_s: int) -> list[int]:
        """Gives the tiles that do not belong any more at `now_s`."""
        oldest = now_s // self.hop_s - self.span + 1
        if oldest <= self.oldest:
            return []
        self.oldest, self.start_s = oldest, oldest * self.hop_s
        return self.tiles.before(oldest)

    def row(self, tier: "_Tier", number: int) -> int:
        """Gives by how many hops a tile of `tier` is newer than the oldest of this."""
        return number * tier.hop_s // self.hop_s - self.oldest

    def snapshot(self) -> TierSnapshot:
        """Gives the tiles as plain data."""
        return TierSnapshot(self.length_ms, self.oldest, self.tiles.snapshot())

    def take(self, snapshot: TierSnapshot) -> None:
        """Takes over what `snapshot` holds."""
        self.oldest, self.start_s = snapshot.oldest, snapshot.oldest * self.hop_s
        self.tiles = Tiles.restore(snapshot.tiles)


class Windows:
    """All windows of one arm.

    >>> from trimtab.engine.contribution import PaneContent
    >>> once = PaneContent(np.ones(8, dtype="<i8").tobytes(), b"", b"", {})
    >>> windows = Windows(Keep(lengths_ms=(10_000, 60_000)))
    >>> windows.update([(100, +1, once)], now_s=100)
    >>> [windows.at(length_ms, now_s=110).responses for length_ms in (10_000, 60_000)]
    [0, 1]
    """

    __slots__ = ("_metrics", "_seen", "_since_s", "_sliding", "_tumbling")

    def __init__(self, keep: Keep, since_s: int = 0) -> None:
        """`since_s`: what happened in a second before it does not belong."""
        self._since_s = since_s
        self._metrics = keep.metrics
        self._sliding = [_Tier(length, HOP_MS[length], length // HOP_MS[length]) for length in keep.lengths_ms]
        self._tumbling = {length: _Tier(length, length, 2) for length in keep.tumbling_ms}
        self._seen: dict[int, ArmWindow] = {}
        """what somebody looked at since something last changed"""

    def update(self, changes: Sequence[Change], now_s: int) -> None:
        """Adds changes of panes, but for those that are older than a window."""
        self.advance(now_s)
        by_tile: dict[tuple[int, int], list[Change]] = {}
        for change in changes:
            second = change[0]
            if second < self._since_s:
                continue
            for place, tier in enumerate(self._sliding):
                if second >= tier.start_s:
                    by_tile.setdefault((place, second // tier.hop_s), []).append(change)
                    break
        for (place, number), together in by_tile.items():
            self._sliding[place].tiles.add(number, together, self._metrics)
        for tier in self._tumbling.values():
            self._tumble(tier, changes)
        self._seen.clear()

    def _tumble(self, tier: _Tier, changes: Sequence[Change]) -> None:
        by_tile: dict[int, list[Change]] = {}
        for change in changes:
            if change[0] >= max(self._since_s, tier.start_s):
                by_tile.setdefault(change[0] // tier.hop_s, []).append(change)
        for number, together in by_tile.items():
            tier.tiles.add(number, together, self._metrics)

    def advance(self, now_s: int) -> None:
        """Lets go of what is older than the windows at `now_s`. Time never goes back."""
        for place, tier in enumerate(self._sliding):
            leaving = tier.advance(now_s)
            if leaving:
                self._seen.clear()
                self._hand_over(tier, leaving, self._sliding[place + 1 : place + 2])
        for tier in self._tumbling.values():
            tier.tiles.drop(tier.advance(now_s))

    @staticmethod
    def _hand_over(tier: _Tier, leaving: Sequence[int], to_next: Sequence[_Tier]) -> None:
        for target in to_next:
            by_tile: dict[int, list[int]] = {}
            for number in leaving:
                by_tile.setdefault(number * tier.hop_s // target.hop_s, []).append(number)
            for number, together in by_tile.items():
                tier.tiles.hand_over(together, target.tiles, number)
        tier.tiles.drop(leaving)

    def at(self, length_ms: int, now_s: int) -> ArmWindow:
        """Gives what the arm did in the last `length_ms`; `now_s` never falls. What it gives is not to be changed."""
        self.advance(now_s)
        known = self._seen.get(length_ms)
        if known is None:
            known = self._seen[length_ms] = _window_of(self._tiers(length_ms))
        return known

    def _tiers(self, length_ms: int) -> list[_Tier]:
        """Gives the tiers that a window is made of, its own last."""
        for count, tier in enumerate(self._sliding, 1):
            if tier.length_ms == length_ms:
                return self._sliding[:count]
        kept = [tier.length_ms for tier in self._sliding]
        raise EngineError(f"sliding window of {length_ms} ms: expected one of those kept, {kept}")

    def leaving(self, length_ms: int) -> Iterator[ArmWindow]:
        """Gives what of a window leaves with each of the hops to come, as of the last call of `at`."""
        *_, own = tiers = self._tiers(length_ms)
        tiles = [(own.row(tier, number), tile) for tier in tiers for number, tile in tier.tiles.packed.items()]
        tiles = [(row, tile) for row, tile in tiles if row < own.span]  # without what lies ahead of now
        table = counts_by_row([tile for _, tile in tiles], [row for row, _ in tiles], own.span)
        values = _values_by_row(tiers) if self._metrics else {}
        for at, counts in enumerate(table):
            yield ArmWindow(counts, None, values.get(at), [tile for row, tile in tiles if row == at])

    def tumbled(self, length_ms: int, now_s: int) -> ArmWindow:
        """Gives what the arm did in the last whole `length_ms` that is over at `now_s`, which never falls."""
        self.advance(now_s)
        tier = self._tumbling.get(length_ms)
        if tier is None:
            raise EngineError(f"tumbling window of {length_ms} ms: expected one of those kept, {list(self._tumbling)}")
        tile = tier.tiles.packed.get(tier.oldest)
        counts, latency = summed([tile]) if tile else (None, None)
        return ArmWindow(counts, latency, dict(tier.tiles.values.get(tier.oldest, {})))

    def snapshot(self, now_s: int) -> WindowsSnapshot:
        """Gives the windows as plain data."""
        self.advance(now_s)
        tumbling = [tier.snapshot() for tier in self._tumbling.values()]
        return WindowsSnapshot(self._since_s, [tier.snapshot() for tier in self._sliding], tumbling)

    @classmethod
    def restore(cls, keep: Keep, snapshot: WindowsSnapshot) -> "Windows":
        """Gives the windows of which `snapshot` was taken."""
        windows = cls(keep, snapshot.since_s)
        for tier, kept in zip(windows._sliding, snapshot.sliding, strict=True):
            tier.take(kept)
        for tier, kept in zip(windows._tumbling.values(), snapshot.tumbling, strict=True):
            tier.take(kept)
        return windows


def _window_of(tiers: Sequence[_Tier]) -> ArmWindow:
    tiles = [tile for tier in tiers for tile in tier.tiles.packed.values()]
    values: Values = {}
    for tier in tiers:
        for of_tile in tier.tiles.values.values():
            add_values(values, +1, of_tile)
    return ArmWindow(*summed(tiles), values) if tiles else ArmWindow(values=values)


def _values_by_row(tiers: Sequence[_Tier]) -> dict[int, Values]:
    rows: dict[int, Values] = {}
    for tier in tiers:
        for number, values in tier.tiles.values.items():
            add_values(rows.setdefault(tiers[-1].row(tier, number), {}), +1, values)
    return rows


def changes_by_second(changes: Sequence[Change]) -> dict[int, list[Change]]:
    """Gives changes by their second, rising."""
    by_second: dict[int, list[Change]] = {}
    for change in sorted(changes, key=itemgetter(0)):
        by_second.setdefault(change[0], []).append(change)
    return by_second
