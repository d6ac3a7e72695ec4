"""Ranges of buckets that belong to variants: as wide as weights say, moved as little as can be.

* Buckets go from variants that have too many to those that have too few, and no other changes hands. So of all keys
  that could move, exactly the share by which weights changed does.
* Ranges that lie side by side give to each other at their border first; only what is left over is cut out of a range.
* Where cuts have made more than `MAX_RANGES` of them, all are laid out anew, once, and more keys move than have to.
* A segment that has weights of its own begins with the ranges of the whole.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from trimtab.schemas.stickiness import Range, ranges_of

MAX_RANGES: Final = 64
_WHOLE: Final = ""

Layout = dict[str, list[Range]]
"""segment ("" for the whole) -> ranges, of which the first begins at bucket 0"""


def laid_out(held: Layout, weights: Mapping[str, int], of_segments: Mapping[str, Mapping[str, int]]) -> Layout:
    """Gives the ranges of the whole, and of each segment with weights of its own, from those that were held."""
    before = held.get(_WHOLE, [])
    segments = {segment: moved(held.get(segment, before), of) for segment, of in of_segments.items()}
    return {_WHOLE: moved(before, weights), **segments}


def moved(held: Sequence[Range], weights: Mapping[str, int]) -> list[Range]:
    """Gives ranges as wide as `weights`, from those that were `held`, of whatever variants those were.

    >>> moved([("v1", 9_000), ("v2", 1_000)], {"v1": 8_000, "v2": 1_500, "v3": 500})
    [('v1', 8000), ('v3', 500), ('v2', 1500)]
    """
    missing = dict(weights)
    for variant, width in held:
        missing[variant] = missing.get(variant, 0) - width
    ranges = _joined(_cut(_shifted(list(held), missing), missing))
    return ranges if 0 < len(ranges) <= MAX_RANGES else ranges_of(weights)


def _shifted(ranges: list[Range], missing: dict[str, int]) -> list[Range]:
    """Shifts borders for as long as one between a range with too much and one with too little is there."""
    has_changed = True
    while has_changed:
        has_changed = False
        for left in range(len(ranges) - 1):
            for giver, taker in ((left, left + 1), (left + 1, left)):
                (gives, wide), (takes, narrow) = ranges[giver], ranges[taker]
                given = min(-missing[gives], missing[takes], wide)
                if given > 0:
                    ranges[giver], ranges[taker] = (gives, wide - given), (takes, narrow + given)
                    missing[gives] += given
                    missing[takes] -= given
                    has_changed = True
        ranges = _joined(ranges)
    return ranges


def _cut(ranges: Sequence[Range], missing: dict[str, int]) -> list[Range]:
    """Cuts what ranges have too much off their ends, for whoever has too little, in the order of `missing`."""
    cut: list[Range] = []
    for variant, width in ranges:
        given: list[Range] = []
        for other, lacks in list(missing.items()):
            part = min(-missing[variant], lacks, width)
            if part > 0:
                given.append((other, part))
                missing[variant] += part
                missing[other] -= part
                width -= part  # noqa: PLW2901 - what is left of it
        cut += [(variant, width), *given]
    return cut


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Joins neighbours of one variant, and leaves out what is empty."""
    joined: list[Range] = []
    for variant, width in ranges:
        if width and joined and joined[-1][0] == variant:
            joined[-1] = (variant, joined[-1][1] + width)
        elif width:
            joined.append((variant, width))
    return joined
