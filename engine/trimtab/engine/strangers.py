"""Panes of releases and variants that do not take part, kept until their second is final.

A release file may come after the telemetry that it is about. What came before it is not lost: it waits here, the
greatest content of each pane, and is counted when its release or variant takes part in time, refused otherwise.
Nothing of it is in a snapshot: whoever restores one reads the evidence log from the oldest record that still matters.
"""

from collections.abc import Callable
from typing import NamedTuple

from trimtab.engine.contribution import PaneRow
from trimtab.schemas.evidence import PaneKey


class Stranger(NamedTuple):
    """A pane that waits, and where it came from."""

    record: int
    """the offset of the evidence record that brought it"""
    source: int
    offset: int
    """the newest telemetry message that is in it"""
    row: PaneRow

    @property
    def rank(self) -> tuple[int, int]:
        """Of two contents of a pane from one source the one with the greater rank wins, as in evidence."""
        return -self.row.first_offset, self.offset


class Strangers:
    """The panes of one evidence partition that nobody counts yet."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[tuple[int, int], dict[PaneKey, Stranger]] = {}
        """(source, second) -> by pane"""

    def add(self, stranger: Stranger) -> None:
        """Lets a pane wait, unless a greater content of it does."""
        of_second = self._waiting.setdefault((stranger.source, stranger.row.second), {})
        known = of_second.get(stranger.row.key)
        if known is None or known.rank < stranger.rank:
            of_second[stranger.row.key] = stranger

    def take(self, takes_part: Callable[[PaneKey], bool]) -> list[Stranger]:
        """Gives the panes that wait no longer, because `takes_part` says so."""
        found = []
        for place, of_second in list(self._waiting.items()):
            found += [stranger for key, stranger in of_second.items() if takes_part(key)]
            self._waiting[place] = {key: stranger for key, stranger in of_second.items() if not takes_part(key)}
            if not self._waiting[place]:
                del self._waiting[place]
        return sorted(found, key=_place)

    def finish(self, source: int, final_s: int) -> list[Stranger]:
        """Gives the panes of a source that are final with `final_s`; they wait no longer."""
        over = [place for place in self._waiting if place[0] == source and place[1] < final_s]
        return sorted((stranger for place in over for stranger in self._waiting.pop(place).values()), key=_place)

    @property
    def since(self) -> int | None:
        """The oldest evidence record that brought one of them; None where nobody waits."""
        records = [stranger.record for of_second in self._waiting.values() for stranger in of_second.values()]
        return min(records, default=None)


def _place(stranger: Stranger) -> tuple[int, int, PaneKey]:
    """Gives an order in which it does not matter when panes came."""
    return stranger.source, stranger.row.second, stranger.row.key
