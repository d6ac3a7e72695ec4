"""Contributions: panes packed into an evidence record, and read back row by row."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from trimtab.engine.block import Block
from trimtab.engine.compiled import compiled
from trimtab.engine.late_columns import CohortCell, LateCells, RepeatCell, RoutedCell, cells_of, late_columns
from trimtab.engine.sketch import BUCKETS
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import ALWAYS, FAILURES, PaneKey, Panes

Ints = npt.NDArray[np.int64]

_LARGEST: Final = 2**63 - 1
_COUNT_BYTES, BUCKET_BYTES, _BUCKET_COUNT_BYTES = 8, 2, 4
_ROW_BYTES: Final = _COUNT_BYTES * len(ALWAYS)
NO_FAILURES: Final = bytes(_COUNT_BYTES * len(FAILURES))
_FAILURE_BYTES: Final = len(NO_FAILURES)
_REQUESTS_AT: Final = _COUNT_BYTES * ALWAYS.index("requests")
_RESPONSES_AT: Final = _COUNT_BYTES * ALWAYS.index("responses")
_ERRORS_AT: Final = _COUNT_BYTES * ALWAYS.index("errors")
MAX_BYTES: Final = 600_000
"""Size of a record, about: below the megabyte that brokers take, and below what 16-bit indexes can tell apart."""


class PaneContent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The whole content of one pane, as its source knew it at `offset`: packed as in the record that brought it."""

    packed_counts: bytes
    packed_buckets: bytes
    packed_bucket_counts: bytes
    values: dict[str, tuple[int, int, int]]
    """metric -> count, sum, sum of squares; the sums in units of 1/VALUE_SCALE"""
    packed_failures: bytes = b""
    """empty where all of them are zero"""
    cohorts: tuple[CohortCell, ...] = ()
    """of `values`, what came in a later second than its request"""
    repeats: tuple[RepeatCell, ...] = ()
    """what outcomes that came again change"""
    routed: tuple[RoutedCell, ...] = ()
    """requests by the revision that routed them, where that is known"""
    shares: tuple[CohortCell, ...] = ()
    """of metrics with values that are no shares, what the others come to: at age 0 the whole, and cohorts"""
    share_repeats: tuple[RepeatCell, ...] = ()
    """what those of the others change that came again"""

    @property
    def counts(self) -> Ints:
        """One per name in `COUNTS`."""
        packed = self.packed_counts + (self.packed_failures or NO_FAILURES)
        return np.frombuffer(packed, dtype="<i8").astype(np.int64)

    @property
    def buckets(self) -> Ints:
        """Latency buckets that occurred, rising."""
        return np.frombuffer(self.packed_buckets, dtype="<u2").astype(np.int64)

    @property
    def bucket_counts(self) -> Ints:
        """How many durations are in each of `buckets`."""
        return np.frombuffer(self.packed_bucket_counts, dtype="<u4").astype(np.int64)

    @property
    def requests(self) -> int:
        """Requests that were routed."""
        return int.from_bytes(self.packed_counts[_REQUESTS_AT : _REQUESTS_AT + _COUNT_BYTES], "little")

    @property
    def responses(self) -> int:
        """Requests that ended."""
        return int.from_bytes(self.packed_counts[_RESPONSES_AT : _RESPONSES_AT + _COUNT_BYTES], "little")

    @property
    def errors(self) -> int:
        """Responses that were errors."""
        return int.from_bytes(self.packed_counts[_ERRORS_AT : _ERRORS_AT + _COUNT_BYTES], "little")

    def slower_than(self, bucket: int) -> int:
        """Gives how many durations lie in higher buckets than `bucket`."""
        if self.slowest <= bucket:
            return 0
        buckets = np.frombuffer(self.packed_buckets, dtype="<u2")
        counts = np.frombuffer(self.packed_bucket_counts, dtype="<u4")
        return int(counts[np.searchsorted(buckets, bucket, side="right") :].sum())

    @property
    def slowest(self) -> int:
        """The highest latency bucket that occurred; -1 without any."""
        return int.from_bytes(self.packed_buckets[-BUCKET_BYTES:], "little") if self.packed_buckets else -1


NOTHING: Final = PaneContent(bytes(_ROW_BYTES), b"", b"", {})
"""The content of a pane of which nothing has come."""


class PaneRow(msgspec.Struct, frozen=True, gc=False):
    """One pane of a contribution."""

    key: PaneKey
    second: int
    first_offset: int
    content: PaneContent


_NO_CELLS: Final = LateCells()
_EVENTS: Final = [ALWAYS.index(name) for name in ("requests", "responses", "late")]


def events_of(content: PaneContent) -> int:
    """Gives how many events a pane was made of, late ones included."""
    outcomes = sum(count for count, _, _ in content.values.values())
    return int(content.counts[_EVENTS].sum()) + outcomes


def panes_of(source: int, offset: int, final_s: int, blocks: Sequence[tuple[Block, Ints]]) -> list[Panes]:
    """Packs rows of blocks into records of about `MAX_BYTES` at most, all but the last marked as having `more`.

    Without any rows it is one record, which tells no more than what is final. Panes of a release stay together unless
    they are more than that by themselves. Sums of squares are cut at 2^63 - 1.
    """
    if not blocks:
        return [_no_panes(source, offset, final_s)]
    parts = [blocks] if sum(block.size for block, _ in blocks) <= MAX_BYTES else _parted(blocks)
    last = len(parts) - 1
    return [_packed_panes(source, offset, final_s, part, more=at < last) for at, part in enumerate(parts)]


def _no_panes(source: int, offset: int, final_s: int) -> Panes:
    return Panes(
        source=source, offset=offset, final_s=final_s, keys=[], metrics=[], rows=0, key=b"", second=b"", counts=b"",
        first_offset=b"", sketch_row=b"", sketch_bucket=b"", sketch_count=b"", value_row=b"", value_metric=b"",
        value_sums=b"",
    )  # fmt: skip


class _Row(NamedTuple):
    release: str
    block: int
    row: int
    size: int


def _parted(blocks: Sequence[tuple[Block, Ints]]) -> list[Sequence[tuple[Block, Ints]]]:
    """Gives rows in parts of `MAX_BYTES`, sorted by release, so that a release is in as few as can be."""
    rows = sorted(
        _Row(block.keys[row].release, at, row, size)
        for at, (block, here) in enumerate(blocks)
        for row, size in zip(here.tolist(), block.sizes(here).tolist(), strict=True)
    )
    parts: list[list[_Row]] = [[]]
    room = MAX_BYTES
    for _, of_release in groupby(rows, key=attrgetter("release")):
        together = list(of_release)
        if parts[-1] and sum(row.size for row in together) > room:
            parts.append([])
            room = MAX_BYTES
        for row in together:
            if parts[-1] and row.size > room:
                parts.append([])
                room = MAX_BYTES
            parts[-1].append(row)
            room -= row.size
    return [_blocks_of(blocks, part) for part in parts]


def _blocks_of(blocks: Sequence[tuple[Block, Ints]], part: Sequence[_Row]) -> list[tuple[Block, Ints]]:
    rows: dict[int, list[int]] = {}
    for row in part:
        rows.setdefault(row.block, []).append(row.row)
    return [(blocks[at][0], np.array(sorted(here), dtype=np.int64)) for at, here in sorted(rows.items())]


def _packed_panes(source: int, offset: int, final_s: int, blocks: Sequence[tuple[Block, Ints]], *, more: bool) -> Panes:
    keys: dict[PaneKey, int] = {}
    metrics: dict[str, int] = {}
    key: list[int] = []
    second: list[Ints] = []
    value_rows: list[tuple[int, int, int, int, int]] = []
    sketches: list[tuple[Ints, Ints, Ints]] = []
    for block, rows in blocks:
        start = len(key)
        here = rows.tolist()
        key += [keys.setdefault(block.keys[row], len(keys)) for row in here]
        second.append(np.full(len(here), block.second, dtype=np.int64))
        position, bucket, count = block.sketch(rows)
        sketches.append((position + start, bucket, count))
        if block.values:
            value_rows += _values_in(block, {row: start + place for place, row in enumerate(here)}, metrics)
    values = np.array(value_rows, dtype=np.int64).reshape(-1, 5)
    sketch_row, sketch_bucket, sketch_count = (np.concatenate(parts) for parts in zip(*sketches, strict=True))
    counts = np.concatenate([block.counts[rows] for block, rows in blocks])
    failures = counts[:, len(ALWAYS) :]
    first = np.concatenate([block.first_offsets(rows) for block, rows in blocks])
    late = late_columns(blocks, metrics)
    return Panes(
        source=source, offset=offset, final_s=final_s, keys=list(keys), metrics=list(metrics), rows=len(key),
        key=_packed(key, "<u2"), second=_packed(np.concatenate(second), "<i8"),
        counts=_packed(counts[:, : len(ALWAYS)], "<i8"), first_offset=_packed(first, "<i8"),
        sketch_row=_packed(sketch_row, "<u2"), sketch_bucket=_packed(sketch_bucket, "<u2"),
        sketch_count=_packed(sketch_count, "<u4"), value_row=_packed(values[:, 0], "<u2"),
        value_metric=_packed(values[:, 1], "<u2"),
        value_sums=_packed(values[:, 2:], "<i8"), more=more,
        failures=_packed(failures, "<i8") if failures.any() else b"", **late._asdict(),
    )  # fmt: skip


def _values_in(block: Block, at: dict[int, int], metrics: dict[str, int]) -> list[tuple[int, int, int, int, int]]:
    """Gives the metrics of the rows in `at` (row -> position in the record), numbering those that are new."""
    return [
        (at[row], metrics.setdefault(metric, len(metrics)), n, total, min(squares, _LARGEST))
        for (row, metric), (n, total, squares) in block.values.items()
        if row in at
    ]


def rows_of(panes: Panes) -> Iterator[PaneRow]:
    """Gives the panes of a contribution, in its order. Raises `InvalidRecord` where its columns do not fit together."""
    _check(panes)
    key = np.frombuffer(panes.key, dtype="<u2").tolist()
    second = np.frombuffer(panes.second, dtype="<i8").tolist()
    first_offset = np.frombuffer(panes.first_offset, dtype="<i8").tolist()
    # Rows of a sketch lie together, in the order of the panes (`Block.sketch` gives sorted codes of sorted rows).
    bounds = _bounds(np.frombuffer(panes.sketch_row, dtype="<u2"), panes.rows).tolist()
    values = _values_of(panes)
    counts, buckets, bucket_counts, keys = panes.counts, panes.sketch_bucket, panes.sketch_count, panes.keys
    failures = _failures_of(panes)
    late = cells_of(panes)
    for row in range(panes.rows):
        start, stop = bounds[row], bounds[row + 1]
        content = PaneContent(
            counts[_ROW_BYTES * row : _ROW_BYTES * (row + 1)],
            buckets[BUCKET_BYTES * start : BUCKET_BYTES * stop],
            bucket_counts[_BUCKET_COUNT_BYTES * start : _BUCKET_COUNT_BYTES * stop],
            values.get(row, {}),
            failures.get(row, b""),
            *late.get(row, _NO_CELLS),
        )
        yield PaneRow(keys[key[row]], second[row], first_offset[row], content)


@compiled
def _bounds(rows: npt.NDArray[np.uint16], count: int) -> Ints:
    """Gives where each of the rows from 0 to `count` begins among sorted ones."""
    bounds = np.empty(count + 1, dtype=np.int64)
    at = 0
    for row in range(count + 1):
        while at < len(rows) and rows[at] < row:
            at += 1
        bounds[row] = at
    return bounds


def _check(panes: Panes) -> None:
    """Checks the lengths of all columns, and that every index points to something."""
    sketches, values = len(panes.sketch_row) // 2, len(panes.value_row) // 2
    lengths = (
        ("key", panes.key, 2 * panes.rows),
        ("second", panes.second, 8 * panes.rows),
        ("counts", panes.counts, _ROW_BYTES * panes.rows),
        ("failures", panes.failures, _FAILURE_BYTES * panes.rows if panes.failures else 0),
        ("first_offset", panes.first_offset, 8 * panes.rows),
        ("sketch_row", panes.sketch_row, 2 * sketches),
        ("sketch_bucket", panes.sketch_bucket, 2 * sketches),
        ("sketch_count", panes.sketch_count, 4 * sketches),
        ("value_row", panes.value_row, 2 * values),
        ("value_metric", panes.value_metric, 2 * values),
        ("value_sums", panes.value_sums, 24 * values),
    )
    for name, cells, expected in lengths:
        if len(cells) != expected:
            raise InvalidRecord(f"panes: column {name}: {len(cells)} bytes, expected {expected}")
    indexes = (
        ("key", panes.key, len(panes.keys)),
        ("sketch_row", panes.sketch_row, panes.rows),
        ("sketch_bucket", panes.sketch_bucket, BUCKETS),
        ("value_row", panes.value_row, panes.rows),
        ("value_metric", panes.value_metric, len(panes.metrics)),
    )
    for name, cells, below in indexes:
        if cells and np.frombuffer(cells, dtype="<u2").max() >= below:
            raise InvalidRecord(f"panes: column {name}: expected indexes below {below}")


def _values_of(panes: Panes) -> dict[int, dict[str, tuple[int, int, int]]]:
    rows = np.frombuffer(panes.value_row, dtype="<u2").tolist()
    metrics = np.frombuffer(panes.value_metric, dtype="<u2").tolist()
    sums = np.frombuffer(panes.value_sums, dtype="<i8").reshape(-1, 3).tolist()
    values: dict[int, dict[str, tuple[int, int, int]]] = {}
    for row, metric, (count, total, squares) in zip(rows, metrics, sums, strict=True):
        values.setdefault(row, {})[panes.metrics[metric]] = (count, total, squares)
    return values


def _failures_of(panes: Panes) -> dict[int, bytes]:
    """Gives the packed failures of the rows that have any: a content is the same bytes whatever it came with."""
    if not panes.failures:
        return {}
    starts = range(0, len(panes.failures), _FAILURE_BYTES)
    of_rows = [panes.failures[start : start + _FAILURE_BYTES] for start in starts]
    return {row: packed for row, packed in enumerate(of_rows) if packed != NO_FAILURES}


def _packed(cells: "Ints | list[int]", dtype: str) -> bytes:
    return np.asarray(cells).astype(dtype).tobytes()
