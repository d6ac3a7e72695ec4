"""What of a pane is told where outcomes have to be shares: those that are none are refused.

A content of a fold that does not tell them apart yet has only sums: those that cannot be sums of shares are refused
whole, for nobody can tell then which outcome it was.
"""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from trimtab.engine.contribution import PaneContent
from trimtab.engine.share import may_be_shares


class Sifted(NamedTuple):
    """A pane's content without what was refused of it."""

    content: PaneContent
    refused: int
    """outcomes"""


def sifted(content: PaneContent, metrics: Iterable[str]) -> Sifted:
    """Gives a pane's content without the outcomes of `metrics` that are no shares."""
    refused = 0
    for metric in metrics:
        sums = content.values.get(metric)
        if sums is None:
            continue
        is_apart = any(name == metric for name, *_ in content.shares)
        if is_apart or not may_be_shares(sums):
            content = _of_shares(content, metric)
            refused += sums[0] - content.values.get(metric, (0,))[0]
    return Sifted(content, refused)


def _of_shares(content: PaneContent, metric: str) -> PaneContent:
    """Gives a content with what is told of the shares of a metric in place of what is told of all."""
    shares = [cell for cell in content.shares if cell[0] == metric]
    values = {name: sums for name, sums in content.values.items() if name != metric}
    values |= {name: (count, total, squares) for name, age, count, total, squares in shares if age == 0 and count}
    cohorts = [cell for cell in content.cohorts if cell[0] != metric] + [cell for cell in shares if cell[1] > 0]
    repeats = [cell for cell in content.repeats if cell[0] != metric]
    repeats += [cell for cell in content.share_repeats if cell[0] == metric]
    return replace(content, values=values, cohorts=tuple(sorted(cohorts)), repeats=tuple(sorted(repeats)))
