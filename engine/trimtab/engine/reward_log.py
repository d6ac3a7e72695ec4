"""What each variant of a release earned, second by second, and the shares that were in force: a log for estimates.

Contents of panes are merged by the rule of `trimtab.engine.evidence`: the one that starts earlier wins, then the one
that reaches further; what is told again once its second has long been final is passed over. Seconds are those of event
time.

Where a segment has weights of its own, its traffic is a cell of its own in each second.

The propensity of a second is that of the revisions that routed its requests, each weighed by how many those were. Of
requests of unknown revisions it is the mean, over that second, of the weights that had been decided on: exact while
weights stand still; where they move that leaves out how long they take to the proxies.

Where the objective has an attribution, a trial is a request and counts in the second in which it was routed, with what
came of it within the window; else a trial is a response or an outcome, in the second in which it came.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from trimtab.engine.cohort_book import SLACK_S, CohortSpec, outcomes_by_age
from trimtab.engine.contribution import PaneContent, rows_of
from trimtab.engine.evidence import REMEMBER_S
from trimtab.engine.late_columns import RoutedCell
from trimtab.engine.policy.policy import Batch
from trimtab.engine.sift import sifted
from trimtab.schemas.evidence import VALUE_SCALE, Panes
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION, Revision

_SECOND_MS = 1_000

_Sums = tuple[int, int, int, int]
"""requests, those of which something came, sum of rewards and of their squares (in 1/VALUE_SCALE)"""


class _Cell(NamedTuple):
    """A pane's content, as far as it tells of rewards."""

    rank: tuple[int, int]
    earned: tuple[tuple[int, _Sums], ...]
    """by the second in which it counts"""
    requests: int
    routed: tuple[RoutedCell, ...]


Cell = tuple[int, str]
"""(second, segment): traffic that was routed by the same weights"""


class RewardLog:
    """Trials and rewards of one release, for one metric of the release file (`success`, or an outcome's name).

    >>> RewardLog("checkout", "success").seconds
    []
    """

    __slots__ = ("_cells", "_cohorts", "_final_s", "_metric", "_release", "_share_metrics")

    def __init__(self, release: str, metric: str, cohorts: CohortSpec | None = None, *, share_metric: str = "") -> None:
        """`cohorts`: how rewards find their requests, where the objective has an attribution.

        `share_metric`: the metric, where its outcomes have to be shares; others are left out.
        """
        self._release, self._metric, self._cohorts = release, metric, cohorts
        self._share_metrics = (share_metric,) if share_metric else ()
        self._cells: dict[tuple[int, int, str, str], _Cell] = {}
        """(second, source, variant, segment) -> the greatest content so far"""
        self._final_s: dict[int, int] = {}
        """source -> seconds below it are over and done with"""

    def merge(self, panes: Panes) -> None:
        """Takes a contribution. Raises `InvalidRecord` where its columns do not fit together."""
        final_s = self._final_s.get(panes.source, 0)
        for row in rows_of(panes):
            if row.key.release != self._release or row.second < final_s - REMEMBER_S:
                continue
            cell = (row.second, panes.source, row.key.variant, row.key.segment)
            rank = (-row.first_offset, panes.offset)
            known = self._cells.get(cell)
            if known is None or known.rank < rank:
                content, _ = sifted(row.content, self._share_metrics)
                earned = tuple(self._earned(row.second, content))
                self._cells[cell] = _Cell(rank, earned, content.requests, content.routed)
        if not panes.more:
            self._final_s[panes.source] = max(final_s, panes.final_s)

    def _earned(self, second: int, content: PaneContent) -> Iterator[tuple[int, _Sums]]:
        """Gives what a content earned, by the second in which that counts."""
        if self._cohorts is None:
            trials, total, squares = _rewards(content, self._metric)
            yield second, (trials, trials, total, squares)
            return
        if content.requests:
            yield second, (content.requests, 0, 0, 0)
        for age, _, answered, total, squares in outcomes_by_age(self._cohorts, content):
            if age <= self._cohorts.window_s:
                yield second - age, (0, answered, total, squares)

    @property
    def waits_s(self) -> int:
        """How long it takes until all rewards of a second are known."""
        return 0 if self._cohorts is None else self._cohorts.window_s + SLACK_S

    @property
    def seconds(self) -> list[int]:
        """The seconds in which anything came, rising."""
        return sorted({second for cell in self._cells.values() for second, _ in cell.earned})

    def batches(self, variants: Sequence[str], shares: "Shares", cells: Sequence[Cell]) -> list[Batch]:
        """Gives what came in each of these cells, in their order, with the propensities that `shares` tells.

        What is of a segment that has no cell in its second is in that of none ("").
        """
        known = set(cells)
        sums = {(place, variant): [0, 0, 0, 0] for place in cells for variant in variants}
        for (_, _, variant, segment), content in self._cells.items():
            for second, earned in content.earned:
                total = sums.get((_place(second, segment, known), variant))
                if total is not None:
                    total[:] = [before + more for before, more in zip(total, earned, strict=True)]
        routed = self._routed(known)
        whole = {place: self._with_default(total) for place, total in sums.items()}
        return [
            Batch(
                trials=[whole[place, variant][0] for variant in variants],
                rewards=[whole[place, variant][1] / VALUE_SCALE for variant in variants],
                squares=[whole[place, variant][2] / VALUE_SCALE for variant in variants],
                shares=shares.of_requests(place, routed.get(place, {}), variants),
            )
            for place in cells
        ]

    def targets(
        self, variants: Sequence[str], shares: "Shares", others: "Shares", cells: Sequence[Cell]
    ) -> list[list[float]]:
        """Gives the shares that `others` would have given to the requests of each cell, which `shares` routed."""
        routed = self._routed(set(cells))
        return [others.of_requests(place, routed.get(place, {}), variants, shares) for place in cells]

    def _with_default(self, sums: Sequence[int]) -> tuple[int, int, int]:
        requests, answered, total, squares = sums
        default = self._cohorts.default if self._cohorts is not None else 0
        silent = max(0, requests - answered)
        return max(requests, answered), total + default * silent, squares + default * default // VALUE_SCALE * silent

    def _routed(self, known_cells: set[Cell]) -> dict[Cell, dict[Revision, int]]:
        """Gives cell -> revision -> requests; those of unknown ones are of `NO_REVISION`."""
        routed: dict[Cell, dict[Revision, int]] = {}
        for (second, _, _, segment), cell in self._cells.items():
            of_second = routed.setdefault(_place(second, segment, known_cells), {})
            known = sum(requests for *_, requests in cell.routed)
            for era, revision, requests in (*cell.routed, (*NO_REVISION, cell.requests - known)):
                of_second[era, revision] = of_second.get((era, revision), 0) + requests
        return routed


def _place(second: int, segment: str, cells: set[Cell]) -> Cell:
    return (second, segment) if (second, segment) in cells else (second, "")


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

    __slots__ = ("_revisions", "_since_ms", "_weights", "segments")

    def __init__(self) -> None:
        self._since_ms: list[int] = []
        self._revisions: list[Revision] = []
        self._weights: list[dict[str, Mapping[str, int]]] = []
        self.segments: set[str] = set()
        """those that ever had weights of their own"""

    def decide(
        self,
        time_ms: int,
        weights: Mapping[str, int],
        revision: Revision = NO_REVISION,
        *,
        segments: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        """Takes the weights of the next decision, made at `time_ms`; `segments`: segment -> weights of its own."""
        self._since_ms.append(time_ms)
        self._revisions.append(revision)
        self._weights.append({"": weights, **(segments or {})})
        self.segments.update(segments or ())

    def _in_force(self, at: int, segment: str) -> Mapping[str, int]:
        return self._weights[at].get(segment, self._weights[at][""])

    @property
    def first_s(self) -> int:
        """The first second in which weights were in force all the time; of at least one decision."""
        return -(-self._since_ms[0] // _SECOND_MS)

    def of_requests(
        self, place: Cell, routed: Mapping[Revision, int], variants: Sequence[str], actual: "Shares | None" = None
    ) -> list[float]:
        """Gives each variant's share of a cell's requests, by the revisions that routed them.

        `actual`: whose revisions they are, where they are of others. One then has the shares that were in force here
        while it was in force there: these, too, would have been late to the proxies.
        """
        second, segment = place
        shares, whole = [0.0] * len(variants), sum(routed.values())
        unknown, of_unknown = whole, self.mean(second, variants, segment)
        for revision, requests in sorted(routed.items()):
            meanwhile = self._meanwhile(place, revision, variants, actual or self)
            if meanwhile is not None:
                unknown -= requests
                shares = [share + own * requests / whole for share, own in zip(shares, meanwhile, strict=True)]
        if not whole:
            return of_unknown
        return [one + own * unknown / whole for one, own in zip(shares, of_unknown, strict=True)] if unknown else shares

    def _meanwhile(
        self, place: Cell, revision: Revision, variants: Sequence[str], actual: "Shares"
    ) -> list[float] | None:
        """Gives the shares while a revision of `actual` was in force in a second; None where it is not known.

        Of one that was in force at no moment of that second: those that were in force last while it was.
        """
        (second, segment), at = place, bisect_left(actual._revisions, revision)
        if revision == NO_REVISION or revision not in actual._revisions[at : at + 1]:
            return None
        start_ms, stop_ms, upto = second * _SECOND_MS, (second + 1) * _SECOND_MS, (revision[0], revision[1] + 1)
        start_ms = max(start_ms, actual._since_ms[at])
        if at + 1 < len(actual._since_ms):
            stop_ms, upto = min(stop_ms, actual._since_ms[at + 1]), actual._revisions[at + 1]
        if start_ms < stop_ms:
            return self._mean(start_ms, stop_ms, variants, segment)
        weights = self._in_force(max(0, bisect_left(self._revisions, upto) - 1), segment)
        return [weights.get(variant, 0) / BASIS_POINTS for variant in variants]

    def mean(self, second: int, variants: Sequence[str], segment: str = "") -> list[float]:
        """Gives each variant's mean share of a segment's traffic over a second; zeros before anything was decided."""
        return self._mean(second * _SECOND_MS, (second + 1) * _SECOND_MS, variants, segment)

    def _mean(self, start_ms: int, stop_ms: int, variants: Sequence[str], segment: str) -> list[float]:
        at = max(0, bisect_right(self._since_ms, start_ms) - 1)
        means = [0.0] * len(variants)
        while at < len(self._since_ms) and self._since_ms[at] < stop_ms:
            until_ms = self._since_ms[at + 1] if at + 1 < len(self._since_ms) else stop_ms
            length_ms = min(until_ms, stop_ms) - max(self._since_ms[at], start_ms)
            weights = self._in_force(at, segment)
            for place, variant in enumerate(variants):
                means[place] += weights.get(variant, 0) * length_ms
            at += 1
        return [mean / (BASIS_POINTS * (stop_ms - start_ms)) for mean in means]


def _rewards(content: PaneContent, metric: str) -> tuple[int, int, int]:
    """Gives trials, sum of rewards and of their squares (in 1/VALUE_SCALE), counted as `ArmTotals.rewards` does."""
    if metric == "success":
        good = (content.responses - content.errors) * VALUE_SCALE
        return content.responses, good, good
    return content.values.get(metric, (0, 0, 0))
