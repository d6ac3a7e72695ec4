"""Windows as snapshots of version 2 hold them: each whole by itself, where they now share their tiles."""

import numpy as np

from trimtab.engine.contribution import PaneContent
from trimtab.engine.sketch import SketchSnapshot
from trimtab.engine.tier import TierSnapshot
from trimtab.engine.tile import Change, merged
from trimtab.engine.window import HOP_MS, WindowsSnapshot

WholeWindow = tuple[int, int, list[tuple[int, list[int], SketchSnapshot]]]
"""(since, oldest tile, [(tile, counts, latency sketch)])"""


def shared(windows: dict[int, WholeWindow]) -> WindowsSnapshot:
    """Gives whole windows, by their lengths, in the present form: each without what a shorter one holds."""
    since_s, tiers, shorter, hop_of_shorter = 0, [], dict[int, PaneContent](), 1
    for length_ms, (since_s, oldest, tiles) in sorted(windows.items()):  # noqa: B007 - it is the same for all of them
        hop_s = HOP_MS[length_ms] // 1000
        whole = {number: _content(counts, latency) for number, counts, latency in tiles}
        changes: dict[int, list[Change]] = {number: [(0, +1, content)] for number, content in whole.items()}
        for number, content in shorter.items():
            changes[number * hop_of_shorter // hop_s].append((0, -1, content))
        packed = {number: merged((), of_tile) for number, of_tile in changes.items()}
        kept = sorted((number, tile) for number, tile in packed.items() if tile)
        tiers.append(TierSnapshot(length_ms, oldest, (kept, [])))
        shorter, hop_of_shorter = whole, hop_s
    return WindowsSnapshot(since_s, {"": (tiers, [])})


def _content(counts: list[int], latency: SketchSnapshot) -> PaneContent:
    first, dtype, packed = latency
    amounts = np.frombuffer(packed, dtype=dtype)
    buckets = np.flatnonzero(amounts)
    return PaneContent(
        np.array(counts, dtype="<i8").tobytes(),
        (first + buckets).astype("<u2").tobytes(),
        amounts[buckets].astype("<u4").tobytes(),
        {},
    )
