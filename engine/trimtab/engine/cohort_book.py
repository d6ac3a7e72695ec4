"""The cohorts of one release: requests, and what came of them, by when they were routed.

* A cohort is a tile of a thirtieth of the attribution window (a second at least). It is mature once that window, and
  `SLACK_S` for what is still on its way, are over for all of it; then it is added to `mature`, and no more than these
  sums is kept. So memory is bounded, and the sums are those of the tiles to the last bit, whatever came in which order.
* An outcome belongs to the cohort of its request, by its age (`cohort.py`). One that came past the window, or whose
  request was routed before the cohorts began, is `outside`: it is counted, and rewarded nothing.
* What comes of a mature cohort all the same (a source was far behind) is added to the mature sums at once.
* Several outcomes of one request come to what the rule says; the request is one trial in any case, also where nobody
  told of it but its outcome.
* Propensities are those of the revisions that routed a cohort's requests, weighed by how many each routed.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from trimtab.engine.contribution import PaneContent
from trimtab.schemas.attribution import Rule
from trimtab.schemas.evidence import REPEATED, VALUE_SCALE

TILES: Final = 30
SLACK_S: Final = 3
"""Lateness of a second, and a second for the way."""

_REQUESTS, _ANSWERED, _SUM, _SQUARES, _EXPECTED = range(5)
_WIDTH: Final = 5
_REPEATS, _UNJOINED = REPEATED.index("repeats"), REPEATED.index("unjoined")
_OF_RULE: Final = {
    rule: (REPEATED.index(f"{rule}_sum") if rule != "sum" else None, REPEATED.index(f"{rule}_squares"))
    for rule in ("first", "last", "max", "sum")
}
"""Where the corrections of a rule stand; `sum` leaves the sum as it is"""

Sums = tuple[int, int, int]
"""trials, sum of rewards and of their squares, the sums in 1/VALUE_SCALE"""


class CohortSpec(msgspec.Struct, frozen=True, array_like=True):
    """How rewards find their requests."""

    metric: str
    window_s: int
    default: int
    """in 1/VALUE_SCALE"""
    rule: Rule

    @property
    def tile_s(self) -> int:
        """Width of a cohort."""
        return max(1, self.window_s // TILES)


class CohortSnapshot(msgspec.Struct, array_like=True):
    """`CohortBook` as plain data; sums are decimal texts, for they may be longer than any integer of MessagePack."""

    since_s: int
    now_s: int
    tiles: dict[int, list[str]]
    mature: list[str]
    outside: list[int]
    unjoined: list[int]


class CohortBook:
    """Cohorts of the variants of one release.

    >>> from trimtab.engine.contribution import PaneContent
    >>> book = CohortBook(CohortSpec("rating", 60, 0, "last"), arms=2, since_s=0)
    >>> one_request = PaneContent((1).to_bytes(8, "little") * 8, b"", b"", {})
    >>> book.add(0, 100, +1, one_request)
    >>> book.earned(0), book.maturing(0)
    ((0, 0, 0), 1)
    >>> book.advance(166)
    >>> book.earned(0), book.maturing(0)
    ((1, 0, 0), 0)
    """

    __slots__ = ("_arms", "_matured_s", "_now_s", "_since_s", "_spec", "_tiles", "mature", "outside", "unjoined")

    def __init__(self, spec: CohortSpec, *, arms: int, since_s: int) -> None:
        """`since_s`: requests of before do not belong."""
        self._spec, self._arms, self._since_s = spec, arms, since_s
        self._now_s = 0
        self._matured_s = 0
        self._tiles: dict[int, list[int]] = {}
        """number of a tile -> `_WIDTH` numbers an arm: requests, those of which something came, sum of rewards and of
        their squares, and what the weights let expect of the requests of all, in basis points"""
        self.mature = [0] * (_WIDTH * arms)
        """the same, of all mature cohorts together"""
        self.outside = [0] * arms
        """outcomes that were not rewarded, by arm"""
        self.unjoined = [0] * arms
        """outcomes whose repetitions were not known as such, by arm"""

    def add(self, arm: int, second: int, sign: int, content: PaneContent) -> None:
        """Adds the content of a pane, or takes it out."""
        if second < self._since_s:
            return
        if content.requests:
            self._cell(second)[_WIDTH * arm + _REQUESTS] += sign * content.requests
        if self._spec.metric in content.values:
            for age, *sums in outcomes_by_age(self._spec, content):
                self._add_outcomes(arm, (second, age), sign, (sums[0], sums[1], sums[2], sums[3]))
            self.unjoined[arm] += sign * sum(
                sums[_UNJOINED] for metric, _, sums in content.repeats if metric == self._spec.metric
            )

    def _add_outcomes(self, arm: int, when: tuple[int, int], sign: int, sums: tuple[int, int, int, int]) -> None:
        second, age = when
        count, *rewarded = sums
        if age > self._spec.window_s or second - age < self._since_s:
            self.outside[arm] += sign * count
            return
        cell, start = self._cell(second - age), _WIDTH * arm + _ANSWERED
        for place, amount in enumerate(rewarded):
            cell[start + place] += sign * amount

    def expect(self, second: int, requests: int, weights: Sequence[int]) -> None:
        """Takes note of the weights that requests of a second were routed by; of a negative number takes it back."""
        if second >= self._since_s:
            cell = self._cell(second)
            for arm, weight in enumerate(weights):
                cell[_WIDTH * arm + _EXPECTED] += requests * weight

    def _cell(self, second: int) -> list[int]:
        number = second // self._spec.tile_s
        if number < self._mature_below:
            return self.mature
        cell = self._tiles.get(number)
        if cell is None:
            cell = self._tiles[number] = [0] * (_WIDTH * self._arms)
        return cell

    @property
    def _mature_below(self) -> int:
        return (self._now_s - self._spec.window_s - SLACK_S) // self._spec.tile_s

    def advance(self, now_s: int) -> None:
        """Moves time on: cohorts mature."""
        self._now_s = max(self._now_s, now_s)
        below = self._mature_below
        if below > self._matured_s:
            self._matured_s = below
            for number in [number for number in self._tiles if number < below]:
                self.mature = [one + other for one, other in zip(self.mature, self._tiles.pop(number), strict=True)]

    def earned(self, arm: int) -> Sums:
        """Gives trials and rewards of an arm's mature cohorts: those of which nothing came have the default."""
        requests, answered, amount, squares, _ = self.mature[_WIDTH * arm : _WIDTH * (arm + 1)]
        default, silent = self._spec.default, max(0, requests - answered)
        return (
            max(requests, answered), amount + default * silent, squares + default * default // VALUE_SCALE * silent
        )  # fmt: skip

    def expected(self) -> list[int]:
        """Gives how many requests of mature cohorts the weights let expect of each arm, in 1/BASIS_POINTS."""
        return self.mature[_EXPECTED::_WIDTH]

    def maturing(self, arm: int) -> int:
        """Gives the requests of an arm whose cohort is not mature."""
        return sum(max(cell[_WIDTH * arm + _REQUESTS], cell[_WIDTH * arm + _ANSWERED]) for cell in self._tiles.values())

    @property
    def all_maturing(self) -> int:
        """Gives the same of all arms."""
        return sum(map(self.maturing, range(self._arms)))

    @property
    def is_maturing(self) -> bool:
        """Whether some cohort is not mature."""
        return bool(self._tiles)

    @property
    def evidence_count(self) -> int:
        """Gives what rises whenever more is mature."""
        return sum(self.mature[_REQUESTS::_WIDTH]) + sum(self.mature[_ANSWERED::_WIDTH])

    def without(self, others: "Sequence[CohortBook]") -> "CohortBook":
        """Gives the mature cohorts of what is in none of `others`, which are parts of it."""
        rest = CohortBook(self._spec, arms=self._arms, since_s=self._since_s)
        rest.mature = [
            whole - sum(parts) for whole, *parts in zip(self.mature, *(one.mature for one in others), strict=True)
        ]
        return rest

    def snapshot(self) -> CohortSnapshot:
        """Gives it as plain data."""
        return CohortSnapshot(
            self._since_s, self._now_s,
            {number: list(map(str, cell)) for number, cell in sorted(self._tiles.items()) if any(cell)},
            list(map(str, self.mature)), list(self.outside), list(self.unjoined),
        )  # fmt: skip

    @classmethod
    def restore(cls, spec: CohortSpec, snapshot: CohortSnapshot) -> "CohortBook":
        """Gives that of which `snapshot` was taken."""
        book = cls(spec, arms=len(snapshot.outside), since_s=snapshot.since_s)
        book._tiles = {number: list(map(int, cell)) for number, cell in snapshot.tiles.items()}
        book.mature = list(map(int, snapshot.mature))
        book.outside, book.unjoined = list(snapshot.outside), list(snapshot.unjoined)
        book.advance(snapshot.now_s)
        return book


def cohort_spec(metric: str, window_ms: int, default: float, rule: Rule) -> CohortSpec:
    """Gives what a release file says of attribution, in the units of evidence."""
    return CohortSpec(metric, window_ms // 1000, round(default * VALUE_SCALE), rule)


def outcomes_by_age(spec: CohortSpec, content: PaneContent) -> Iterator[tuple[int, int, int, int, int]]:
    """Gives age, outcomes, requests of which they are the first, sum and sum of squares by the rule, of a pane."""
    total = content.values.get(spec.metric)
    if total is None:
        return
    cells = {age: sums for name, age, *sums in content.cohorts if name == spec.metric}
    later = [sum(sums[place] for sums in cells.values()) for place in range(3)]
    at_once = [whole - part for whole, part in zip(total, later, strict=True)]
    repeats = {age: sums for name, age, sums in content.repeats if name == spec.metric}
    at_sum, at_squares = _OF_RULE[spec.rule]
    for age, (count, amount, squares) in ((0, at_once), *cells.items()):
        again = repeats.get(age)
        if again is None:
            yield age, count, count, amount, squares
        else:
            corrected = amount if at_sum is None else amount + again[at_sum]
            yield age, count, count - again[_REPEATS], corrected, squares + again[at_squares]
