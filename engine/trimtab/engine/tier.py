"""The tiles of one segment of an arm, tier by tier: what leaves a shorter window goes over into the next longer one.

Every hop is a multiple of the one before, so a tile is never split. A tumbling window is a tier by itself.
"""

from collections.abc import Sequence

import msgspec

from trimtab.engine.tile import Change
from trimtab.engine.tiles import Addition, Tiles, TilesSnapshot, Values


class TierSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """The tiles of one window as plain data."""

    length_ms: int
    oldest: int
    tiles: TilesSnapshot


class Tier:
    """Tiles of one hop, as many as make up a length; of a sliding window without what is in a shorter one."""

    __slots__ = ("hop_s", "length_ms", "oldest", "span", "start_s", "tiles")

    def __init__(self, length_ms: int, hop_ms: int) -> None:
        self.length_ms = length_ms
        self.hop_s = hop_ms // 1000
        self.span = length_ms // hop_ms
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

    def snapshot(self) -> TierSnapshot:
        """Gives the tiles as plain data."""
        return TierSnapshot(self.length_ms, self.oldest, self.tiles.snapshot())

    def take(self, snapshot: TierSnapshot) -> None:
        """Takes over what `snapshot` holds."""
        self.oldest, self.start_s = snapshot.oldest, snapshot.oldest * self.hop_s
        self.tiles = Tiles.restore(snapshot.tiles)


Leaving = tuple[int, bytes, Values]
"""length of a sliding window, and what leaves it: a tile, and its outcomes"""

TiersSnapshot = tuple[list[TierSnapshot], list[TierSnapshot]]
"""of sliding windows, and of tumbling ones"""


class Tiers:
    """All tiles of one segment."""

    __slots__ = ("sliding", "tumbling")

    def __init__(self, sliding: Sequence[Tier], tumbling: Sequence[Tier]) -> None:
        """`sliding`: from the shortest window to the longest."""
        self.sliding = sliding
        self.tumbling = tumbling

    def additions(self, changes: Sequence[Change], since_s: int) -> list[Addition]:
        """Gives which tiles changes of panes are to be added to: of none that are older than a window or `since_s`."""
        kept = [change for change in changes if change[0] >= since_s]
        by_tile: dict[tuple[int, int], list[Change]] = {}
        for change in kept:
            for place, tier in enumerate(self.sliding):
                if change[0] >= tier.start_s:
                    by_tile.setdefault((place, change[0] // tier.hop_s), []).append(change)
                    break
        sliding = [(self.sliding[place].tiles, number, together) for (place, number), together in by_tile.items()]
        return sliding + [one for tier in self.tumbling for one in _tumbling(tier, kept)]

    def advance(self, now_s: int) -> list[Leaving]:
        """Lets go of what is older than the windows at `now_s`, and gives what has left which sliding window."""
        left: list[Leaving] = []
        for place, tier in enumerate(self.sliding):
            leaving = tier.advance(now_s)
            if leaving:
                left += [(tier.length_ms, tier.tiles.get(one), tier.tiles.values.get(one, {})) for one in leaving]
                for longer in self.sliding[place + 1 : place + 2]:
                    _hand_over(tier, leaving, longer)
                tier.tiles.drop(leaving)
        for tier in self.tumbling:
            tier.tiles.drop(tier.advance(now_s))
        return left

    def snapshot(self) -> TiersSnapshot:
        """Gives the tiles as plain data."""
        return [tier.snapshot() for tier in self.sliding], [tier.snapshot() for tier in self.tumbling]

    def take(self, snapshot: TiersSnapshot) -> None:
        """Takes over what `snapshot` holds."""
        for tiers, kept in zip((self.sliding, self.tumbling), snapshot, strict=True):
            for tier, of_tier in zip(tiers, kept, strict=True):
                tier.take(of_tier)


def _tumbling(tier: Tier, changes: Sequence[Change]) -> list[Addition]:
    by_tile: dict[int, list[Change]] = {}
    for change in changes:
        if change[0] >= tier.start_s:
            by_tile.setdefault(change[0] // tier.hop_s, []).append(change)
    return [(tier.tiles, number, together) for number, together in by_tile.items()]


def _hand_over(tier: Tier, leaving: Sequence[int], longer: Tier) -> None:
    by_tile: dict[int, list[int]] = {}
    for number in leaving:
        by_tile.setdefault(number * tier.hop_s // longer.hop_s, []).append(number)
    for number, together in by_tile.items():
        tier.tiles.hand_over(together, longer.tiles, number)
