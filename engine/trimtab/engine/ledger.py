"""The fold of one evidence partition: hands each record to the releases it concerns.

* The era is the second in which the first record of the log was appended: a topic that is made anew has a later one.
* Time is the greatest append time so far. When it enters a new second, every release that time can change is ticked.
  One that it cannot change sleeps, and is not touched until a record concerns it: it then catches up first, so that it
  is as if it had been ticked.
* Of several releases of one service with overlapping routes one is live at a time (`precedence.py`).
* A pane of a release that does not exist is refused once its second is final: until then the release may still come.
  Whether it did is a matter of the order in the partition, so replay and restart refuse the same panes.
* A restored ledger is `due` before the record after its own, where panes wait: what it reads again are those panes,
  and nothing else of it.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, assert_never

import msgspec
from pydantic import ValidationError

from trimtab.engine.contribution import PaneRow, rows_of
from trimtab.engine.errors import EngineError
from trimtab.engine.policy.admission import refusal_of_policy
from trimtab.engine.policy.build import NO_FACTORIES, Factories
from trimtab.engine.precedence import Standing, in_the_way
from trimtab.engine.refused_pane import RefusedPane, of_outcomes, of_stranger
from trimtab.engine.release import ReleaseFold
from trimtab.engine.release_state import Position
from trimtab.engine.strangers import Stranger, Strangers
from trimtab.schemas.decision import Decision, WeightsRecord
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import Command, PaneKey, Panes, Reactions, Record, Sidecars, Spec, Tick
from trimtab.schemas.release import parse_document

_SNAPSHOT_VERSION: Final = 1
_RELEASES_PER_PACE, _SLOWEST_PACE = 5, 20


class Published(msgspec.Struct, frozen=True, gc=False):
    """A decision to publish, with the weights that sidecars read and the spec it was made under."""

    decision: Decision
    weights: WeightsRecord
    document: bytes


@dataclass(slots=True)
class Effects:
    """What is to be done about one record."""

    published: list[Published] = field(default_factory=list)
    refused: list[RefusedPane] = field(default_factory=list)
    rejected: str = ""
    """why the record itself could not be used; empty where it could"""


class LedgerSnapshot(msgspec.Struct, array_like=True):
    """A ledger without its releases, as plain data."""

    version: int
    offset: int
    era: int
    now_s: int
    final_s: dict[int, int]
    due: int = -1
    """the oldest record that has to be read again; -1 for the one after `offset`"""
    entered_ms: int = 0
    """when the first record of the second `now_s` was appended"""


class Ledger:
    """All releases of one evidence partition."""

    __slots__ = ("_awake", "_changed", "_entered_ms", "_era", "_factories", "_final_s", "_refusing", "_restored_due",
                 "_strangers", "_waiting", "offset", "releases")  # fmt: skip

    def __init__(self, era: int = 0, factories: Factories = NO_FACTORIES) -> None:
        """`era` is that of a log whose first record is gone; 0 where the first record is yet to come.

        `factories`: policies that users bring, by name; a release that names another is rejected.
        """
        self._factories = factories
        self.releases: dict[str, ReleaseFold] = {}
        self.offset = -1
        """the newest record that was taken; older ones are skipped"""
        self._era = era
        self._entered_ms = 0
        """when the first record of the present second was appended"""
        self._final_s: dict[int, int] = {}
        self._changed: set[str] = set()
        self._awake: set[str] = set()
        """the releases that time may change; the others are known to be idle"""
        self._waiting: set[str] = set()
        """releases that wait for another one of their service"""
        self._refusing: set[str] = set()
        """releases with refused outcomes that are not told yet"""
        self._strangers = Strangers()
        self._restored_due: int | None = None
        """for as long as not everything that waits is read again"""

    @property
    def era(self) -> int:
        """The era of the log; 0 before its first record."""
        return self._era

    @property
    def due(self) -> int:
        """The oldest record that has to be read when this is restored from a snapshot taken now."""
        if self._restored_due is not None:
            return self._restored_due
        since = self._strangers.since
        return self.offset + 1 if since is None else since

    def advance(self, offset: int, append_ms: int, record: Record) -> Effects:
        """Takes the record at `offset`, appended at `append_ms`, and gives what is to be done about it."""
        effects = Effects()
        if offset <= self.offset:
            self._read_again(offset, record)
            return effects
        self.offset, self._restored_due = offset, None
        self._era = self._era or append_ms // 1000
        at = Position(self._era, offset, append_ms)
        waiting = [name for name in sorted(self._waiting) if self.releases[name].offset < offset]
        match record:
            case Panes():
                self._contribute(record, at, effects)
            case Spec():
                self._apply(record, at, effects)
            case Command():
                self._command(record, at, effects)
            case Sidecars():
                self._observe(record, at, effects)
            case Reactions():
                self._react(record, at, effects)
            case Tick():
                pass
            case _:
                assert_never(record)
        self._enter_second(at, effects)
        self._relieve(waiting, at, effects)
        return effects

    def _read_again(self, offset: int, record: Record) -> None:
        if isinstance(record, Panes):
            with suppress(InvalidRecord):  # which was told when it was read first
                self._sorted(record, offset)

    def _contribute(self, panes: Panes, at: Position, effects: Effects) -> None:
        try:
            by_release = self._sorted(panes, at.offset)
        except InvalidRecord as error:
            effects.rejected = f"source {panes.source}: {error}"
            return
        was_final_s = self._final_s.get(panes.source, 0)
        refused = {} if panes.more else self._refuse(panes, at, effects)
        for name in dict.fromkeys((*by_release, *refused)):
            rows, events = by_release.get(name, ()), refused.get(name, 0)
            decision = self._woken(name, at).contribute(
                panes, rows, was_final_s, at, refused=events, pace=self._pace
            )  # fmt: skip
            self._took(name, decision, effects)
        if not panes.more:
            self._final_s[panes.source] = max(was_final_s, panes.final_s)
            for name in sorted(self._refusing.difference(by_release, refused)):
                self._woken(name, at).finish(panes.source, panes.final_s, at)
                self._took(name, None, effects)

    def _sorted(self, panes: Panes, record: int) -> dict[str, list[PaneRow]]:
        """Gives the panes of whom takes part, by release, and lets the others wait that are not refused yet."""
        final_s = self._final_s.get(panes.source, 0)
        by_release: dict[str, list[PaneRow]] = {}
        for row in rows_of(panes):
            if self._takes_part(row.key):
                by_release.setdefault(row.key.release, []).append(row)
            elif row.second >= final_s:
                self._strangers.add(Stranger(record, panes.source, panes.offset, row))
        return by_release

    def _takes_part(self, key: PaneKey) -> bool:
        release = self.releases.get(key.release)
        return release is not None and release.knows(key.variant)

    def _refuse(self, panes: Panes, at: Position, effects: Effects) -> dict[str, int]:
        """Refuses panes that waited and are final now; gives how many events of each release that exists."""
        events: dict[str, int] = {}
        for stranger in self._strangers.finish(panes.source, panes.final_s):
            release = self.releases.get(stranger.row.key.release)
            if release is not None and release.offset >= at.offset:
                continue  # it was, before the snapshot that the release is from
            pane = of_stranger(stranger, is_known=release is not None)
            effects.refused.append(pane)
            if release is not None:
                events[release.name] = events.get(release.name, 0) + pane.refusal.events
        return events

    def _apply(self, spec: Spec, at: Position, effects: Effects) -> None:
        effects.rejected = _refuse_document(spec, self._factories)
        if effects.rejected:
            return
        release = self.releases.get(spec.release)
        is_news = release is None or release.offset < at.offset
        prefix = parse_document(spec.document).spec.route.prefix
        behind = in_the_way(self.releases, spec.release, prefix, at.offset)
        if release is None:
            release = self.releases[spec.release] = ReleaseFold(spec.document, self._final_s, self._factories)
            decision: Decision | None = release.begin(at, behind)
        elif is_news and behind and release.standing is Standing.LIVE:
            effects.rejected = f"release {spec.release}: {behind} has the traffic of {prefix} of the same service"
            return
        else:
            decision = self._woken(spec.release, at).apply(spec.document, self._final_s, at, behind)
        welcome = self._strangers.take(self._takes_part)
        if is_news:
            release.welcome(welcome)
        self._took(spec.release, decision, effects)

    def _relieve(self, waiting: Iterable[str], at: Position, effects: Effects) -> None:
        """Begins releases that have been `waiting` and need not any more: each sees those that begin before it.

        Others are told where another one is in their way now.
        """
        for name in sorted(waiting, key=lambda each: (self.releases[each].lives[-1][0], each)):
            release = self.releases[name]
            if release.standing is not Standing.QUEUED:
                continue
            if other := in_the_way(self.releases, name, release.prefix, at.offset + 1):
                decision = release.wait_for(other, at)
            else:
                decision = release.relieve(at)
            if decision is not None:
                self._took(name, decision, effects)

    def _command(self, command: Command, at: Position, effects: Effects) -> None:
        release = self.releases.get(command.release)
        if release is None:
            effects.rejected = f"{command.action}: no release {command.release!r}"
            return
        try:
            other = in_the_way(self.releases, command.release, release.prefix, at.offset)
            decision = self._woken(command.release, at).command(command, at, other)
        except InvalidRecord as error:
            effects.rejected, decision = str(error), None
        self._took(command.release, decision, effects)

    def _observe(self, told: Sidecars, at: Position, effects: Effects) -> None:
        if told.release not in self.releases:
            effects.rejected = f"sidecars: no release {told.release!r}"
            return
        self._took(told.release, self._woken(told.release, at).observe(told.divergences, at), effects)

    def _react(self, told: Reactions, at: Position, effects: Effects) -> None:
        if told.release not in self.releases:
            effects.rejected = f"reactions: no release {told.release!r}"
            return
        self._took(told.release, self._woken(told.release, at).react(told, at), effects)

    def _enter_second(self, at: Position, effects: Effects) -> None:
        if at.time_ms // 1000 <= self._entered_ms // 1000:
            return
        self._entered_ms = at.time_ms
        for name in sorted(self._awake):
            release = self.releases[name]
            if release.offset >= at.offset:
                continue
            if release.is_idle:
                self._awake.remove(name)
            else:
                self._took(name, release.tick(at, pace=self._pace), effects)

    def _woken(self, name: str, at: Position) -> ReleaseFold:
        """Gives a release that a record concerns, as it is at the beginning of the present second."""
        release = self.releases[name]
        if release.offset < at.offset:
            release.catch_up(self._entered_ms, self._pace)
        return release

    @property
    def _pace(self) -> int:
        """How many intervals a canary lets pass between two looks at its gate: many releases take turns."""
        return min(_SLOWEST_PACE, 1 + len(self.releases) // _RELEASES_PER_PACE)

    def _took(self, name: str, decision: Decision | None, effects: Effects) -> None:
        release = self.releases[name]
        self._changed.add(name)
        self._awake.add(name)
        if release.is_refusing or name in self._refusing:
            effects.refused += [of_outcomes(name, one) for one in release.take_refused()]
            (self._refusing.add if release.is_refusing else self._refusing.discard)(name)
        if decision is not None:
            (self._waiting.add if release.standing is Standing.QUEUED else self._waiting.discard)(name)
            effects.published.append(Published(decision, release.weights_record(decision), release.document))

    @property
    def is_idle(self) -> bool:
        """Whether time alone can change nothing."""
        return all(self.releases[name].is_idle for name in self._awake)

    def take_changed(self) -> list[str]:
        """Gives the releases that changed since the last call."""
        changed = sorted(self._changed)
        self._changed.clear()
        return changed

    def snapshot(self) -> bytes:
        """Gives the ledger without its releases. Written after the releases that changed, it vouches for them."""
        now_s = self._entered_ms // 1000
        kept = LedgerSnapshot(
            _SNAPSHOT_VERSION, self.offset, self._era, now_s, self._final_s, self.due, self._entered_ms
        )  # fmt: skip
        return msgspec.msgpack.encode(kept)

    @classmethod
    def restore(
        cls, ledgers: Iterable[bytes], releases: Iterable[Sequence[bytes]], factories: Factories = NO_FACTORIES
    ) -> "Ledger":
        """Gives the ledger that the newest of `ledgers` was taken of, with the newest snapshot of each release.

        Each item of `releases` holds all snapshots that are known of one release. Those of an older era are of a log
        that is no more, and are passed over.
        """
        known = [_decoded(payload) for payload in ledgers]
        newest = [_newest(payloads, factories) for payloads in releases]
        era = max([snapshot.era for snapshot in known] + [release.era for release in newest], default=0)
        ledger = cls(factories=factories)
        ledger.releases = {release.name: release for release in newest if release.era == era}
        ledger._waiting = {name for name, one in ledger.releases.items() if one.standing is Standing.QUEUED}
        ledger._refusing = {name for name, one in ledger.releases.items() if one.is_refusing}
        ledger._awake = set(ledger.releases)
        of_era = [snapshot for snapshot in known if snapshot.era == era]
        if of_era:
            latest = max(of_era, key=lambda snapshot: snapshot.offset)
            ledger.offset, ledger._era = latest.offset, latest.era
            ledger._entered_ms = latest.entered_ms or 1000 * latest.now_s
            ledger._final_s = dict(latest.final_s)
            ledger._restored_due = latest.due if 0 <= latest.due <= latest.offset else None
        return ledger


def _refuse_document(spec: Spec, factories: Factories) -> str:
    """Gives why the document of a spec cannot be applied; empty where it can."""
    try:
        release = parse_document(spec.document)
    except ValidationError as error:
        return f"release {spec.release}: not a release file: {error}"
    if release.name != spec.release:
        return f"release {spec.release}: its document is of release {release.name!r}"
    refusal = refusal_of_policy(release.spec, factories)
    return f"release {spec.release}: {refusal}" if refusal else ""


def _newest(payloads: Sequence[bytes], factories: Factories) -> ReleaseFold:
    folds = [ReleaseFold.restore(payload, factories) for payload in payloads]
    return max(folds, key=lambda fold: (fold.era, fold.offset))


def _decoded(payload: bytes) -> LedgerSnapshot:
    try:
        snapshot = msgspec.msgpack.decode(payload, type=LedgerSnapshot)
    except msgspec.DecodeError as error:
        raise EngineError(f"not a snapshot of a ledger: {error}") from error
    if snapshot.version != _SNAPSHOT_VERSION:
        raise EngineError(f"ledger snapshot of version {snapshot.version}: expected {_SNAPSHOT_VERSION}")
    return snapshot
