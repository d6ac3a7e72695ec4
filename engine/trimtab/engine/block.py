"""All panes of one source in one second: counters, latencies and outcome values, row by row."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.batch import Bools, Class, Columns, PaneKeys
from trimtab.engine.cohort import OLDEST_S, coarse
from trimtab.engine.no_shares import NoShares
from trimtab.engine.repeat import NONE, Corrections
from trimtab.engine.share import are_shares
from trimtab.engine.sketch import BUCKETS, buckets_of
from trimtab.schemas.evidence import COUNTS, FAILURES, VALUE_SCALE, PaneKey

Ints = npt.NDArray[np.int64]

_CLASSES: Final = len(Class)
_REQUEST, _SUCCESS, _ERROR, _CLIENT_ERROR, _OUTCOME, _FAILED, *_ = map(int, Class)
_REQUESTS, _RESPONSES, _ERRORS, _CLIENT_ERRORS, _DURATION_US, _BYTES, _LATE, _SKEWED, *_ = range(len(COUNTS))
_FAILURES: Final = len(COUNTS) - len(FAILURES)
"""The counter of the first kind of failure; further ones follow as their classes follow `_FAILED`."""
_MANY_CODES: Final = 1 << 16
_DENSE_CELLS: Final = 1 << 18
_NO_CODES: Final = np.zeros(0, dtype=np.int64)
_NEVER: Final = (1 << 63) - 1
"""An offset that no message has."""
_ROW_BYTES, _BUCKET_BYTES, _METRIC_BYTES, _ROUTE_BYTES, _COHORT_BYTES, _REPEAT_BYTES = 192, 8, 60, 24, 30, 78
"""In a record, names included where they are of usual length."""
_ANSWERED: Final = (_RESPONSES, _ERRORS)
_FEWEST_ERRORS: Final = 3
_DEVIATIONS: Final = 4.0
_LOW_BITS: Final = 30
_LOW: Final = (1 << _LOW_BITS) - 1

MAX_METRICS: Final = 32
"""How many metrics a pane keeps apart; outcomes of further ones are counted together, as metric "". Whoever puts a
user's name into a metric's name would otherwise fill every record."""

MAX_ROUTES: Final = 16
"""How many revisions a pane tells apart; requests of further ones are counted as of an unknown one."""


class Block:
    """The panes of one second. Rows are added as (release, variant, segment) occur, and never go away."""

    __slots__ = ("_changed", "_codes", "_codes_count", "_first_offset", "_is_closed", "_metric_counts", "_more_bytes",
                 "_pending", "_pending_count", "_route_counts", "_row_of", "_told", "cohorts", "counts", "keys",
                 "no_shares", "places", "repeats", "routed", "rows", "second", "values")  # fmt: skip

    def __init__(self, second: int) -> None:
        self.second = second
        self.keys: list[PaneKey] = []
        self.places: list[int] = []
        """the evidence partition of each row"""
        self.rows: dict[PaneKey, int] = {}
        self.counts: Ints = np.zeros((4, len(COUNTS)), dtype=np.int64)
        self.values: dict[tuple[int, str], list[int]] = {}
        """(row, metric) -> count, sum and sum of squares, the sums in units of 1/VALUE_SCALE"""
        self.cohorts: dict[tuple[int, str, int], list[int]] = {}
        """(row, metric, age) -> the same, of outcomes that came in a later second than their request"""
        self.repeats: dict[tuple[int, str, int], list[int]] = {}
        """(row, metric, age) -> what outcomes that came again change, one per name in `REPEATED`"""
        self.no_shares = NoShares()
        self.routed: dict[tuple[int, int, int], int] = {}
        """(row, era, revision) -> requests"""
        self._row_of: Ints = _NO_CODES
        """number of a pane key -> row, -1 where it has none"""
        self._first_offset: Ints = np.full(4, _NEVER, dtype=np.int64)
        self._changed: Bools = np.zeros(4, dtype=bool)
        self._told: Ints = np.zeros((4, 2), dtype=np.int64)
        """responses and errors of each row when it was last taken"""
        self._metric_counts: list[int] = []
        self._route_counts: list[int] = []
        self._more_bytes: list[int] = []
        """what revisions, cohorts and repetitions of each row take in a record, about"""
        self._codes: Ints = _NO_CODES
        self._codes_count: Ints = _NO_CODES
        self._pending: list[Ints] = []
        self._pending_count = 0
        self._is_closed = False

    def add(self, offsets: Ints, keys: PaneKeys, events: Columns) -> None:
        """Adds events of this second, from the messages at `offsets`."""
        row = self._rows_of(offsets, keys, events)
        n = len(self.keys)
        table = np.bincount(row * _CLASSES + events.kind, minlength=n * _CLASSES).reshape(n, _CLASSES)
        counts = self.counts[:n]
        counts[:, _REQUESTS] += table[:, _REQUEST]
        counts[:, _RESPONSES] += table[:, _SUCCESS:_OUTCOME].sum(axis=1)
        counts[:, _ERRORS] += table[:, _ERROR]
        counts[:, _CLIENT_ERRORS] += table[:, _CLIENT_ERROR]
        failed = table[:, _FAILED:]
        if failed.any():
            counts[:, _FAILURES:] += failed
            counts[:, _RESPONSES] += failed.sum(axis=1)
            counts[:, _ERRORS] += failed.sum(axis=1)
        if events.is_skewed.any():
            counts[:, _SKEWED] += np.bincount(row[events.is_skewed], minlength=n)
        self._add_responses(row, events)
        self._add_routed(events)
        if table[:, _OUTCOME].any():
            self._add_outcomes(row, events)

    def add_late(self, offsets: Ints, keys: PaneKeys, events: Columns) -> None:
        """Books events that came too late for their own second."""
        row = self._rows_of(offsets, keys, events)
        n = len(self.keys)
        self.counts[:n, _LATE] += np.bincount(row, minlength=n)

    def _rows_of(self, offsets: Ints, keys: PaneKeys, events: Columns) -> Ints:
        """Gives the row of each event, and takes note that it changed and which message fed it first."""
        if len(self._row_of) < len(keys):
            grown = np.full(max(16, 2 * len(keys)), -1, dtype=np.int64)
            grown[: len(self._row_of)] = self._row_of
            self._row_of = grown
        row = self._row_of[events.key]
        if row.min() < 0:
            for number in np.unique(events.key[row < 0]).tolist():
                self._row_of[number] = self._row(keys.names[number], keys.places[number])
            row = self._row_of[events.key]
        present = np.bincount(row, minlength=len(self.keys)) > 0
        self._changed[: len(self.keys)] |= present
        # Rows that are new in the messages at hand: an earlier one of them may have fed the row.
        if (self._first_offset[: len(self.keys)][present] > offsets[0]).any():
            rows, first = np.unique(row, return_index=True)
            self._first_offset[rows] = np.minimum(self._first_offset[rows], offsets[events.message[first]])
        return row

    def _row(self, key: PaneKey, place: int) -> int:
        row = self.rows.get(key)
        if row is None:
            row = self.rows[key] = len(self.keys)
            self.keys.append(key)
            self.places.append(place)
            self._metric_counts.append(0)
            self._route_counts.append(0)
            self._more_bytes.append(0)
            if row == len(self.counts):
                self.counts = np.concatenate([self.counts, np.zeros_like(self.counts)])
                self._first_offset = np.concatenate([self._first_offset, np.full(row, _NEVER, dtype=np.int64)])
                self._changed = np.concatenate([self._changed, np.zeros(row, dtype=bool)])
                self._told = np.concatenate([self._told, np.zeros_like(self._told)])
        return row

    def forget_numbers(self) -> None:
        """Takes note that pane keys are numbered anew."""
        self._row_of = _NO_CODES

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

    def _add_routed(self, events: Columns) -> None:
        """Counts requests by revision, in order of messages: how they are read together is not to matter."""
        if events.slot is None or events.slots is None:
            return
        keys, routes = events.slots
        requests = np.bincount(events.slot[events.kind == _REQUEST])
        for slot in np.flatnonzero(requests).tolist():
            era, revision = routes[slot]
            if revision:
                self._add_route((int(self._row_of[keys[slot]]), era, revision), int(requests[slot]))

    def _add_route(self, route: tuple[int, int, int], requests: int) -> None:
        known = self.routed.get(route)
        if known is not None:
            self.routed[route] = known + requests
        elif self._route_counts[route[0]] < MAX_ROUTES:
            self._route_counts[route[0]] += 1
            self._more_bytes[route[0]] += _ROUTE_BYTES
            self.routed[route] = requests

    def _add_outcomes(self, row: Ints, events: Columns) -> None:
        is_outcome = events.kind == _OUTCOME
        metrics = events.metrics
        cell = row[is_outcome] * len(metrics) + events.metric[is_outcome]
        value = events.value[is_outcome]
        for at, sums in _grouped(cell, value):
            total = self._sums(at // len(metrics), metrics[at % len(metrics)])
            for place, amount in enumerate(sums):
                total[place] += amount
        age = None if events.age_s is None else coarse(events.age_s[is_outcome])
        if age is not None and age.any():
            late = age > 0
            self._add_cohorts(cell[late], age[late], value[late], metrics)
        shares = are_shares(value)
        if not shares.all():
            apart = ~shares
            self._add_no_shares(cell[apart], None if age is None else age[apart], value[apart], metrics)

    def _add_cohorts(self, cell: Ints, age: Ints, value: npt.NDArray[np.float64], metrics: list[str]) -> None:
        for place, sums in self._by_age(cell, age, value, metrics):
            total = self.cohorts.get(place)
            if total is None:
                total = self.cohorts[place] = [0, 0, 0]
                self._more_bytes[place[0]] += _COHORT_BYTES
            for column, amount in enumerate(sums):
                total[column] += amount

    def _add_no_shares(self, cell: Ints, age: Ints | None, value: npt.NDArray[np.float64], metrics: list[str]) -> None:
        for at, sums in _grouped(cell, value):
            self.no_shares.add(self._cell(at // len(metrics), metrics[at % len(metrics)], 0), sums)
        if age is not None and age.any():
            late = age > 0
            for place, sums in self._by_age(cell[late], age[late], value[late], metrics):
                self.no_shares.add(place, sums)

    def _by_age(
        self, cell: Ints, age: Ints, value: npt.NDArray[np.float64], metrics: list[str]
    ) -> Iterator[tuple[tuple[int, str, int], tuple[int, int, int]]]:
        for at, sums in _grouped(cell * (OLDEST_S + 1) + age, value):
            of, seconds = divmod(at, OLDEST_S + 1)
            yield self._cell(of // len(metrics), metrics[of % len(metrics)], seconds), sums

    def correct(self, key: int, metric: str, age_s: int, corrections: Corrections) -> None:
        """Takes what an outcome that was added changes, as one that came again; `key` is the number of its pane key."""
        place = self._cell(int(self._row_of[key]), metric, age_s)
        total = self.repeats.get(place)
        if total is None:
            total = self.repeats[place] = list(NONE)
            self._more_bytes[place[0]] += _REPEAT_BYTES
        for column, amount in enumerate(corrections.of_all):
            total[column] += amount
        if corrections.of_shares != corrections.of_all:
            self.no_shares.correct(place, corrections)

    def _cell(self, row: int, metric: str, age_s: int) -> tuple[int, str, int]:
        """Gives where a metric of a row is kept, once outcomes of it were added."""
        return (row, metric if (row, metric) in self.values else "", age_s)

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

    @property
    def changed(self) -> int:
        """How many rows changed since they were taken."""
        return int(self._changed.sum())

    def take_changed(self, *, is_final: bool) -> Ints:
        """Gives the rows that changed since the last call of this or of `take_urgent`."""
        self._is_closed |= is_final
        rows = np.nonzero(self._changed)[0]
        self._changed[:] = False
        self._tell(rows)
        return rows

    def take_urgent(self) -> Ints:
        """Gives the rows with more new errors than chance explains: a guardrail may wait for them.

        New is what came since the last call of this or of `take_changed`. Chance: three errors at least, and four
        standard deviations above the share of errors that the whole second has.
        """
        n = len(self.keys)
        answered = self.counts[:n, _ANSWERED]
        responses, errors = (answered - self._told[:n]).T
        if not errors.any():
            return _NO_CODES
        total, failed = answered.sum(axis=0)
        expected = responses * (failed / total)
        rows = np.nonzero((errors >= _FEWEST_ERRORS) & (errors > expected + _DEVIATIONS * np.sqrt(expected)))[0]
        self._changed[rows] = False
        self._tell(rows)
        return rows

    def _tell(self, rows: Ints) -> None:
        self._told[rows] = self.counts[rows][:, _ANSWERED]

    @property
    def size(self) -> int:
        """About how many bytes all of it takes in a record."""
        self._compact()
        fixed = _ROW_BYTES * len(self.keys) + _BUCKET_BYTES * len(self._codes) + _METRIC_BYTES * len(self.values)
        return fixed + sum(self._more())

    def sizes(self, rows: Ints) -> Ints:
        """Gives about how many bytes each of `rows` takes in a record."""
        self._compact()
        buckets = np.bincount(self._codes // BUCKETS, minlength=len(self.keys))
        metrics = np.array(self._metric_counts, dtype=np.int64)
        more = np.array(self._more(), dtype=np.int64)
        return (_ROW_BYTES + _BUCKET_BYTES * buckets + _METRIC_BYTES * metrics + more)[rows]

    def _more(self) -> list[int]:
        """Gives what the late columns of each row take, about: metrics that are told apart have theirs twice."""
        more = list(self._more_bytes)
        for row, metrics in self.no_shares.metrics.items():
            more[row] += more[row] + metrics * _COHORT_BYTES
        return more

    def placed(self, rows: Ints) -> dict[int, Ints]:
        """Gives `rows` by the evidence partition of their release."""
        places = np.array(self.places, dtype=np.int64)[rows]
        return {place: rows[places == place] for place in np.unique(places).tolist()}

    def first_offsets(self, rows: Ints) -> Ints:
        """Gives the oldest message that fed each row."""
        return self._first_offset[rows]

    def sketch(self, rows: Ints) -> tuple[Ints, Ints, Ints]:
        """Gives the latencies of `rows`, which rise, as (position in `rows`, bucket, count)."""
        self._compact()
        row, bucket = self._codes // BUCKETS, self._codes % BUCKETS
        position = np.full(len(self.keys), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        at = position[row]
        if len(rows) == len(self.keys):
            return at, bucket, self._codes_count
        wanted = at >= 0
        return at[wanted], bucket[wanted], self._codes_count[wanted]


def _grouped(cell: Ints, value: npt.NDArray[np.float64]) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Gives count, sum and sum of squares of the values of each cell, in order of occurrence.

    Which metrics are kept apart must not depend on how messages are read together.
    """
    cells, first, inverse, counts = np.unique(cell, return_index=True, return_inverse=True, return_counts=True)
    sums = list(zip(counts.tolist(), *_sums_of(value, inverse, counts), strict=True))
    for position in np.argsort(first).tolist():
        yield int(cells[position]), sums[position]


def _sums_of(values: npt.NDArray[np.float64], inverse: Ints, counts: Ints) -> tuple[list[int], list[int]]:
    """Gives the sums of values and of their squares by group, each rounded to 1/VALUE_SCALE before it is added.

    So they are the same however messages are read together. A square may take 60 bits: halves are summed apart.
    """
    order = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts
    value = values[order]
    sums = np.add.reduceat(np.rint(value * VALUE_SCALE).astype(np.int64), starts)
    squares = np.rint(value * value * VALUE_SCALE).astype(np.int64)
    low, high = np.add.reduceat(squares & _LOW, starts), np.add.reduceat(squares >> _LOW_BITS, starts)
    return sums.tolist(), [(top << _LOW_BITS) + rest for top, rest in zip(high.tolist(), low.tolist(), strict=True)]
