"""Tiles: what an arm did in a stretch of time, packed into bytes.

A tile is the sum of contents of panes: exact, whatever came in which order, and the same bytes for the same sum. Its
form: the first latency bucket and the one after the last (unsigned 16 bit, little-endian), a byte that is 1 where some
number is negative, one number for each of `COUNTS`, one for each bucket; numbers in seven bits a byte, the lowest
first (LEB128), zigzag where some are negative, and a bucket of zero tells how many further ones follow. So most buckets
take one byte, and gaps between them none. The empty tile has no bytes.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from trimtab.engine.compiled import compiled
from trimtab.engine.contribution import BUCKET_BYTES, NO_FAILURES, PaneContent
from trimtab.engine.sketch import BUCKETS, Sketch
from trimtab.schemas.evidence import ALWAYS, COUNTS

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Cells = npt.NDArray[np.int64]
Buckets = npt.NDArray[np.uint16]
Amounts = npt.NDArray[np.uint32]

Change = tuple[int, int, PaneContent]
"""(second, +1 or -1, content of a pane in that second)"""

_COUNTS: Final = len(COUNTS)
_HEAD: Final = 5
_LONGEST: Final = 10
"""Bytes of a number at most."""
_ALL_BUT_SIGN: Final = (1 << 63) - 1
_ROOM: Final = _HEAD + _LONGEST * (_COUNTS + BUCKETS)


def joined(contents: Sequence[PaneContent]) -> tuple[Bytes, int]:
    """Gives contents end to end, and how many counters each has: those of `ALWAYS`, or all where something failed.

    The counters of all of them come first, then the amounts in their latency buckets, then the buckets (`_parts`): one
    array, for each that is made and handed over takes as long as what compiled code does with it.
    """
    counts, width = [content.packed_counts for content in contents], len(ALWAYS)
    if any([content.packed_failures for content in contents]):  # noqa: C419 - a list takes half as long
        counts = [content.packed_counts + (content.packed_failures or NO_FAILURES) for content in contents]
        width = _COUNTS
    amounts = [content.packed_bucket_counts for content in contents]
    buckets = [content.packed_buckets for content in contents]
    return np.frombuffer(b"".join([*counts, *amounts, *buckets]), dtype=np.uint8), width


def size_of(content: PaneContent) -> int:
    """Gives how many latency buckets a content has."""
    return len(content.packed_buckets) // BUCKET_BYTES


@compiled
def parts_of(contents: Bytes, count: int, width: int) -> tuple[Cells, Amounts, Buckets]:
    """Gives counters, amounts and buckets of `count` contents that are `joined`."""
    amounts_at = 8 * width * count
    buckets_at = amounts_at + 4 * ((len(contents) - amounts_at) // 6)
    return (
        contents[:amounts_at].view(np.int64),
        contents[amounts_at:buckets_at].view(np.uint32),
        contents[buckets_at:].view(np.uint16),
    )


@compiled
def _read(packed: Bytes, at: int) -> tuple[int, int]:
    number, shift = np.int64(0), 0
    while packed[at] >= 128:  # noqa: PLR2004 - the bit that says that more follow
        number |= (np.int64(packed[at]) & 127) << shift
        shift += 7
        at += 1
    return int(number | (np.int64(packed[at]) << shift)), at + 1


@compiled
def _range(packed: Bytes, start: int) -> tuple[int, int]:
    """Gives the first bucket of a tile, and the one after the last; 0 for both where it has none."""
    first = np.int64(packed[start]) | (np.int64(packed[start + 1]) << 8)
    stop = np.int64(packed[start + 2]) | (np.int64(packed[start + 3]) << 8)
    return int(first), int(stop)


@compiled
def _write(out: Bytes, at: int, number: int) -> int:
    rest = np.uint64(number)
    while rest >= np.uint64(128):
        out[at] = np.uint8((rest & np.uint64(127)) | np.uint64(128))
        rest >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(rest)
    return at + 1


@compiled
def _signed(number: int, is_signed: bool) -> int:  # noqa: FBT001 - compiled code takes arguments by place
    return ((number >> 1) & _ALL_BUT_SIGN) ^ -(number & 1) if is_signed else number


@compiled
def _zigzag(number: int) -> int:
    return (number << 1) ^ (number >> 63)


@compiled
def _add_tile(packed: Bytes, start: int, counts: Ints, buckets: Ints) -> None:
    first, stop = _range(packed, start)
    is_signed = packed[start + 4] == 1
    at = start + 5
    for name in range(len(counts)):
        number, at = _read(packed, at)
        counts[name] += _signed(number, is_signed)
    bucket = first
    while bucket < stop:
        number, at = _read(packed, at)
        if number:
            buckets[bucket] += _signed(number, is_signed)
        else:
            number, at = _read(packed, at)
            bucket += number
        bucket += 1


@compiled
def take_tile(packed: Bytes, start: int, counts: Ints, buckets: Ints, first: int) -> None:
    """Takes the tile at `start` out of sums that hold it; `first`: the bucket that their first cell stands for."""
    bucket, stop = _range(packed, start)
    is_signed = packed[start + 4] == 1
    at = start + _HEAD
    for name in range(len(counts)):
        number, at = _read(packed, at)
        counts[name] -= _signed(number, is_signed)
    while bucket < stop:
        number, at = _read(packed, at)
        if number:
            buckets[bucket - first] -= _signed(number, is_signed)
        else:
            number, at = _read(packed, at)
            bucket += number
        bucket += 1


@compiled
def _add_tiles(packed: Bytes, starts: Ints, counts: Ints, buckets: Ints) -> tuple[int, int]:
    """Gives the buckets that tiles were added to: the first of them, and the one after the last."""
    first, stop = len(buckets), 0
    for start in starts:
        _add_tile(packed, start, counts, buckets)
        begin, end = _range(packed, start)
        if end:
            first, stop = min(first, begin), max(stop, end)
    return first, stop


@compiled
def _add_counts(packed: Bytes, starts: Ints, rows: Ints, table: Cells) -> None:
    for position in range(len(starts)):
        at = starts[position] + 5
        is_signed = packed[at - 1] == 1
        for name in range(table.shape[1]):
            number, at = _read(packed, at)
            table[rows[position], name] += _signed(number, is_signed)


@compiled
def _pack(counts: Ints, buckets: Ints, out: Bytes) -> int:
    """Writes a tile into `out`, and gives its length; 0 where there is nothing in it."""
    first, stop, least, is_empty = len(buckets), 0, 0, True
    for number in counts:
        is_empty &= number == 0
        least = min(least, number)
    for bucket in range(len(buckets)):
        if buckets[bucket] != 0:
            first, stop = min(first, bucket), bucket + 1
            least = min(least, buckets[bucket])
    if stop == 0:
        if is_empty:
            return 0
        first = 0
    out[0], out[1], out[2], out[3] = first & 255, first >> 8, stop & 255, stop >> 8
    out[4] = least < 0
    at = 5
    for number in counts:
        at = _write(out, at, _zigzag(number) if least < 0 else number)
    bucket = first
    while bucket < stop:
        number = buckets[bucket]
        at = _write(out, at, _zigzag(number) if least < 0 else number)
        bucket += 1
        if number == 0:
            gap = bucket
            while buckets[bucket] == 0:
                bucket += 1
            at = _write(out, at, bucket - gap)
    return at


@compiled
def _merge(  # noqa: PLR0913, PLR0917 - compiled code takes arguments by place
    packed: Bytes, starts: Ints, contents: Bytes, width: int, heads: Ints, spans: Ints, out: Bytes
) -> None:
    """Writes sums of tiles and changes into `out`, end to end, and over `spans` the length of each.

    `contents`: those of changes, `joined`; `heads`: the sign of each, and how many latency buckets it has. `spans`: how
    many tiles are in each sum, and how many changes.
    """
    counts = np.zeros(_COUNTS, dtype=np.int64)
    dense = np.zeros(BUCKETS, dtype=np.int64)
    table, amounts, cells = parts_of(contents, len(heads) // 2, width)
    tile = change = cell = end = 0
    for place in range(len(spans) // 2):
        counts[:], dense[:] = 0, 0
        for _ in range(spans[2 * place]):
            _add_tile(packed, starts[tile], counts, dense)
            tile += 1
        for _ in range(spans[2 * place + 1]):
            sign = heads[2 * change]
            for name in range(width):
                counts[name] += sign * table[change * width + name]
            for _ in range(heads[2 * change + 1]):
                dense[cells[cell]] += sign * np.int64(amounts[cell])
                cell += 1
            change += 1
        spans[place] = _pack(counts, dense, out[end:])  # of those before it nothing is needed any more
        end += spans[place]


def laid_out(tiles: Sequence[bytes]) -> tuple[Bytes, Ints]:
    """Gives tiles end to end, and where each of them starts."""
    if len(tiles) == 1:
        return np.frombuffer(tiles[0], dtype=np.uint8), np.zeros(1, dtype=np.int64)
    starts, end = [], 0
    for tile in tiles:
        starts.append(end)
        end += len(tile)
    return np.frombuffer(b"".join(tiles), dtype=np.uint8), np.array(starts, dtype=np.int64)


def merged(tiles: Sequence[bytes], changes: Sequence[Change]) -> bytes:
    r"""Gives the tile that holds what `tiles` and `changes` do. None of `tiles` is empty.

    >>> once = PaneContent(np.arange(8, dtype="<i8").tobytes(), b"\5\0", b"\7\0\0\0", {})
    >>> twice = merged([merged([], [(100, +1, once)])], [(100, +1, once)])
    >>> counts, latency = summed([twice])
    >>> counts.tolist()[:4], latency.count, merged([twice], [(100, -1, once), (100, -1, once)])
    ([0, 2, 4, 6], 14, b'')
    """
    return merged_each([(tiles, changes)])[0]


def merged_each(sums: Sequence[tuple[Sequence[bytes], Sequence[Change]]]) -> list[bytes]:
    """Gives the same for each of several sums, in one call into compiled code."""
    changes = [change for _, of_sum in sums for change in of_sum]
    contents, width = joined([change[2] for change in changes]) if changes else _NOTHING
    heads = np.array([head for _, sign, content in changes for head in (sign, size_of(content))], dtype=np.int64)
    spans = np.array([size for tiles, of_sum in sums for size in (len(tiles), len(of_sum))], dtype=np.int64)
    out = np.empty(_ROOM * len(sums), dtype=np.uint8)
    _merge(*laid_out([tile for tiles, _ in sums for tile in tiles]), contents, width, heads, spans, out)
    packed, end = [], 0
    for size in spans[: len(sums)].tolist():
        packed.append(out[end : end + size].tobytes())
        end += size
    return packed


_NOTHING: Final = joined(())


def summed(tiles: Sequence[bytes]) -> tuple[Ints, Sketch]:
    """Gives the counts and latencies of all `tiles` together. None of them is empty."""
    counts, buckets = np.zeros(_COUNTS, dtype=np.int64), np.zeros(BUCKETS, dtype=np.int64)
    first, stop = _add_tiles(*laid_out(tiles), counts, buckets)
    return counts, Sketch(first, buckets[first:stop].copy()) if stop else Sketch()


def counts_by_row(tiles: Sequence[bytes], rows: Sequence[int], row_count: int) -> Cells:
    """Gives the counts alone of `tiles`, each added up in its row."""
    table = np.zeros((row_count, _COUNTS), dtype=np.int64)
    _add_counts(*laid_out(tiles), np.array(rows, dtype=np.int64), table)
    return table
