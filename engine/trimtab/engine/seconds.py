"""Single seconds: each of them is given once, when it is over, for tests that look at every second of a release.

What a second is given with does not depend on how contributions were grouped, nor on their order, as long as they came
before it was closed. What comes later for it is in totals and windows all the same; here it is only counted.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from trimtab.engine.contribution import events_of
from trimtab.engine.tile import Change, summed
from trimtab.engine.tiles import Tiles, TilesSnapshot
from trimtab.engine.window import ArmWindow, changes_by_second


@dataclass(frozen=True, slots=True)
class ClosedSecond:
    """What happened in one second of event time."""

    second: int
    arms: dict[str, ArmWindow]
    """by variant; of those that did nothing in it, too"""


class SecondsSnapshot(msgspec.Struct, frozen=True, array_like=True):
    """`Seconds` as plain data."""

    closed_s: int
    missed: int
    tiles: dict[str, TilesSnapshot]
    """by variant and second"""


class Seconds:
    """The seconds of one release that are not closed yet.

    >>> seconds = Seconds(metrics=())
    >>> seconds.admit(["stable"])
    >>> from trimtab.engine.contribution import PaneContent
    >>> once = PaneContent((1).to_bytes(8, "little") * 8, b"", b"", {})
    >>> seconds.update("stable", [(100, +1, once), (102, +1, once)])
    >>> [(closed.second, closed.arms["stable"].responses) for closed in seconds.close(102)]
    [(100, 1)]
    """

    __slots__ = ("_by_variant", "_closed_s", "_metrics", "missed")

    def __init__(self, metrics: Sequence[str]) -> None:
        """`metrics`: whose outcomes seconds hold."""
        self._metrics = metrics
        self._closed_s = 0
        self._by_variant: dict[str, Tiles] = {}
        self.missed = 0
        """events that came after their second was closed"""

    def admit(self, variants: Iterable[str]) -> None:
        """Makes room for variants that take part from now on."""
        for variant in variants:
            self._by_variant.setdefault(variant, Tiles())

    def restarted(self, since_s: int, metrics: Sequence[str]) -> "Seconds":
        """Gives seconds from `since_s` on, but for those that this has given, and with nothing in them yet."""
        anew = Seconds(metrics)
        anew._closed_s, anew.missed = max(self._closed_s, since_s), self.missed
        anew.admit(self._by_variant)
        return anew

    def begin(self, variant: str, changes: Sequence[Change]) -> None:
        """Adds what was known of a variant before, but for what is closed."""
        self.update(variant, [change for change in changes if change[0] >= self._closed_s])

    def update(self, variant: str, changes: Sequence[Change]) -> None:
        """Adds changes of panes of a variant."""
        for second, of_second in changes_by_second(changes).items():
            if second >= self._closed_s:
                self._by_variant[variant].add(second, of_second, self._metrics)
            else:
                self.missed += sum(sign * events_of(content) for _, sign, content in of_second)

    def close(self, up_to_s: int) -> list[ClosedSecond]:
        """Gives the seconds below `up_to_s` that were not given before, in order, but for those without anything."""
        self._closed_s = max(self._closed_s, up_to_s)
        numbers = sorted({number for tiles in self._by_variant.values() for number in tiles.before(self._closed_s)})
        closed = [
            ClosedSecond(number, {variant: _window(tiles, number) for variant, tiles in self._by_variant.items()})
            for number in numbers
        ]
        for tiles in self._by_variant.values():
            tiles.drop(numbers)
        return closed

    @property
    def is_empty(self) -> bool:
        """Whether no second waits to be closed."""
        return not any(tiles.all() or tiles.values for tiles in self._by_variant.values())

    def snapshot(self) -> SecondsSnapshot:
        """Gives the seconds as plain data."""
        tiles = {variant: tiles.snapshot() for variant, tiles in self._by_variant.items()}
        return SecondsSnapshot(self._closed_s, self.missed, tiles)

    @classmethod
    def restore(cls, metrics: Sequence[str], snapshot: SecondsSnapshot) -> "Seconds":
        """Gives the seconds of which `snapshot` was taken."""
        seconds = cls(metrics)
        seconds._closed_s, seconds.missed = snapshot.closed_s, snapshot.missed
        seconds._by_variant = {variant: Tiles.restore(tiles) for variant, tiles in snapshot.tiles.items()}
        return seconds


def _window(tiles: Tiles, second: int) -> ArmWindow:
    packed = tiles.get(second)
    values = dict(tiles.values.get(second, {}))
    if not packed:
        return ArmWindow(values=values)
    counts, latency = summed([packed])
    return ArmWindow(counts.tolist(), values, latency)
