"""Windows over one arm, segment by segment and in all, sliding and tumbling, rolled up from seconds.

A sliding window of length L moves by hops of about a tenth of it (`HOP_MS`). It holds the hop of now and as many before
it as make up L: never more than L, never less than L minus a hop. What lies ahead of now (some broker's or publisher's
clock is fast) counts at once and leaves in its own time. A tumbling window of length L is the last L that is over, from
one multiple of L to the next. All of it is integers, so a window equals the sum of its seconds to the last bit,
whatever came in which order.

Sliding windows share their tiles: those of the shortest hold what is within it, those of the next what is older than
that, and so on. A window is the sum of its own tiles and of those of all shorter ones, and of all segments, added up
when somebody looks.
"""

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from trimtab.engine.errors import EngineError
from trimtab.engine.request_book import RequestKeep
from trimtab.engine.sketch import Sketch, Sketches
from trimtab.engine.tier import Leaving, Tier, Tiers, TiersSnapshot
from trimtab.engine.tile import Change, counts_by_row, summed
from trimtab.engine.tiles import Addition, Values, add_all, add_values
from trimtab.schemas.evidence import COUNTS
from trimtab.schemas.reading import MAX_OUTCOMES
from trimtab.schemas.segment import MAX_SEGMENTS

Ints = npt.NDArray[np.int64]

HOP_MS: Final = {
    10_000: 1_000, 30_000: 5_000, 60_000: 10_000, 300_000: 30_000, 600_000: 60_000, 900_000: 60_000,
    3_600_000: 300_000,
}  # fmt: skip
"""length -> hop of the sliding windows that can be kept, milliseconds"""

USUAL_MS: Final = (10_000, 60_000, 300_000)
"""The sliding windows that are kept where nobody asks for others."""

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
    requests: RequestKeep | None = None
    """what is kept of requests, where something asks for it"""

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
        for what, names, most in (("metrics", self.metrics, MAX_OUTCOMES), ("segments", self.segments, MAX_SEGMENTS)):
            if len(names) > most:
                raise ValueError(f"{len(names)} {what}: expected at most {most}")


def first_seconds(lengths_ms: Iterable[int], now_s: int) -> dict[int, int]:
    """Gives the first second that belongs to a sliding window, by the window's length."""
    hops_s = {length_ms: HOP_MS[length_ms] // 1000 for length_ms in lengths_ms}
    return {length_ms: (now_s // hop_s + 1) * hop_s - length_ms // 1000 for length_ms, hop_s in hops_s.items()}


SHOWN_QUANTILES: Final = (0.5, 0.9, 0.95, 0.99, 0.999)
"""Those that people and guardrails look at: whoever asks for one of a window will ask for another."""
_QUANTILE_PLACE: Final = {quantile: place for place, quantile in enumerate(SHOWN_QUANTILES)}
QUANTILES: Final = np.array(SHOWN_QUANTILES)


def _no_counts() -> list[int]:
    return [0] * len(COUNTS)


class ArmWindow(msgspec.Struct, eq=False, gc=False):
    """What one arm did in a stretch of time."""

    counts: list[int] = msgspec.field(default_factory=_no_counts)
    """one per name in `COUNTS`"""
    values: Values = {}
    """sums of outcomes, of the metrics that windows hold"""
    _latency: Sketch | None = None
    _tiles: Sequence[bytes] = ()
    """where latencies are read from once somebody asks for them"""
    _beside: tuple[Sketches, int] | None = None
    """the same among those of others, with the row"""
    _quantiles_ms: Sequence[float | None] = ()
    """of `SHOWN_QUANTILES`, once somebody has asked"""

    @property
    def latency(self) -> Sketch:
        """Durations of the responses."""
        if self._latency is None:
            if self._beside is not None:
                sketches, row = self._beside
                self._latency = sketches.at(row)
            else:
                self._latency = summed(self._tiles)[1] if self._tiles else Sketch()
                self._tiles = ()
        return self._latency

    @property
    def quantiles_ms(self) -> Sequence[float | None]:
        """`SHOWN_QUANTILES` of the durations, in milliseconds; None each without any."""
        if not self._quantiles_ms:
            if self._beside is not None:
                sketches, row = self._beside
                self._quantiles_ms = sketches.quantiles_ms(row)
            else:
                self._quantiles_ms = self.latency.quantiles_ms(QUANTILES)
        return self._quantiles_ms

    def quantile_ms(self, quantile: float) -> float | None:
        """Gives one of them."""
        return self.quantiles_ms[_QUANTILE_PLACE[quantile]]

    def count_above(self, limit_ms: float) -> int:
        """Gives how many responses took longer than `limit_ms`, as `Sketch.count_above`."""
        if self._beside is not None:
            sketches, row = self._beside
            return sketches.count_above(row, limit_ms)
        return self.latency.count_above(limit_ms)

    @property
    def requests(self) -> int:
        """Requests routed."""
        return self.counts[_REQUESTS]

    @property
    def responses(self) -> int:
        """Requests that ended."""
        return self.counts[_RESPONSES]

    @property
    def errors(self) -> int:
        """Responses that were errors."""
        return self.counts[_ERRORS]

    @property
    def client_errors(self) -> int:
        """Responses that were errors of the client."""
        return self.counts[_CLIENT_ERRORS]

    @property
    def error_ratio(self) -> float | None:
        """Share of responses that were errors; None without responses."""
        counts = self.counts
        return counts[_ERRORS] / counts[_RESPONSES] if counts[_RESPONSES] else None


class WindowsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """`Windows` as plain data."""

    since_s: int
    segments: dict[str, TiersSnapshot]


class Windows:
    """All windows of one arm.

    >>> from trimtab.engine.contribution import PaneContent
    >>> once = PaneContent(np.ones(8, dtype="<i8").tobytes(), b"", b"", {})
    >>> windows = Windows(Keep(lengths_ms=(10_000, 60_000)))
    >>> windows.update([(100, +1, once)], now_s=100)
    >>> [windows.at(length_ms, now_s=110).responses for length_ms in (10_000, 60_000)]
    [0, 1]
    """

    __slots__ = ("_metrics", "_now_s", "_seen", "_segments", "since_s")

    def __init__(self, keep: Keep, since_s: int = 0) -> None:
        """`since_s`: what happened in a second before it does not belong."""
        self.since_s = since_s
        self._now_s = 0
        self._metrics = keep.metrics
        self._segments = {
            segment: Tiers(
                [Tier(length_ms, HOP_MS[length_ms]) for length_ms in keep.lengths_ms],
                # The tile of now, and the last one that is over.
                [Tier(2 * length_ms, length_ms) for length_ms in keep.tumbling_ms],
            )
            for segment in ("", *keep.segments)
        }
        self._seen: dict[tuple[int, str | None], ArmWindow] = {}
        """what somebody looked at since something last changed"""

    def update(self, changes: Sequence[Change], now_s: int, segment: str = "") -> None:
        """Adds changes of panes, but for those that are older than a window; "" where a segment is not kept apart."""
        add_all(self.additions(changes, now_s, segment), self._metrics)

    def additions(self, changes: Sequence[Change], now_s: int, segment: str) -> list[Addition]:
        """Gives what `update` would add, for somebody who adds to several windows at once."""
        self.advance(now_s)
        self._seen.clear()
        return self._segments[segment].additions(changes, self.since_s)

    def advance(self, now_s: int) -> list[Leaving]:
        """Lets go of what is older than the windows at `now_s`, and gives it. Time never goes back."""
        if now_s <= self._now_s:
            return []
        self._now_s = now_s
        self._seen.clear()
        return [one for tiers in self._segments.values() for one in tiers.advance(now_s)]

    def at(self, length_ms: int, now_s: int, segment: str | None = None) -> ArmWindow:
        """Gives what the arm did in the last `length_ms`, in one segment or in all of them; `now_s` never falls.

        What it gives is not to be changed.
        """
        self.advance(now_s)
        known = self._seen.get((length_ms, segment))
        if known is None:
            known = self._seen[length_ms, segment] = _window_of(self._sliding(length_ms, segment))
        return known

    def _sliding(self, length_ms: int, segment: str | None) -> list[Tier]:
        """Gives the tiers that a window is made of, one of its own last."""
        found = []
        for tiers in self._chosen(segment):
            if length_ms not in [tier.length_ms for tier in tiers.sliding]:
                kept = [tier.length_ms for tier in tiers.sliding]
                raise EngineError(f"sliding window of {length_ms} ms: expected one of those kept, {kept}")
            found += [tier for tier in tiers.sliding if tier.length_ms <= length_ms]
        return found

    def _chosen(self, segment: str | None) -> Iterable[Tiers]:
        return self._segments.values() if segment is None else (self._segments[segment],)

    def tumbled(self, length_ms: int, now_s: int, segment: str | None = None) -> ArmWindow:
        """Gives what the arm did in the last whole `length_ms` that is over at `now_s`, which never falls."""
        self.advance(now_s)
        tiers = [tier for chosen in self._chosen(segment) for tier in chosen.tumbling if 1000 * tier.hop_s == length_ms]
        if not tiers:
            kept = [1000 * tier.hop_s for tier in self._segments[""].tumbling]
            raise EngineError(f"tumbling window of {length_ms} ms: expected one of those kept, {kept}")
        tiles = [tile for tier in tiers if (tile := tier.tiles.get(tier.oldest))]
        values: Values = {}
        for tier in tiers:
            add_values(values, +1, tier.tiles.values.get(tier.oldest, {}))
        return _lazily(tiles, values)

    def snapshot(self, now_s: int) -> WindowsSnapshot:
        """Gives the windows as plain data."""
        self.advance(now_s)
        return WindowsSnapshot(self.since_s, {name: tiers.snapshot() for name, tiers in self._segments.items()})

    @classmethod
    def restore(cls, keep: Keep, snapshot: WindowsSnapshot) -> "Windows":
        """Gives the windows of which `snapshot` was taken."""
        windows = cls(keep, snapshot.since_s)
        for name, tiers in snapshot.segments.items():
            windows._segments[name].take(tiers)
        return windows


def _window_of(tiers: Sequence[Tier]) -> ArmWindow:
    values: Values = {}
    for tier in tiers:
        for of_tile in tier.tiles.values.values():
            add_values(values, +1, of_tile)
    return _lazily([tile for tier in tiers for tile in tier.tiles.all()], values)


def _lazily(tiles: Sequence[bytes], values: Values) -> ArmWindow:
    """Gives the sum of tiles, whose latencies are read once somebody asks for them."""
    return ArmWindow(counts_by_row(tiles, [0] * len(tiles), 1)[0].tolist(), values, None, tiles)


def changes_by_second(changes: Sequence[Change]) -> dict[int, list[Change]]:
    """Gives changes by their second, rising."""
    by_second: dict[int, list[Change]] = {}
    for change in sorted(changes, key=itemgetter(0)):
        by_second.setdefault(change[0], []).append(change)
    return by_second
