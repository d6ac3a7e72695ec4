"""What each variant of a release earned, second by second, and the shares that were in force: a log for estimates.

Contents of panes are merged by the rule of `trimtab.engine.evidence`: the one that starts earlier wins, then the one
that reaches further. Seconds are those of event time.

Where a segment has weights of its own, its traffic is a cell of its own in each second.

A pane does not carry the revision that routed its requests. The propensity of a second is taken to be the mean, over
that second, of the weights that had been decided on. That is exact while weights stand still. Where they move it leaves
out how long they take to the proxies, and that a response counts in the second in which it came.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from trimtab.engine.contribution import PaneContent, rows_of
from trimtab.engine.policy.policy import Batch
from trimtab.schemas.evidence import VALUE_SCALE, Panes
from trimtab.schemas.ids import BASIS_POINTS

_SECOND_MS = 1_000


Cell = tuple[int, str]
"""(second, segment): traffic that was routed by the same weights"""


class RewardLog:
    """Trials and rewards of one release, for one metric of the release file (`success`, or an outcome's name).

    >>> RewardLog("checkout", "success").seconds
    []
    """

    __slots__ = ("_cells", "_metric", "_release")

    def __init__(self, release: str, metric: str) -> None:
        self._release, self._metric = release, metric
        self._cells: dict[tuple[int, int, str, str], tuple[tuple[int, int], tuple[int, int, int]]] = {}
        """(second, source, variant, segment) -> rank and sums of the greatest content so far"""

    def merge(self, panes: Panes) -> None:
        """Takes a contribution. Raises `InvalidRecord` where its columns do not fit together."""
        for row in rows_of(panes):
            if row.key.release != self._release:
                continue
            cell = (row.second, panes.source, row.key.variant, row.key.segment)
            rank = (-row.first_offset, panes.offset)
            known = self._cells.get(cell)
            if known is None or known[0] < rank:
                self._cells[cell] = (rank, _rewards(row.content, self._metric))

    @property
    def seconds(self) -> list[int]:
        """The seconds in which anything came, rising."""
        return sorted({second for second, *_ in self._cells})

    def batches(self, variants: Sequence[str], shares: "Shares", cells: Sequence[Cell]) -> list[Batch]:
        """Gives what came in each of these cells, in their order, with the propensities that `shares` tells.

        What is of a segment that has no cell in its second is in that of none ("").
        """
        sums = {(second, segment, variant): [0, 0, 0] for second, segment in cells for variant in variants}
        for (second, _, variant, segment), (_, cell) in self._cells.items():
            total = sums.get((second, segment, variant)) or sums.get((second, "", variant))
            if total is not None:
                total[:] = [before + more for before, more in zip(total, cell, strict=True)]
        return [
            Batch(
                trials=[sums[second, segment, variant][0] for variant in variants],
                rewards=[sums[second, segment, variant][1] / VALUE_SCALE for variant in variants],
                squares=[sums[second, segment, variant][2] / VALUE_SCALE for variant in variants],
                shares=shares.mean(second, variants, segment),
            )
            for second, segment in cells
        ]


def strata(seconds: Iterable[int], *shares: "Shares") -> list[Cell]:
    """Gives the cells of these seconds: one for each segment that ever has weights of its own, and one for the rest."""
    segments = sorted(set[str]().union(*(one.segments for one in shares)))
    return [(second, segment) for second in seconds for segment in ("", *segments)]


class Shares:
    """The weights that were in force, from one decision to the next.

    >>> shares = Shares()
    >>> shares.decide(60_000, {"v1": 10_000, "v2": 0}), shares.decide(61_500, {"v1": 5_000, "v2": 5_000})
    (None, None)
    >>> shares.mean(60, ["v1", "v2"]), shares.mean(61, ["v1", "v2"])
    ([1.0, 0.0], [0.75, 0.25])
    """

    __slots__ = ("_since_ms", "_weights", "segments")

    def __init__(self) -> None:
        self._since_ms: list[int] = []
        self._weights: list[dict[str, Mapping[str, int]]] = []
        self.segments: set[str] = set()
        """those that ever had weights of their own"""

    def decide(
        self, time_ms: int, weights: Mapping[str, int], segments: Mapping[str, Mapping[str, int]] | None = None
    ) -> None:
        """Takes the weights of the next decision, made at `time_ms`; `segments`: segment -> weights of its own."""
        self._since_ms.append(time_ms)
        self._weights.append({"": weights, **(segments or {})})
        self.segments.update(segments or ())

    @property
    def first_s(self) -> int:
        """The first second in which weights were in force all the time; of at least one decision."""
        return -(-self._since_ms[0] // _SECOND_MS)

    def mean(self, second: int, variants: Sequence[str], segment: str = "") -> list[float]:
        """Gives each variant's mean share of a segment's traffic over a second; zeros before anything was decided."""
        start_ms, stop_ms = second * _SECOND_MS, (second + 1) * _SECOND_MS
        at = max(0, bisect_right(self._since_ms, start_ms) - 1)
        means = [0.0] * len(variants)
        while at < len(self._since_ms) and self._since_ms[at] < stop_ms:
            until_ms = self._since_ms[at + 1] if at + 1 < len(self._since_ms) else stop_ms
            length_ms = min(until_ms, stop_ms) - max(self._since_ms[at], start_ms)
            weights = self._weights[at].get(segment, self._weights[at][""])
            for place, variant in enumerate(variants):
                means[place] += weights.get(variant, 0) * length_ms
            at += 1
        return [mean / (BASIS_POINTS * _SECOND_MS) for mean in means]


def _rewards(content: PaneContent, metric: str) -> tuple[int, int, int]:
    """Gives trials, sum of rewards and of their squares (in 1/VALUE_SCALE), counted as `ArmTotals.rewards` does."""
    if metric == "success":
        good = (content.responses - content.errors) * VALUE_SCALE
        return content.responses, good, good
    return content.values.get(metric, (0, 0, 0))
