"""The columns of a contribution that tell what belongs to which request: cohorts, repetitions, revisions.

They are left out where a record has none of it, and cells of a pane come in one order, whatever they were read from.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from trimtab.engine.block import Block
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import REPEATED, CohortColumns, Panes, RepeatColumns, RoutedColumns

Ints = npt.NDArray[np.int64]

CohortCell = tuple[str, int, int, int, int]
"""metric, age in seconds, count, sum, sum of squares"""
RepeatCell = tuple[str, int, tuple[int, ...]]
"""metric, age in seconds, and one number per name in `REPEATED`"""
RoutedCell = tuple[int, int, int]
"""era, revision, requests"""

_LARGEST: Final = 2**63 - 1
_SUMS: Final = 3

C = TypeVar("C", CohortColumns, RepeatColumns)


class LateCells(NamedTuple):
    """What belongs to which request, of one pane."""

    cohorts: tuple[CohortCell, ...] = ()
    repeats: tuple[RepeatCell, ...] = ()
    routed: tuple[RoutedCell, ...] = ()
    shares: tuple[CohortCell, ...] = ()
    share_repeats: tuple[RepeatCell, ...] = ()


class LateColumns(NamedTuple):
    """The same of all panes of a record."""

    cohorts: CohortColumns | None
    repeats: RepeatColumns | None
    routed: RoutedColumns | None
    shares: CohortColumns | None
    share_repeats: RepeatColumns | None


def late_columns(blocks: Sequence[tuple[Block, Ints]], metrics: dict[str, int]) -> LateColumns:
    """Packs what rows of blocks have of it; `metrics` numbers the metrics of the record, new ones are added."""
    cohorts: list[tuple[int, ...]] = []
    repeats: list[tuple[int, ...]] = []
    shares: list[tuple[int, ...]] = []
    share_repeats: list[tuple[int, ...]] = []
    routed: list[tuple[int, int, int]] = []
    revisions: dict[tuple[int, int], int] = {}
    start = 0
    for block, rows in blocks:
        apart = block.no_shares
        if block.cohorts or block.repeats or block.routed or apart.metrics:
            at = {row: start + place for place, row in enumerate(rows.tolist())}
            cohorts += _lines(block.cohorts.items(), at, metrics)
            repeats += _lines(block.repeats.items(), at, metrics)
            if apart.metrics:
                shares += _lines(apart.others(block.values, block.cohorts), at, metrics)
                share_repeats += _lines(apart.other_repeats(block.repeats), at, metrics)
            routed += [
                (at[row], revisions.setdefault((era, revision), len(revisions)), requests)
                for (row, era, revision), requests in sorted(block.routed.items())
                if row in at
            ]
        start += len(rows)
    return LateColumns(
        _packed(CohortColumns, cohorts), _packed(RepeatColumns, repeats), _packed_routed(list(revisions), routed),
        _packed(CohortColumns, shares), _packed(RepeatColumns, share_repeats),
    )  # fmt: skip


def _lines(
    cells: Iterable[tuple[tuple[int, str, int], Sequence[int]]], at: Mapping[int, int], metrics: dict[str, int]
) -> list[tuple[int, ...]]:
    return [
        (at[row], metrics.setdefault(metric, len(metrics)), age, *(max(-_LARGEST, min(n, _LARGEST)) for n in sums))
        for (row, metric, age), sums in sorted(cells)
        if row in at
    ]


def _packed(which: type[C], lines: Sequence[tuple[int, ...]]) -> C | None:
    if not lines:
        return None
    cells = np.array(lines, dtype=np.int64)
    row, metric, age = (cells[:, place].astype("<u2").tobytes() for place in range(3))
    return which(row, metric, age, cells[:, 3:].astype("<i8").tobytes())


def _packed_routed(revisions: list[tuple[int, int]], lines: Sequence[tuple[int, int, int]]) -> RoutedColumns | None:
    if not lines:
        return None
    row, revision, count = zip(*lines, strict=True)
    return RoutedColumns(
        revisions, np.array(row, dtype="<u2").tobytes(), np.array(revision, dtype="<u2").tobytes(),
        np.array(count, dtype="<u4").tobytes(),
    )  # fmt: skip


def cells_of(panes: Panes) -> dict[int, LateCells]:
    """Gives what a contribution has of it, by row. Raises `InvalidRecord` where its columns do not fit together."""
    columns = (panes.cohorts, panes.repeats, panes.routed, panes.shares, panes.share_repeats)
    if not any(columns):
        return {}
    cohorts, shares = (_cohorts_by_row(panes, one) for one in (panes.cohorts, panes.shares))
    repeats, share_repeats = (_repeats_by_row(panes, one) for one in (panes.repeats, panes.share_repeats))
    routed = _routed_by_row(panes)
    rows = cohorts.keys() | repeats.keys() | routed.keys() | shares.keys() | share_repeats.keys()
    return {
        row: LateCells(
            cohorts.get(row, ()), repeats.get(row, ()), tuple(routed.get(row, ())), shares.get(row, ()),
            share_repeats.get(row, ()),
        )
        for row in rows
    }  # fmt: skip


def _cohorts_by_row(panes: Panes, columns: CohortColumns | None) -> dict[int, tuple[CohortCell, ...]]:
    return {row: tuple(cells) for row, cells in _by_row(panes, columns, _SUMS).items()}


def _repeats_by_row(panes: Panes, columns: RepeatColumns | None) -> dict[int, tuple[RepeatCell, ...]]:
    return {
        row: tuple((metric, age, tuple(sums)) for metric, age, *sums in cells)
        for row, cells in _by_row(panes, columns, len(REPEATED)).items()
    }


def _by_row(panes: Panes, columns: CohortColumns | RepeatColumns | None, width: int) -> dict[int, list[Any]]:
    if columns is None:
        return {}
    row, metric, age = (_indexes(columns, name) for name in ("row", "metric", "age"))
    if not len(row) == len(metric) == len(age) or len(columns.sums) != 8 * width * len(row):
        raise InvalidRecord(f"panes: {type(columns).__name__}: columns of different lengths")
    _check(columns, "row", row, panes.rows)
    _check(columns, "metric", metric, len(panes.metrics))
    sums = np.frombuffer(columns.sums, dtype="<i8").reshape(-1, width).tolist()
    by_row: dict[int, list[Any]] = {}
    for place, name, seconds, line in zip(row, metric, age, sums, strict=True):
        by_row.setdefault(place, []).append((panes.metrics[name], seconds, *line))
    return {place: sorted(cells) for place, cells in by_row.items()}


def _routed_by_row(panes: Panes) -> dict[int, list[RoutedCell]]:
    columns = panes.routed
    if columns is None:
        return {}
    row, revision = _indexes(columns, "row"), _indexes(columns, "revision")
    if not len(row) == len(revision) == len(columns.count) / 4:
        raise InvalidRecord("panes: RoutedColumns: columns of different lengths")
    _check(columns, "row", row, panes.rows)
    _check(columns, "revision", revision, len(columns.revisions))
    by_row: dict[int, list[RoutedCell]] = {}
    for place, number, requests in zip(row, revision, np.frombuffer(columns.count, dtype="<u4").tolist(), strict=True):
        by_row.setdefault(place, []).append((*columns.revisions[number], requests))
    return {place: sorted(cells) for place, cells in by_row.items()}


def _indexes(columns: CohortColumns | RepeatColumns | RoutedColumns, name: str) -> list[int]:
    cells = getattr(columns, name)
    if len(cells) % 2:
        raise InvalidRecord(f"panes: {type(columns).__name__}: column {name}: {len(cells)} bytes, expected pairs")
    indexes: list[int] = np.frombuffer(cells, dtype="<u2").tolist()
    return indexes


def _check(columns: object, name: str, indexes: Sequence[int], below: int) -> None:
    if indexes and max(indexes) >= below:
        raise InvalidRecord(f"panes: {type(columns).__name__}: column {name}: expected indexes below {below}")
