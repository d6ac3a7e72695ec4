"""What the variants of one release did and when: windows, segment by segment and in all, and single seconds.

Contents of panes that are replaced are laid by until their second is old, so that tiles take each second once; the sums
of windows that somebody looks at (`running.py`) take every change as soon as somebody looks. Nobody can tell: all of it
is integers.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from trimtab.engine.contribution import NOTHING, PaneContent
from trimtab.engine.running import Left, Running
from trimtab.engine.seconds import ClosedSecond, Seconds, SecondsSnapshot
from trimtab.engine.tile import Change
from trimtab.engine.tiles import Addition, add_all
from trimtab.engine.window import ArmWindow, Keep, Windows, WindowsSnapshot, first_seconds

LAID_BY_S: Final = 3
"""Seconds that are not older than this are laid by. Less than the shortest window, so that none leaves it meanwhile."""
_MANY: Final = 128
"""Panes of a variant that are laid by at most."""

Place = tuple[int, int, str]
"""source, second and segment of a pane"""


class History:
    """Windows and seconds of the variants of one release."""

    __slots__ = ("_has_old", "_keep", "_laid_by", "_now_s", "_rolled_s", "_row", "_running", "_seconds", "_starts_s",
                 "_unseen", "_windows")  # fmt: skip

    def __init__(self, keep: Keep) -> None:
        self._keep = keep
        self._now_s = self._rolled_s = 0
        """the present second, and that at which the windows stand"""
        self._starts_s = first_seconds(keep.lengths_ms, 0)
        """length -> first second of that window where the windows stand"""
        self._windows: dict[str, Windows] = {}
        self._row: dict[str, int] = {}
        """variant -> its place among `_windows`"""
        self._laid_by: dict[str, dict[Place, tuple[PaneContent, PaneContent]]] = {}
        """variant -> pane -> content that the tiles have, and the newest one"""
        self._has_old = False
        """whether some of that may be older than `LAID_BY_S`"""
        self._unseen: dict[tuple[str, Place], tuple[PaneContent, PaneContent]] = {}
        """(variant, pane) -> content that the running sums have, and the newest one"""
        self._running = Running(0, keep.metrics, keep.slower_than)
        self._seconds = Seconds(keep.metrics)

    def admit(self, variants: Iterable[str]) -> None:
        """Makes room for variants that take part from now on."""
        for variant in variants:
            if variant not in self._windows:
                self._row[variant] = len(self._windows)
                self._windows[variant] = Windows(self._keep)
                self._laid_by[variant] = {}
        self._forget_sums()
        self._seconds.admit(self._windows)

    def _forget_sums(self) -> None:
        self._unseen.clear()
        self._running = Running(len(self._windows), self._keep.metrics, self._keep.slower_than)

    def restart(self, since_s: int, keep: Keep) -> None:
        """Empties all windows; they hold what is added from now on, of seconds from `since_s` on."""
        self._settle()
        self._keep = keep
        self._seconds = self._seconds.restarted(since_s, keep.metrics)
        for variant in self._windows:
            self._windows[variant] = Windows(keep, since_s)
        self._forget_sums()
        self._roll()

    def begin(self, variant: str, changes: Sequence[tuple[str, Change]]) -> None:
        """Adds what is remembered of a variant after a restart: segment and change of each pane."""
        for segment, change in changes:
            self._windows[variant].update([change], self._now_s, self._kept(segment))
        if self._keep.keeps_seconds:
            self._seconds.begin(variant, [change for _, change in changes])

    def _kept(self, segment: str) -> str:
        return segment if segment in self._keep.segments else ""

    def advance(self, now_s: int) -> None:
        """Lets time pass, which never goes back."""
        self._now_s = max(self._now_s, now_s)

    def replace(self, variant: str, place: Place, old: PaneContent, new: PaneContent) -> None:
        """Takes another content of a pane."""
        laid_by = self._laid_by[variant]
        earlier = laid_by.get(place)
        laid_by[place] = (old if earlier is None else earlier[0], new)
        if self._running:
            pane = (variant, place)
            unseen = self._unseen.get(pane)
            self._unseen[pane] = (old if unseen is None else unseen[0], new)
        if place[1] < self._now_s - LAID_BY_S:
            self._has_old = True
        if len(laid_by) >= _MANY:
            self._put_down(0, everything=True)

    def _look(self) -> None:
        """Brings the sums up to date."""
        if self._unseen:
            self._see()
        if self._rolled_s < self._now_s:
            self._roll()
        elif self._has_old:
            self._put_down(self._now_s - LAID_BY_S)

    def _see(self) -> None:
        """Adds to the running sums what they have not yet, as of where the windows stand."""
        row, windows = self._row, self._windows
        replaced = [
            (row[variant], place[1], old, new)
            for (variant, place), (old, new) in self._unseen.items()
            if place[1] >= windows[variant].since_s
        ]
        self._unseen.clear()
        if replaced:
            self._running.replace(replaced, self._starts_s)

    def _roll(self) -> None:
        """Moves the windows on to now. What could leave meanwhile is put down before, so that it does."""
        self._put_down(self._now_s - LAID_BY_S)
        every = enumerate(self._windows.values())
        left = [Left(row, *one) for row, windows in every for one in windows.advance(self._now_s)]
        self._running.take_out(left)
        self._rolled_s, self._starts_s = self._now_s, first_seconds(self._keep.lengths_ms, self._now_s)

    def _put_down(self, before_s: int, *, everything: bool = False) -> None:
        """Puts into tiles what is laid by of seconds before `before_s`: of many changes of a pane that is one."""
        if self._unseen:
            self._see()
        self._has_old = False
        additions: list[Addition] = []
        for variant, laid_by in self._laid_by.items():
            places = list(laid_by) if everything else [place for place in laid_by if place[1] < before_s]
            if places:
                additions += self._additions(variant, [(place, *laid_by.pop(place)) for place in places])
        if additions:
            add_all(additions, self._keep.metrics)

    def _additions(self, variant: str, replaced: Sequence[tuple[Place, PaneContent, PaneContent]]) -> list[Addition]:
        """Gives which tiles of windows other contents are to be added to; of seconds they are."""
        additions: list[Addition] = []
        by_segment: dict[str, list[Change]] = {}
        for (_, second, segment), old, new in replaced:
            changes = by_segment.setdefault(self._kept(segment), [])
            if old is not NOTHING:
                changes.append((second, -1, old))
            changes.append((second, +1, new))
        for segment, changes in by_segment.items():
            additions += self._windows[variant].additions(changes, self._rolled_s, segment)
            if self._keep.keeps_seconds:
                self._seconds.update(variant, changes)
        return additions

    def window(self, variant: str, length_ms: int, segment: str | None) -> ArmWindow:
        """Gives what a variant did in the last `length_ms`. Raises `EngineError` for a length that is not kept."""
        if segment is not None:
            self._settle()
            return self._windows[variant].at(length_ms, self._now_s, segment)
        return self._sums(length_ms)[self._row[variant]]

    def let_go(self) -> None:
        """Forgets windows that were looked at."""
        self._running.let_go()

    def windows(self, length_ms: int) -> dict[str, ArmWindow]:
        """Gives the same of all variants, in all segments."""
        return dict(zip(self._row, self._sums(length_ms), strict=True))

    def _sums(self, length_ms: int) -> list[ArmWindow]:
        self._look()
        if length_ms not in self._running:
            self._settle()
            sums = [windows.at(length_ms, self._now_s) for windows in self._windows.values()]
            self._running.begin(length_ms, sums)
        return self._running.windows(length_ms)

    def _settle(self) -> None:
        """Brings tiles up to date."""
        self._put_down(0, everything=True)
        if self._rolled_s < self._now_s:
            self._roll()

    def tumbling(self, variant: str, length_ms: int, segment: str | None) -> ArmWindow:
        """Gives what a variant did in the last whole `length_ms` that is over."""
        self._settle()
        return self._windows[variant].tumbled(length_ms, self._now_s, segment)

    def closed(self, up_to_s: int) -> list[ClosedSecond]:
        """Gives each second below `up_to_s` that was not given before, once and in order."""
        self._put_down(up_to_s)
        return self._seconds.close(up_to_s)

    @property
    def is_closed(self) -> bool:
        """Whether no second waits to be given."""
        self._put_down(0, everything=True)
        return self._seconds.is_empty

    @property
    def missed(self) -> int:
        """Events that came after their second was given by `closed`."""
        self._put_down(0, everything=True)
        return self._seconds.missed

    def snapshot(self) -> tuple[dict[str, WindowsSnapshot], SecondsSnapshot]:
        """Gives windows and seconds as plain data."""
        self._settle()
        windows = {variant: windows.snapshot(self._now_s) for variant, windows in self._windows.items()}
        return windows, self._seconds.snapshot()

    def restore(self, windows: dict[str, WindowsSnapshot], seconds: SecondsSnapshot | None) -> None:
        """Continues from a snapshot; `seconds`: None where none were kept."""
        for variant, of_variant in windows.items():
            self._windows[variant] = Windows.restore(self._keep, of_variant)
        if seconds is not None:
            self._seconds = Seconds.restore(self._keep.metrics, seconds)
