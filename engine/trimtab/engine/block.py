"""All panes of one source in one second: counters, latencies and outcome values, row by row."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.batch import Class, Columns
from trimtab.engine.sketch import BUCKETS, buckets_of
from trimtab.schemas.evidence import COUNTS, VALUE_SCALE, PaneKey
from trimtab.schemas.telemetry import RoutingKey

Ints = npt.NDArray[np.int64]

_CLASSES: Final = len(Class)
_REQUEST, _SUCCESS, _ERROR, _CLIENT_ERROR, _OUTCOME = map(int, Class)
_REQUESTS, _RESPONSES, _ERRORS, _CLIENT_ERRORS, _DURATION_US, _BYTES, _LATE, _SKEWED = range(len(COUNTS))
_MANY_CODES: Final = 1 << 16
_DENSE_CELLS: Final = 1 << 18
_NO_CODES: Final = np.zeros(0, dtype=np.int64)

MAX_METRICS: Final = 32
"""How many metrics a pane keeps apart; outcomes of further ones are counted together, as metric "". Whoever puts a
user's name into a metric's name would otherwise fill every record."""


class Block:
    """The panes of one second. Rows are added as (release, variant, segment) occur, and never go away."""

    __slots__ = ("_changed", "_codes", "_codes_count", "_first_offset", "_is_closed", "_metric_counts", "_pending",
                 "_pending_count", "counts", "keys", "rows", "second", "values")  # fmt: skip

    def __init__(self, second: int) -> None:
        self.second = second
        self.keys: list[PaneKey] = []
        self.rows: dict[PaneKey, int] = {}
        self.counts: Ints = np.zeros((4, len(COUNTS)), dtype=np.int64)
        self.values: dict[tuple[int, str], list[int]] = {}
        """(row, metric) -> count, sum and sum of squares, the sums in units of 1/VALUE_SCALE"""
        self._first_offset: list[int] = []
        self._metric_counts: list[int] = []
        self._changed: set[int] = set()
        self._codes: Ints = _NO_CODES
        self._codes_count: Ints = _NO_CODES
        self._pending: list[Ints] = []
        self._pending_count = 0
        self._is_closed = False

    def add(self, offset: int, keys: Sequence[RoutingKey], metrics: Sequence[str], events: Columns) -> None:
        """Adds events of this second, from the message at `offset`."""
        row = self._rows_of(offset, keys, events.key)
        n = len(self.keys)
        table = np.bincount(row * _CLASSES + events.kind, minlength=n * _CLASSES).reshape(n, _CLASSES)
        counts = self.counts[:n]
        counts[:, _REQUESTS] += table[:, _REQUEST]
        counts[:, _RESPONSES] += table[:, _SUCCESS:_OUTCOME].sum(axis=1)
        counts[:, _ERRORS] += table[:, _ERROR]
        counts[:, _CLIENT_ERRORS] += table[:, _CLIENT_ERROR]
        if events.is_skewed:
            counts[:, _SKEWED] += table.sum(axis=1)
        self._add_responses(row, events)
        if table[:, _OUTCOME].any():
            self._add_outcomes(row, metrics, events)

    def add_late(self, offset: int, keys: Sequence[RoutingKey], key: Ints) -> None:
        """Books events that came too late for their own second."""
        row = self._rows_of(offset, keys, key)
        n = len(self.keys)
        self.counts[:n, _LATE] += np.bincount(row, minlength=n)

    def _rows_of(self, offset: int, keys: Sequence[RoutingKey], key: Ints) -> Ints:
        present = np.nonzero(np.bincount(key, minlength=len(keys)))[0]
        row_of = np.zeros(len(keys), dtype=np.int64)
        for index in present.tolist():
            routing = keys[index]
            row_of[index] = self._row(offset, PaneKey(routing.release, routing.variant, routing.segment))
        self._changed.update(row_of[present].tolist())
        return row_of[key]

    def _row(self, offset: int, key: PaneKey) -> int:
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = len(self.keys)
            self.keys.append(key)
            self._first_offset.append(offset)
            self._metric_counts.append(0)
            if row == len(self.counts):
                self.counts = np.concatenate([self.counts, np.zeros_like(self.counts)])
        return row

    def _add_responses(self, row: Ints, events: Columns) -> None:
        is_response = (events.kind != _REQUEST) & (events.kind != _OUTCOME)
        if not is_response.all():
            row, duration_us, size = row[is_response], events.duration_us[is_response], events.size[is_response]
        else:
            duration_us, size = events.duration_us, events.size
        if len(row) == 0:
            return
        n = len(self.keys)
        # Sums of 32-bit integers stay exact in a 64-bit float up to two million of the largest.
        self.counts[:n, _DURATION_US] += np.bincount(row, weights=duration_us, minlength=n).astype(np.int64)
        self.counts[:n, _BYTES] += np.bincount(row, weights=size, minlength=n).astype(np.int64)
        self._pending.append(row * BUCKETS + buckets_of(duration_us))
        self._pending_count += len(row)
        if self._pending_count > _MANY_CODES:
            self._compact()

    def _add_outcomes(self, row: Ints, metrics: Sequence[str], events: Columns) -> None:
        is_outcome = events.kind == _OUTCOME
        cell = row[is_outcome] * len(metrics) + events.metric[is_outcome]
        value = events.value[is_outcome]
        cells, inverse = np.unique(cell, return_inverse=True)
        sums = np.bincount(inverse, weights=value * VALUE_SCALE)
        squares = np.bincount(inverse, weights=value * value * VALUE_SCALE)
        for position, (at, count) in enumerate(zip(cells.tolist(), np.bincount(inverse).tolist(), strict=True)):
            total = self._sums(at // len(metrics), metrics[at % len(metrics)])
            total[0] += count
            total[1] += round(float(sums[position]))
            total[2] += round(float(squares[position]))

    def _sums(self, row: int, metric: str) -> list[int]:
        """Gives where to add up a metric of a row."""
        if (row, metric) not in self.values:
            if self._metric_counts[row] < MAX_METRICS:
                self._metric_counts[row] += 1
            else:
                metric = ""
        return self.values.setdefault((row, metric), [0, 0, 0])

    def _compact(self) -> None:
        if not self._pending:
            return
        codes = np.concatenate([self._codes, *self._pending])
        weights = np.ones(len(codes), dtype=np.int64)
        weights[: len(self._codes)] = self._codes_count
        self._pending, self._pending_count = [], 0
        if len(self.keys) * BUCKETS <= _DENSE_CELLS:
            dense = np.bincount(codes, weights=weights)
            self._codes = np.nonzero(dense)[0]
            self._codes_count = dense[self._codes].astype(np.int64)
        else:
            self._codes, inverse = np.unique(codes, return_inverse=True)
            self._codes_count = np.bincount(inverse, weights=weights).astype(np.int64)

    @property
    def is_closed(self) -> bool:
        """Whether its final content was taken."""
        return self._is_closed

    def take_changed(self, *, is_final: bool) -> list[int]:
        """Gives the rows that changed since the last call; all of them, once, when the second has become final."""
        if is_final:
            rows = [] if self._is_closed else list(range(len(self.keys)))
            self._is_closed = True
        else:
            rows = sorted(self._changed)
        self._changed.clear()
        return rows

    def placed(self, rows: Sequence[int], place: Callable[[str], int]) -> dict[int, list[int]]:
        """Gives `rows` by the place of their release."""
        by_place: dict[int, list[int]] = {}
        for row in rows:
            by_place.setdefault(place(self.keys[row].release), []).append(row)
        return by_place

    def first_offsets(self, rows: Sequence[int]) -> list[int]:
        """Gives the oldest message that fed each row."""
        return [self._first_offset[row] for row in rows]

    def sketch(self, rows: Sequence[int]) -> tuple[Ints, Ints, Ints]:
        """Gives the latencies of `rows` as (position in `rows`, bucket, count)."""
        self._compact()
        row, bucket = self._codes // BUCKETS, self._codes % BUCKETS
        position = np.full(len(self.keys), -1, dtype=np.int64)
        position[list(rows)] = np.arange(len(rows))
        wanted = position[row] >= 0
        return position[row[wanted]], bucket[wanted], self._codes_count[wanted]
