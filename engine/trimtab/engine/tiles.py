"""Tiles by their number, with the sums of outcomes that belong to them.

Sums of outcome values may be longer than any machine integer: they lie beside the packed bytes, as Python's integers.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

from trimtab.engine.tile import Change, merged, merged_each

Sums = tuple[int, int, int]
"""count, sum and sum of squares of outcomes, the sums in units of 1/VALUE_SCALE"""
Values = dict[str, Sums]
"""metric -> its sums"""

_NO_SUMS: Final = (0, 0, 0)


def add_values(total: Values, sign: int, values: Values) -> None:
    """Adds sums of outcomes, or takes them out with a `sign` of -1. What comes to nothing is let go of."""
    for metric, (count, amount, squares) in values.items():
        known = total.get(metric, _NO_SUMS)
        sums = (known[0] + sign * count, known[1] + sign * amount, known[2] + sign * squares)
        if any(sums):
            total[metric] = sums
        else:
            total.pop(metric, None)


TilesSnapshot = tuple[list[tuple[int, bytes]], list[tuple[int, dict[str, list[str]]]]]
"""Tiles and their values, by rising number; sums as decimal texts: they may be longer than MessagePack's integers."""


class Tiles:
    """Tiles by their number: of a window, or second by second.

    Two arrays take half the memory of a dictionary, and a window has hardly more than a dozen tiles. A tile that grows
    by others, second after second, lies here in pieces, which are merged once: when a later one begins, or when
    somebody asks for it.
    """

    __slots__ = ("_numbers", "_packed", "values")

    def __init__(self) -> None:
        self._numbers = array("q")
        self._packed: list[bytes] = []
        self.values: dict[int, Values] = {}

    def get(self, number: int) -> bytes:
        """Gives a tile; the empty one where there is none."""
        place = self._place(number)
        if not self._has(place, number):
            return b""
        return self._merged(number) if self._has(place + 1, number) else self._packed[place]

    def _merged(self, number: int) -> bytes:
        """Merges the pieces of a tile, and gives it."""
        tile = merged(self._packed[self._place(number) : bisect_right(self._numbers, number)], ())
        self._put(number, tile)
        return tile

    def _place(self, number: int) -> int:
        return bisect_left(self._numbers, number)

    def _has(self, place: int, number: int) -> bool:
        return place < len(self._numbers) and self._numbers[place] == number

    def _put(self, number: int, tile: bytes) -> None:
        place = self._place(number)
        if self._has(place, number):
            stop = bisect_right(self._numbers, number)
            del self._numbers[place:stop], self._packed[place:stop]
        if tile:
            self._numbers.insert(place, number)
            self._packed.insert(place, tile)

    def _lay_beside(self, number: int, tile: bytes) -> None:
        """Adds a piece to a tile; with its first one the tile before it is taken to be whole."""
        if not self._has(self._place(number), number) and (place := self._place(number)):
            self.get(self._numbers[place - 1])
        place = bisect_right(self._numbers, number)
        self._numbers.insert(place, number)
        self._packed.insert(place, tile)

    def all(self) -> Sequence[bytes]:
        """Gives the tiles that are not empty, or the pieces of them."""
        return self._packed

    def add(self, number: int, changes: Sequence[Change], metrics: Sequence[str]) -> None:
        """Adds changes to a tile, and of their outcomes those of `metrics`."""
        add_all([(self, number, changes)], metrics)

    def _add_changed_values(self, number: int, changes: Sequence[Change], metrics: Sequence[str]) -> None:
        for _, sign, content in changes:
            if content.values:
                kept = {metric: content.values[metric] for metric in metrics if metric in content.values}
                self._add_values(number, sign, kept)

    def _add_values(self, number: int, sign: int, values: Values) -> None:
        total = self.values.setdefault(number, {})
        add_values(total, sign, values)
        if not total:
            del self.values[number]

    def before(self, number: int) -> list[int]:
        """Gives the numbers below `number`, rising."""
        below = dict.fromkeys(self._numbers[: self._place(number)])
        return sorted({*below, *(tile for tile in self.values if tile < number)}) if self.values else list(below)

    def drop(self, numbers: Iterable[int]) -> None:
        """Lets tiles go."""
        for number in numbers:
            self._put(number, b"")
            self.values.pop(number, None)

    def hand_over(self, numbers: Sequence[int], target: "Tiles", number: int) -> None:
        """Lets tiles go that become part of tile `number` of `target`."""
        for one in numbers:
            if tile := self.get(one):
                target._lay_beside(number, tile)
            if one in self.values:
                target._add_values(number, +1, self.values[one])
        self.drop(numbers)

    def snapshot(self) -> TilesSnapshot:
        """Gives the tiles as plain data."""
        values = [
            (number, {metric: list(map(str, sums)) for metric, sums in sorted(of_tile.items())})
            for number, of_tile in sorted(self.values.items())
        ]
        return [(number, self.get(number)) for number in dict.fromkeys(self._numbers)], values

    @classmethod
    def restore(cls, snapshot: TilesSnapshot) -> "Tiles":
        """Gives the tiles of which `snapshot` was taken."""
        packed, values = snapshot
        tiles = cls()
        tiles._numbers.extend(number for number, _ in packed)
        tiles._packed.extend(tile for _, tile in packed)
        for number, of_tile in values:
            tiles.values[number] = {metric: (int(n), int(total), int(squares))
                                    for metric, (n, total, squares) in of_tile.items()}  # fmt: skip
        return tiles


Addition = tuple[Tiles, int, Sequence[Change]]
"""changes that belong to a tile, whose number comes before them"""


def add_all(additions: Sequence[Addition], metrics: Sequence[str]) -> None:
    """Adds changes to tiles, no tile twice, and of their outcomes those of `metrics`."""
    known = [(tile,) if (tile := tiles.get(number)) else () for tiles, number, _ in additions]
    sums = merged_each([(of_tile, changes) for of_tile, (_, _, changes) in zip(known, additions, strict=True)])
    for (tiles, number, changes), tile in zip(additions, sums, strict=True):
        tiles._put(number, tile)
        if metrics:
            tiles._add_changed_values(number, changes, metrics)
