"""The contents of panes that are remembered, so that a later content can replace an earlier one.

They are remembered as they came until their source's final second is some seconds past them (`evidence.py`), and told
as far as they are not refused (`sift.py`). A pane that is not final is sifted by every metric whose outcomes had to be
shares since it was first told: what is refused of it never grows less, whatever spec comes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from trimtab.engine.contribution import NOTHING, PaneContent
from trimtab.engine.sift import sifted
from trimtab.engine.tile import Change

Rank = tuple[int, int]
"""(-first offset, offset): the greater content wins"""
PaneId = tuple[int, int, str, str]
"""(source, second, variant, segment)"""
Remembered = tuple[PaneId, Rank, PaneContent]
# Plain tuples, for every pane that comes makes them, and a decision waits for it.
Replacement = tuple[PaneContent, PaneContent, int, bool]
"""What was told of a pane, what is now, how many more of its outcomes are refused, and whether it merely continues"""
_Known = tuple[Rank, PaneContent, tuple[str, ...]]
"""rank, content as it came, metrics by which it is sifted"""


class RefusedOutcomes(NamedTuple):
    """Outcomes of a final pane that had to be shares, and are none."""

    source: int
    second: int
    variant: str
    segment: str
    first_offset: int
    offset: int
    """the newest telemetry message that is in the pane"""
    events: int


class Contents:
    """The greatest content so far of each pane of one release.

    >>> some = PaneContent(bytes(64), b"", b"", {"rating": (1, 3 << 20, 9 << 20)})
    >>> contents, pane = Contents("rating"), (0, 100, "v2", "")
    >>> _, _, refused, _ = contents.put(pane, (-7, 9), some, is_final=False)
    >>> refused
    1
    >>> contents.put(pane, (-7, 8), some, is_final=False) is None
    True
    """

    __slots__ = ("_by_source", "_refusing", "_usual", "share_metric")

    def __init__(self, share_metric: str = "") -> None:
        self.share_metric = share_metric
        """whose outcomes have to be shares, of panes that come now; empty where none have"""
        self._usual = _usual(share_metric)
        self._by_source: dict[int, dict[int, dict[tuple[str, str], _Known]]] = {}
        """source -> second -> (variant, segment) -> its content"""
        self._refusing: set[PaneId] = set()
        """the panes with refused outcomes that are not final"""

    def put(self, pane: PaneId, rank: Rank, content: PaneContent, *, is_final: bool) -> Replacement | None:
        """Remembers the content of a pane if it is the greatest; gives what that changes, None where nothing.

        What comes of a final pane is a repetition.
        """
        source, second, variant, segment = pane
        of_second = self._by_source.setdefault(source, {}).get(second)
        if of_second is None:
            of_second = self._by_source[source][second] = {}
        name = (variant, segment)
        known = of_second.get(name)
        if known is None:
            before, was, metrics = rank, NOTHING, self._usual
        else:
            before, was, metrics = known
            if before >= rank:
                return None
        of_second[name] = (rank, content, metrics)
        if was == content:
            return None
        continues = before[0] == rank[0]
        if not metrics:  # most releases have none
            return was, content, 0, continues
        old, new = sifted(was, metrics), sifted(content, metrics)
        if not is_final:
            (self._refusing.add if new.refused else self._refusing.discard)(pane)
        return old.content, new.content, new.refused - old.refused, continues

    def require_shares(self, metric: str, final_s: Mapping[int, int]) -> list[tuple[PaneId, Replacement]]:
        """Sifts panes that are not final by one more metric, and those that come by no other; gives what it changes.

        `final_s`: source -> seconds below it are final.
        """
        if metric == self.share_metric:
            return []
        self.share_metric, self._usual = metric, _usual(metric)
        changes = []
        for pane, (rank, content, metrics) in list(self._all()) if metric else ():
            if metric not in metrics and pane[1] >= final_s.get(pane[0], 0):
                old, new = sifted(content, metrics), sifted(content, (*metrics, metric))
                self._by_source[pane[0]][pane[1]][pane[2:]] = (rank, content, (*metrics, metric))
                if new.refused > old.refused:
                    self._refusing.add(pane)
                    changes.append((pane, (old.content, new.content, new.refused - old.refused, True)))
        return changes

    def _all(self) -> Iterator[tuple[PaneId, _Known]]:
        for source, of_source in sorted(self._by_source.items()):  # a restored one meets them in another order
            for second, of_second in of_source.items():
                for (variant, segment), known in of_second.items():
                    yield (source, second, variant, segment), known

    def of(self, variant: str) -> Iterator[tuple[str, Change]]:
        """Gives what is told of a variant's panes, each with its segment."""
        for (_, second, of, segment), (_, content, metrics) in self._all():
            if of == variant:
                yield segment, (second, +1, sifted(content, metrics).content)

    @property
    def is_refusing(self) -> bool:
        """Whether outcomes were refused of panes that are not final."""
        return bool(self._refusing)

    def take_refused(self, source: int, final_s: int) -> list[RefusedOutcomes]:
        """Gives the refused outcomes of a source's panes that are final now, in one order."""
        final = sorted(pane for pane in self._refusing if pane[0] == source and pane[1] < final_s)
        self._refusing.difference_update(final)
        return [self._refused_of(pane) for pane in final]

    def _refused_of(self, pane: PaneId) -> RefusedOutcomes:
        (first, offset), content, metrics = self._by_source[pane[0]][pane[1]][pane[2:]]
        return RefusedOutcomes(*pane, -first, offset, sifted(content, metrics).refused)

    def forget(self, source: int, before_s: int) -> None:
        """Lets go of the seconds of a source before `before_s`."""
        of_source = self._by_source.get(source, {})
        for second in [second for second in of_source if second < before_s]:
            del of_source[second]

    def snapshot(self) -> list[Remembered]:
        """Gives them as plain data."""
        return [(pane, rank, content) for pane, (rank, content, _) in self._all()]

    def sifted_by(self) -> list[tuple[PaneId, tuple[str, ...]]]:
        """Gives by which metrics those panes are sifted that are not by `share_metric` alone."""
        usual = self._usual
        return [(pane, metrics) for pane, (_, _, metrics) in self._all() if metrics != usual]

    @classmethod
    def restore(
        cls,
        snapshot: Iterable[Remembered],
        share_metric: str,
        sifted_by: Mapping[PaneId, tuple[str, ...]],
        final_s: Mapping[int, int],
    ) -> "Contents":
        """Gives those of which `snapshot` and `sifted_by` were taken; `final_s` as in `require_shares`."""
        contents = cls(share_metric)
        usual = contents._usual
        for pane, rank, content in snapshot:
            source, second, *_ = pane
            metrics = sifted_by.get(pane, usual)
            contents._by_source.setdefault(source, {}).setdefault(second, {})[pane[2:]] = (rank, content, metrics)
            if second >= final_s.get(source, 0) and sifted(content, metrics).refused:
                contents._refusing.add(pane)
        return contents


def _usual(share_metric: str) -> tuple[str, ...]:
    """Gives by which metrics the panes are sifted that come now."""
    return (share_metric,) if share_metric else ()
