"""The evidence of one release: contributions merged into totals and windows, variant by variant.

The rule of merging is decided here, and only here. The content of a pane from one source is what the messages from
`first_offset` to `offset` put into it. Of two contents of the same pane and source the one that starts earlier wins,
and of two that start alike the one that reaches further. That is the maximum of a total order, so merging is
idempotent, commutative and associative: duplicates and reordering change nothing. A builder that was rebuilt in the
middle of a pane starts later, and loses to what its predecessor sent.

Contents are remembered until their source's final second is `REMEMBER_S` past them; what comes for a second older
than that is a repetition of something final, and is passed over. So is what comes for a second that was final before
its variant took part (that was refused when it became final), and what is of a variant that does not take part.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
import numpy as np

from trimtab.engine.contribution import PaneContent, PaneRow
from trimtab.engine.window import ArmWindow, Windows, WindowSnapshot
from trimtab.schemas.evidence import COUNTS, VALUE_SCALE

REMEMBER_S: Final = 3
_REQUESTS, _RESPONSES, _ERRORS, _LATE = (COUNTS.index(name) for name in ("requests", "responses", "errors", "late"))
_NOTHING: Final = PaneContent(bytes(8 * len(COUNTS)), b"", b"", {})
_MANY: Final = 256
"""Changes that are laid by at most."""
_NO_SUMS: Final = (0, 0, 0)

Rank = tuple[int, int]
"""(-first offset, offset): the greater content wins"""
PaneId = tuple[int, int, str, str]
"""(source, second, variant, segment)"""


class News(NamedTuple):
    """What came of one variant since somebody last assessed its guardrails, at most."""

    responses: int
    errors: int
    slowest: int
    """the highest latency bucket; -1 without any"""


_NO_NEWS: Final = News(0, 0, -1)
_UNKNOWN: Final = 1 << 62
"""More responses than there are: of a content that does not merely continue the one that it replaces."""


@dataclass(slots=True)
class ArmTotals:
    """What one variant did since the release began. Plain integers, so that no sum ever overflows."""

    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTS))
    """one per name in `COUNTS`"""
    values: dict[str, list[int]] = field(default_factory=dict)
    """metric -> count, sum, sum of squares"""

    @property
    def requests(self) -> int:
        """Requests routed."""
        return self.counts[_REQUESTS]

    @property
    def responses(self) -> int:
        """Requests that ended."""
        return self.counts[_RESPONSES]

    @property
    def errors(self) -> int:
        """Responses that were errors."""
        return self.counts[_ERRORS]

    @property
    def late(self) -> int:
        """Events that came after their second was final."""
        return self.counts[_LATE]

    @property
    def counted(self) -> int:
        """Events that are in the totals."""
        return self.requests + self.responses + sum(count for count, _, _ in self.values.values())

    def rewards(self, metric: str) -> tuple[int, int]:
        """Gives (trials, sum of rewards in 1/VALUE_SCALE) for a metric; `success` is one less error per response."""
        if metric == "success":
            return self.responses, (self.responses - self.errors) * VALUE_SCALE
        count, total, _ = self.values.get(metric, (0, 0, 0))
        return count, total


class EvidenceSnapshot(msgspec.Struct, array_like=True):
    """`Evidence` as plain data."""

    final_s: dict[int, int]
    offsets: dict[int, int]
    totals: dict[str, tuple[list[int], dict[str, list[str]]]]
    """sums as decimal texts: they may be longer than any integer of MessagePack"""
    windows: dict[str, dict[int, WindowSnapshot]]
    contents: list[tuple[PaneId, Rank, PaneContent]]
    refused_s: dict[str, dict[int, int]]
    dead_lettered: int
    now_s: int


class Evidence:
    """Totals and windows of the variants of one release."""

    __slots__ = ("_contents", "_final_s", "_laid_by", "_now_s", "_refused_s", "_totals", "_windows", "dead_lettered",
                 "news", "offsets")  # fmt: skip

    def __init__(self, variants: Iterable[str], final_s: dict[int, int]) -> None:
        """`final_s`: source -> seconds below it are over and done with, for what came before the release did."""
        self._totals: dict[str, ArmTotals] = {}
        self._windows: dict[str, Windows] = {}
        self._laid_by: dict[str, list[tuple[int, bytes]]] = {}
        """variant -> sign and packed counts that are not in the totals yet"""
        self._now_s = 0
        self.news: dict[str, News] = {}
        """by variant, of those that contributions brought something of; for whoever assesses guardrails to clear"""
        self.offsets: dict[int, int] = {}
        """source -> newest telemetry offset that is counted"""
        self.dead_lettered = 0
        """events that were refused because their variant did not take part; for whoever refuses them to count"""
        self._contents: dict[int, dict[int, dict[tuple[str, str], tuple[Rank, PaneContent]]]] = {}
        """(source, second) -> (variant, segment) -> the greatest content so far"""
        self._final_s = dict(final_s)
        self._refused_s: dict[str, dict[int, int]] = {}
        """variant -> source -> seconds below it were final before the variant took part"""
        self.admit(variants)

    def admit(self, variants: Iterable[str]) -> None:
        """Makes room for variants that take part from now on."""
        for variant in variants:
            if variant not in self._totals:
                self._totals[variant] = ArmTotals()
                self._laid_by[variant] = []
                self._refused_s[variant] = dict(self._final_s)
                self._windows[variant] = Windows()

    def knows(self, variant: str) -> bool:
        """Whether a variant takes part, or did once."""
        return variant in self._totals

    def restart(self, since_s: int) -> None:
        """Empties all windows; they hold what happens from `since_s` on. Totals stay."""
        for variant in self._windows:
            self._windows[variant] = Windows(since_s)

    @property
    def totals(self) -> dict[str, ArmTotals]:
        """What each variant did since the release began."""
        for variant, laid_by in self._laid_by.items():
            if laid_by:
                _add_counts(self._totals[variant], laid_by)
                laid_by.clear()
        return self._totals

    @property
    def counted(self) -> int:
        """Events in the totals, all variants together."""
        return sum(arm.counted for arm in self.totals.values())

    @property
    def late(self) -> int:
        """Late events, all variants together."""
        return sum(arm.late for arm in self.totals.values())

    def finish(self, source: int, final_s: int) -> None:
        """Takes note that seconds below `final_s` are over and done with for a source."""
        if final_s > self._final_s.get(source, 0):
            self._final_s[source] = final_s
            self._forget(source, final_s - REMEMBER_S)

    def merge(  # noqa: PLR0913 - the parts of a contribution, which tests merge without a ledger
        self, source: int, offset: int, final_s: int, rows: Sequence[PaneRow], now_s: int, *, more: bool = False
    ) -> None:
        """Merges a contribution.

        With `more` to come of the same emission, its seconds are not taken for over yet.
        """
        self.advance(now_s)
        was_final_s = self._final_s.get(source, 0)
        for row in rows:
            if row.key.variant in self._totals:
                self._replace(source, offset, was_final_s, row)
        self.offsets[source] = max(offset, self.offsets.get(source, -1))
        if not more:
            self.finish(source, final_s)

    def _replace(self, source: int, offset: int, was_final_s: int, row: PaneRow) -> None:
        variant, second = row.key.variant, row.second
        refused_s = self._refused_s[variant].get(source, second)
        if second < max(was_final_s - REMEMBER_S, refused_s):
            return
        of_second = self._contents.setdefault(source, {}).get(second)
        if of_second is None:
            of_second = self._contents[source][second] = {}
        pane = (variant, row.key.segment)
        rank = (-row.first_offset, offset)
        known = of_second.get(pane)
        if known is None:
            of_second[pane] = (rank, row.content)
            self._add(variant, second, _NOTHING, row.content)
        elif known[0] < rank:
            of_second[pane] = (rank, row.content)
            if known[1] != row.content:
                self._add(variant, second, known[1], row.content, continues=known[0][0] == rank[0])

    def _add(self, variant: str, second: int, old: PaneContent, new: PaneContent, *, continues: bool = True) -> None:
        """`continues`: whether `new` holds all that `old` does."""
        windows, laid_by = self._windows[variant], self._laid_by[variant]
        for sign, content in ((-1, old), (1, new)):
            if content is not _NOTHING:
                change = (second, sign, content.packed_counts, content.packed_buckets, content.packed_bucket_counts)
                windows.update(change, self._now_s)
                laid_by.append((sign, content.packed_counts))
        if len(laid_by) >= _MANY:
            _add_counts(self._totals[variant], laid_by)
            laid_by.clear()
        if new.values or old.values:
            self._add_values(variant, old, new)
        responses, errors, slowest = self.news.get(variant, _NO_NEWS)
        more, failed = new.responses - old.responses, new.errors - old.errors
        if not continues or more < 0 or failed < 0:
            more = failed = _UNKNOWN
        self.news[variant] = News(responses + more, errors + failed, max(slowest, new.slowest))

    def _add_values(self, variant: str, old: PaneContent, new: PaneContent) -> None:
        arm = self._totals[variant]
        for metric in {**new.values, **old.values}:
            sums, before = new.values.get(metric, _NO_SUMS), old.values.get(metric, _NO_SUMS)
            total = arm.values.setdefault(metric, [0, 0, 0])
            arm.values[metric] = [total[place] + sums[place] - before[place] for place in range(3)]

    def _forget(self, source: int, before_s: int) -> None:
        of_source = self._contents.get(source, {})
        for second in [second for second in of_source if second < before_s]:
            del of_source[second]

    def advance(self, now_s: int) -> None:
        """Moves the windows on to `now_s`. Time never goes back."""
        self._now_s = max(self._now_s, now_s)

    def window(self, variant: str, length_ms: int) -> ArmWindow:
        """Gives what a variant did in the last `length_ms` (10 s, 1 m or 5 m)."""
        return self._windows[variant].at(length_ms, self._now_s)

    def leaving(self, variant: str, length_ms: int) -> Iterator[ArmWindow]:
        """Gives what of that window leaves with each of the hops to come."""
        return self._windows[variant].leaving(length_ms)

    def snapshot(self) -> EvidenceSnapshot:
        """Gives the evidence as plain data."""
        return EvidenceSnapshot(
            final_s=dict(self._final_s),
            offsets=dict(self.offsets),
            totals={
                variant: (list(arm.counts), {metric: list(map(str, sums)) for metric, sums in arm.values.items()})
                for variant, arm in self.totals.items()
            },
            windows={variant: windows.snapshot(self._now_s) for variant, windows in self._windows.items()},
            contents=[
                ((source, second, *pane), rank, known)
                for source, of_source in self._contents.items()
                for second, of_second in of_source.items()
                for pane, (rank, known) in of_second.items()
            ],
            now_s=self._now_s,
            refused_s=self._refused_s,
            dead_lettered=self.dead_lettered,
        )

    @classmethod
    def restore(cls, snapshot: EvidenceSnapshot) -> "Evidence":
        """Gives the evidence of which `snapshot` was taken."""
        evidence = cls((), snapshot.final_s)
        evidence.offsets = dict(snapshot.offsets)
        evidence._refused_s = snapshot.refused_s
        evidence.dead_lettered = snapshot.dead_lettered
        evidence._now_s = snapshot.now_s
        for variant, (counts, values) in snapshot.totals.items():
            sums = {metric: list(map(int, texts)) for metric, texts in values.items()}
            evidence._totals[variant] = ArmTotals(counts, sums)
            evidence._laid_by[variant] = []
            evidence._windows[variant] = Windows.restore(snapshot.windows[variant])
        for (source, second, *pane), rank, known in snapshot.contents:
            evidence._contents.setdefault(source, {}).setdefault(second, {})[pane[0], pane[1]] = (rank, known)
        return evidence


def _add_counts(arm: ArmTotals, laid_by: Sequence[tuple[int, bytes]]) -> None:
    counts = np.frombuffer(b"".join([packed for _, packed in laid_by]), dtype="<i8").reshape(-1, len(COUNTS))
    change = np.array([sign for sign, _ in laid_by], dtype=np.int64) @ counts
    arm.counts = [total + more for total, more in zip(arm.counts, change.tolist(), strict=True)]


def events_of(content: PaneContent) -> int:
    """Gives how many events a pane was made of, late ones included."""
    outcomes = sum(count for count, _, _ in content.values.values())
    return int(content.counts[[_REQUESTS, _RESPONSES, _LATE]].sum()) + outcomes


def pane_name(row: PaneRow) -> str:
    """Gives what tells a pane from others of its source: a refusal has one wording however often it comes."""
    segment = f", segment {row.key.segment}" if row.key.segment else ""
    return f"variant {row.key.variant}{segment}, second {row.second}"
