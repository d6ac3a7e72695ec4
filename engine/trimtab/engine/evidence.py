"""The evidence of one release: contributions merged into totals and windows, variant by variant.

The rule of merging is decided here, and only here. The content of a pane from one source is what the messages from
`first_offset` to `offset` put into it. Of two contents of the same pane and source the one that starts earlier wins,
and of two that start alike the one that reaches further. That is the maximum of a total order, so merging is
idempotent, commutative and associative: duplicates and reordering change nothing. A builder that was rebuilt in the
middle of a pane starts later, and loses to what its predecessor sent.

Contents are remembered until their source's final second is `REMEMBER_S` past them; what comes for a second older
than that is a repetition of something final, and is passed over. So is what comes for a second that was final before
its variant took part (that was refused when it became final), and what is of a variant that does not take part.

Of outcomes that have to be shares those that are none are refused (`sift.py`): they are dead-lettered at once, and told
once their second is final.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from trimtab.engine.contents import Contents, PaneId, RefusedOutcomes, Remembered, Replacement
from trimtab.engine.contribution import NOTHING, PaneContent, PaneRow
from trimtab.engine.history import History
from trimtab.engine.request_book import RequestBook, RequestSnapshot
from trimtab.engine.seconds import ClosedSecond, SecondsSnapshot
from trimtab.engine.totals import ArmTotals, TotalsSnapshot
from trimtab.engine.whole_window import WholeWindow, shared
from trimtab.engine.window import ArmWindow, Keep, WindowsSnapshot

REMEMBER_S: Final = 3


class News(NamedTuple):
    """What came of one variant since somebody last assessed its guardrails, at most."""

    responses: int
    errors: int
    slowest: int
    """the highest latency bucket; -1 without any"""


_NO_NEWS: Final = News(0, 0, -1)
_UNKNOWN: Final = 1 << 62
"""More responses than there are: of a content that does not merely continue the one that it replaces."""


class Segment:
    """What one variant did in a segment that is kept apart, since it is."""

    __slots__ = ("began_s", "totals")

    def __init__(self, began_s: int) -> None:
        """`began_s`: what happened in a second before it does not belong."""
        self.began_s = began_s
        self.totals = ArmTotals()

    def replace(self, second: int, old: PaneContent, new: PaneContent) -> None:
        """Replaces the content of a pane."""
        if second >= self.began_s:
            self.totals.replace(old, new)


class EvidenceSnapshot(msgspec.Struct, array_like=True):
    """`Evidence` as plain data."""

    final_s: dict[int, int]
    offsets: dict[int, int]
    totals: dict[str, TotalsSnapshot]
    whole_windows: dict[str, dict[int, WholeWindow]]
    """of snapshots of version 2 alone, which have none of `windows`"""
    contents: list[Remembered]
    refused_s: dict[str, dict[int, int]]
    dead_lettered: int
    now_s: int
    keep: Keep = Keep()
    windows: dict[str, WindowsSnapshot] = {}
    segments: dict[str, dict[str, tuple[int, TotalsSnapshot]]] = {}
    """by variant and name: the second it began in, and its totals"""
    seconds: SecondsSnapshot | None = None
    slower: dict[str, dict[int, int]] = {}
    requests: RequestSnapshot | None = None
    share_metric: str = ""
    sifted_by: list[tuple[PaneId, tuple[str, ...]]] = []
    """of `contents` that are sifted otherwise than by `share_metric` alone"""


class Evidence:
    """Totals and windows of the variants of one release."""

    __slots__ = ("_contents", "_events", "_final_s", "_history", "_keep", "_now_s", "_refused_s", "_segments",
                 "dead_lettered", "edition", "news", "offsets", "refused", "requests", "totals")  # fmt: skip

    def __init__(self, variants: Iterable[str], final_s: dict[int, int], keep: Keep | None = None) -> None:
        """`final_s`: source -> seconds below it are over and done with, for what came before the release did."""
        self._keep = keep or Keep()
        self.totals: dict[str, ArmTotals] = {}
        """what each variant did since the release began, in all segments"""
        self._history = History(self._keep)
        self._segments: dict[str, dict[str, Segment]] = {}
        """by variant and name, of the segments that are kept apart; what is of none of them is only in the whole"""
        self.requests = RequestBook(self._keep.requests) if self._keep.requests else None
        """what is kept of requests, where something asks for it"""
        self._now_s = 0
        self.edition = 0
        """another whenever totals are"""
        self._events = (-1, (0, 0))
        """`edition` when somebody last asked for events, and how many there were"""
        self.news: dict[str, News] = {}
        """by variant, of those that contributions brought something of; for whoever assesses guardrails to clear"""
        self.offsets: dict[int, int] = {}
        """source -> newest telemetry offset that is counted"""
        self.dead_lettered = 0
        """events that were refused: outcomes that are no shares, and, for whoever refuses them to count, those whose
        variant did not take part"""
        self.refused: list[RefusedOutcomes] = []
        """what became final and was not told yet; for whoever tells it to clear"""
        self._contents = Contents()
        self._final_s = dict(final_s)
        self._refused_s: dict[str, dict[int, int]] = {}
        """variant -> source -> seconds below it were final before the variant took part"""
        self.admit(variants)

    def admit(self, variants: Iterable[str]) -> None:
        """Makes room for variants that take part from now on."""
        for variant in variants:
            if variant not in self.totals:
                self.totals[variant] = ArmTotals()
                self._refused_s[variant] = dict(self._final_s)
                self._segments[variant] = {name: Segment(0) for name in self._keep.segments}
            self._count_slower(variant)
        self._history.admit(self.totals)

    def _count_slower(self, variant: str) -> None:
        counted = self.totals[variant].slower
        self.totals[variant].slower = {bucket: counted.get(bucket, 0) for bucket in self._keep.slower_than}

    @property
    def keep(self) -> Keep:
        """What is kept besides totals."""
        return self._keep

    def knows(self, variant: str) -> bool:
        """Whether a variant takes part, or did once."""
        return variant in self.totals

    def restart(self, since_s: int, keep: Keep | None = None) -> None:
        """Empties all windows; they hold what happens from `since_s` on. Totals stay, also of segments kept before."""
        self._keep = keep or self._keep
        self._history.restart(since_s, self._keep)
        for variant in self.totals:
            self._count_slower(variant)
            self._restart(variant, since_s)
        self._restart_requests(since_s)

    def _restart(self, variant: str, since_s: int) -> None:
        before, self._segments[variant] = self._segments[variant], {}
        for name in self._keep.segments:
            self._segments[variant][name] = before.get(name) or Segment(since_s)
        changes = [known for known in self._contents.of(variant) if known[1][0] >= since_s]
        for name, (second, _, content) in changes:
            if name in self._keep.segments and name not in before:
                self._segments[variant][name].replace(second, NOTHING, content)
        self._history.begin(variant, changes)

    def _restart_requests(self, since_s: int) -> None:
        keep, before = self._keep.requests, self.requests
        if keep is None:
            self.requests = None
            return
        self.requests = before.restarted(keep, since_s) if before else RequestBook(keep, since_s)
        self.requests.advance(self._now_s)
        for variant in keep.variants:
            for segment, (second, _, content) in self._contents.of(variant):
                self.requests.replace(variant, (second, segment), NOTHING, content)

    @property
    def events(self) -> tuple[int, int]:
        """Events in the totals, all variants together, and late ones."""
        if self._events[0] != self.edition:  # a decision asks several times
            arms = self.totals.values()
            self._events = (self.edition, (sum([arm.counted for arm in arms]), sum([arm.late for arm in arms])))
        return self._events[1]

    @property
    def counted(self) -> int:
        """Events in the totals, all variants together."""
        return self.events[0]

    @property
    def late(self) -> int:
        """Late events, all variants together."""
        return self.events[1]

    def finish(self, source: int, final_s: int) -> None:
        """Takes note that seconds below `final_s` are over and done with for a source."""
        if final_s > self._final_s.get(source, 0):
            self._final_s[source] = final_s
            if self._contents.is_refusing:
                self.refused += self._contents.take_refused(source, final_s)
            self._contents.forget(source, final_s - REMEMBER_S)

    @property
    def is_refusing(self) -> bool:
        """Whether outcomes were refused that nobody has taken yet from `refused`, or that are not final."""
        return bool(self.refused) or self._contents.is_refusing

    def merge(  # noqa: PLR0913 - the parts of a contribution, which tests merge without a ledger
        self, source: int, offset: int, final_s: int, rows: Sequence[PaneRow], now_s: int, *, more: bool = False
    ) -> None:
        """Merges a contribution.

        With `more` to come of the same emission, its seconds are not taken for over yet.
        """
        self.advance(now_s)
        was_final_s = self._final_s.get(source, 0)
        for row in rows:
            if row.key.variant in self.totals:
                self._replace(source, offset, was_final_s, row)
        self.offsets[source] = max(offset, self.offsets.get(source, -1))
        if not more:
            self.finish(source, final_s)

    def _replace(self, source: int, offset: int, was_final_s: int, row: PaneRow) -> None:
        variant, second = row.key.variant, row.second
        refused_s = self._refused_s[variant].get(source, second)
        if second < max(was_final_s - REMEMBER_S, refused_s):
            return
        pane, rank = (source, second, variant, row.key.segment), (-row.first_offset, offset)
        change = self._contents.put(pane, rank, row.content, is_final=second < self._final_s.get(source, 0))
        if change is not None:
            self._add(pane, change)

    def require_shares(self, metric: str) -> None:
        """Takes note of the metric whose outcomes have to be shares from now on, panes that are not final included."""
        for pane, change in self._contents.require_shares(metric, self._final_s):
            self._add(pane, change)

    def _add(self, pane: PaneId, change: Replacement) -> None:
        source, second, variant, name = pane
        old, new, refused, continues = change
        place = (source, second, name)
        self.edition += 1
        self.dead_lettered += refused
        self._history.replace(variant, place, old, new)
        self.totals[variant].replace(old, new)
        if self.requests is not None:
            self.requests.replace(variant, place[1:], old, new)
        if self._keep.segments:
            segment = self._segments[variant].get(name)
            if segment is not None:
                segment.replace(second, old, new)
        responses, errors, slowest = self.news.get(variant, _NO_NEWS)
        more, failed = new.responses - old.responses, new.errors - old.errors
        if not continues or more < 0 or failed < 0:
            more = failed = _UNKNOWN
        self.news[variant] = News(responses + more, errors + failed, max(slowest, new.slowest))

    def advance(self, now_s: int) -> None:
        """Moves the windows on to `now_s`. Time never goes back."""
        self._now_s = max(self._now_s, now_s)
        self._history.advance(self._now_s)
        if self.requests is not None:
            self.requests.advance(self._now_s)

    @property
    def matured(self) -> int:
        """Gives what rises whenever requests mature; 0 where nobody waits for that."""
        return self.requests.evidence_count if self.requests is not None else 0

    @property
    def is_maturing(self) -> bool:
        """Whether requests wait to mature, so that time alone brings something."""
        cohorts = self.requests.cohorts if self.requests is not None else None
        return cohorts is not None and cohorts.is_maturing

    def window(self, variant: str, length_ms: int, segment: str | None = None) -> ArmWindow:
        """Gives what a variant did in the last `length_ms`, one of the lengths that are kept.

        In all segments where none is named; with segment "" what is of none of those that are kept apart. What it gives
        is not to be changed. Raises `EngineError` for a length that is not kept.
        """
        return self._history.window(variant, length_ms, segment)

    def windows(self, length_ms: int) -> dict[str, ArmWindow]:
        """Gives what each variant did in the last `length_ms`, in all segments; otherwise as `window`."""
        return self._history.windows(length_ms)

    def let_go(self) -> None:
        """Forgets windows that were looked at: a decision that is made needs them no more."""
        self._history.let_go()

    def tumbling(self, variant: str, length_ms: int, segment: str | None = None) -> ArmWindow:
        """Gives what a variant did in the last whole `length_ms` that is over; as `window` otherwise."""
        return self._history.tumbling(variant, length_ms, segment)

    def segment_totals(self, variant: str, segment: str) -> ArmTotals:
        """Gives what a variant did in a segment that is kept apart, since it is; with "" what is of none of those."""
        if segment:
            return self._segments[variant][segment].totals
        return self.totals[variant].without([part.totals for part in self._segments[variant].values()])

    def closed(self, up_to_s: int) -> list[ClosedSecond]:
        """Gives each second below `up_to_s` that was not given before, once and in order; needs `keeps_seconds`.

        Seconds in which no variant did anything are left out.
        """
        return self._history.closed(up_to_s)

    @property
    def is_settled(self) -> bool:
        """Whether time alone brings nothing: no second waits to be closed."""
        return not self._keep.keeps_seconds or self._history.is_closed

    @property
    def missed(self) -> int:
        """Events that came after their second was given by `closed`; they are in totals and windows alone."""
        return self._history.missed

    def snapshot(self) -> EvidenceSnapshot:
        """Gives the evidence as plain data."""
        windows, seconds = self._history.snapshot()
        return EvidenceSnapshot(
            final_s=dict(self._final_s),
            offsets=dict(self.offsets),
            totals={variant: arm.snapshot() for variant, arm in self.totals.items()},
            whole_windows={},
            contents=self._contents.snapshot(),
            now_s=self._now_s,
            refused_s=self._refused_s,
            dead_lettered=self.dead_lettered,
            keep=self._keep,
            windows=windows,
            segments={
                variant: {name: (segment.began_s, segment.totals.snapshot()) for name, segment in segments.items()}
                for variant, segments in self._segments.items()
            },
            seconds=seconds,
            slower={variant: dict(arm.slower) for variant, arm in self.totals.items()},
            requests=self.requests.snapshot() if self.requests is not None else None,
            share_metric=self._contents.share_metric,
            sifted_by=self._contents.sifted_by(),
        )

    @classmethod
    def restore(cls, snapshot: EvidenceSnapshot) -> "Evidence":
        """Gives the evidence of which `snapshot` was taken, by this version or the one before."""
        keep = snapshot.keep
        evidence = cls(snapshot.totals, snapshot.final_s, keep)
        evidence.offsets = dict(snapshot.offsets)
        evidence._refused_s = snapshot.refused_s
        evidence.dead_lettered = snapshot.dead_lettered
        evidence._now_s = snapshot.now_s
        whole = {variant: shared(windows) for variant, windows in snapshot.whole_windows.items()}
        evidence._history.restore(snapshot.windows or whole, snapshot.seconds)
        evidence._history.advance(snapshot.now_s)
        for variant, totals in snapshot.totals.items():
            evidence.totals[variant] = ArmTotals.restore(totals)
            evidence.totals[variant].slower = dict(snapshot.slower.get(variant, {}))
        for variant, segments in snapshot.segments.items():
            for name, (began_s, totals) in segments.items():
                segment = evidence._segments[variant][name] = Segment(began_s)
                segment.totals = ArmTotals.restore(totals)
        if snapshot.requests is not None and keep.requests is not None:
            evidence.requests = RequestBook.restore(keep.requests, snapshot.requests)
        evidence._contents = Contents.restore(
            snapshot.contents, snapshot.share_metric, dict(snapshot.sifted_by), snapshot.final_s
        )
        return evidence
