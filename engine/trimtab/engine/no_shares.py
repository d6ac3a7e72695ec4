"""The outcomes of one second that are no shares, kept apart so that whoever asks for shares can do without them.

A fold does not know which metrics have to be shares: that is for release files to say. So a pane tells its outcomes as
they came, and, where some of a metric are no shares, also what the others come to. Of a request that had both, its
repetitions are told as if those that are no shares had never come.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from trimtab.engine.repeat import Corrections
from trimtab.schemas.evidence import REPEATED

Cell = tuple[int, str, int]
"""(row, metric, age in seconds); age 0 has what came at any age"""
Cells = Mapping[Cell, Sequence[int]]

_SUMS: Final = 3


class NoShares:
    """Sums of the outcomes that are no shares.

    >>> apart = NoShares()
    >>> apart.add((0, "rating", 0), (1, 5, 25))
    >>> list(apart.others({(0, "rating"): [3, 6, 26], (0, "paid"): [1, 1, 1]}, {}))
    [((0, 'rating', 0), [2, 1, 1])]
    """

    __slots__ = ("_repeats", "_sums", "metrics")

    def __init__(self) -> None:
        self._sums: dict[Cell, list[int]] = {}
        """count, sum, sum of squares; of every metric that is told apart there is one of age 0"""
        self._repeats: dict[Cell, list[int]] = {}
        """what of the corrections is due to them, one per name in `REPEATED`"""
        self.metrics: dict[int, int] = {}
        """row -> how many of its metrics are told apart"""

    def add(self, cell: Cell, sums: Sequence[int]) -> None:
        """Adds outcomes of a cell; those of a greater age are to be in the cell of age 0 too."""
        self._tell_apart(cell)
        _add(self._sums.setdefault(cell, [0] * _SUMS), sums)

    def correct(self, cell: Cell, corrections: Corrections) -> None:
        """Adds what they change of the corrections of repetitions."""
        self._tell_apart(cell)
        due = _without(corrections.of_all, corrections.of_shares)
        _add(self._repeats.setdefault(cell, [0] * len(REPEATED)), due)

    def _tell_apart(self, cell: Cell) -> None:
        row, metric, _ = cell
        if (row, metric, 0) not in self._sums:
            self._sums[row, metric, 0] = [0] * _SUMS
            self.metrics[row] = self.metrics.get(row, 0) + 1

    def others(
        self, values: Mapping[tuple[int, str], Sequence[int]], cohorts: Cells
    ) -> Iterator[tuple[Cell, Sequence[int]]]:
        """Gives what the others come to, of metrics that are told apart: at age 0 the whole, and cohorts."""
        for (row, metric), sums in values.items():
            if (row, metric, 0) in self._sums:
                yield (row, metric, 0), _without(sums, self._sums[row, metric, 0])
        yield from self._rest(cohorts, self._sums)

    def other_repeats(self, repeats: Cells) -> Iterator[tuple[Cell, Sequence[int]]]:
        """Gives the corrections of the others' repetitions, of metrics that are told apart."""
        yield from self._rest(repeats, self._repeats)

    def _rest(self, cells: Cells, less: Cells) -> Iterator[tuple[Cell, Sequence[int]]]:
        for cell, sums in cells.items():
            if (*cell[:2], 0) in self._sums:
                rest = _without(sums, less.get(cell, (0,) * len(sums)))
                if any(rest):
                    yield cell, rest


def _add(total: list[int], more: Sequence[int]) -> None:
    total[:] = [before + amount for before, amount in zip(total, more, strict=True)]


def _without(total: Sequence[int], less: Sequence[int]) -> list[int]:
    return [whole - part for whole, part in zip(total, less, strict=True)]
