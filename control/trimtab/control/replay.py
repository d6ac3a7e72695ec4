"""Replay: an evidence log through the engine once more, and its decisions against those that were recorded.

* Law 2 says that they are the same to the last bit. Compared are the bytes of their JSON.
* A decision that was recorded twice (a worker that was started again decides anew) has to be the same both times.
* What is missing on one side is a difference, unless nobody can have it: retention keeps no older decisions, no worker
  has got so far yet, or the log ends before.
* Of a log whose beginning is gone, releases that began before what is left cannot be replayed: they are named.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from trimtab.control.evidence_log import EvidenceLog
from trimtab.control.kafka_log import Entry
from trimtab.engine.ledger import Ledger
from trimtab.engine.policy.build import NO_FACTORIES, Factories
from trimtab.schemas import evidence
from trimtab.schemas.decision import Decision, encode
from trimtab.schemas.errors import InvalidRecord, NewerVersion
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.schemas.nearest import near

_ABSENT: Final = "nothing"


class Until(NamedTuple):
    """Where to end: what is appended later, or causes a later revision, is left out."""

    time_ms: int | None = None
    revision: int | None = None

    def is_past(self, entry: Entry) -> bool:
        """Whether a record is left out, and all that follow it."""
        if self.time_ms is not None and entry.time_ms > self.time_ms:
            return True
        return self.revision is not None and entry.offset >= self.revision


class Difference(NamedTuple):
    """Where a decision differs from its recorded form: the first field in the order of the record."""

    release: str
    revision: Revision
    field: str
    recorded: str
    replayed: str


@dataclass(slots=True)
class Comparison:
    """What replaying one partition showed."""

    partition: int
    start: int
    records: int = 0
    unreadable: int = 0
    """records that no worker can have used, either"""
    newer: int = 0
    """records of a newer version than this program's, which a newer worker did use"""
    missing: int = 0
    """offsets without a record, before that of a later one"""
    first_missing: int = -1
    """the lowest of them; -1 where there is none"""
    absent: str = ""
    """what is to be said of a release that was asked for and that neither side knows; empty where one does"""
    replayed: int = 0
    """decisions, of the releases that are compared"""
    identical: int = 0
    differing: int = 0
    first: Difference | None = None
    """of the lowest revision"""
    forgotten: int = 0
    """decisions from before the oldest one that is still recorded"""
    ahead: int = 0
    """decisions beyond the newest one that is recorded yet"""
    began_before: list[str] = field(default_factory=list)
    """releases that cannot be compared, for their beginning is gone"""

    @property
    def is_identical(self) -> bool:
        """Whether there was something to compare, and all of it was the same. Nothing is not the same."""
        return self.identical > 0 and self.differing == 0

    def count(self, offset: int, expected: int) -> None:
        """Takes the next record; it was `expected` at an offset, and none may have come between."""
        self.records += 1
        if offset > expected:
            self.first_missing = expected if self.first_missing < 0 else self.first_missing
            self.missing += offset - expected

    def note(self, difference: Difference) -> None:
        """Takes note of a decision that differs."""
        self.differing += 1
        if self.first is None or difference.revision < self.first.revision:
            self.first = difference


class _Id(msgspec.Struct):
    release: str
    era: int
    revision: int
    replaces: Revision


_decode_id = msgspec.json.Decoder(_Id).decode


class Recorded:
    """The recorded decisions of a partition, of one release or of all. They are held in memory."""

    def __init__(self, entries: Iterable[Entry], release: str = "") -> None:
        self.by_id: dict[tuple[Revision, str], bytes] = {}
        self.begins: dict[str, set[Revision]] = {}
        """release -> revisions that replace nothing"""
        self.oldest, self.newest = NO_REVISION, NO_REVISION
        self.conflicts: list[Difference] = []
        for entry in entries:
            try:
                known = _decode_id(entry.value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
            revision = (known.era, known.revision)
            self.oldest = min(self.oldest, revision) if self.oldest != NO_REVISION else revision
            self.newest = max(self.newest, revision)
            if release in ("", known.release):
                self._add(known, revision, entry.value)

    def _add(self, known: _Id, revision: Revision, payload: bytes) -> None:
        if known.replaces == NO_REVISION:
            self.begins.setdefault(known.release, set()).add(revision)
        before = self.by_id.setdefault((revision, known.release), payload)
        if before != payload:
            self.conflicts.append(difference(known.release, revision, before, payload))


def replay(
    log: EvidenceLog, *, release: str = "", until: Until | None = None, factories: Factories = NO_FACTORIES
) -> Comparison:
    """Replays a partition and compares its decisions, of one release or of all, with those recorded.

    `factories`: policies that users bring, the same as workers have.
    """
    found = Comparison(log.partition, log.start)
    recorded = Recorded(log.decisions(), release)
    ledger = ledger_of(log, recorded.newest[0], factories)
    unseen = set(recorded.by_id)
    comparable: dict[str, bool] = {}
    for entry, record in readable(log, until or Until(), found):
        for published in ledger.advance(entry.offset, entry.time_ms, record).published:
            made = published.decision
            if release not in ("", made.release):
                continue
            is_whole = log.start == 0 or made.id in recorded.begins.get(made.release, ())
            if comparable.setdefault(made.release, is_whole):
                _compare(made, recorded, found)
                unseen.discard((made.id, made.release))
    for revision, name in sorted(unseen):
        is_within = revision[0] == ledger.era and revision[1] <= ledger.offset + 1
        if is_within and comparable.setdefault(name, log.start == 0):
            found.note(Difference(name, revision, "(decision)", "one", _ABSENT))
    for conflict in recorded.conflicts:
        found.note(conflict)
    found.began_before = sorted(name for name, may in comparable.items() if not may)
    if release and release not in ledger.releases and not recorded.by_id:
        found.absent = f"no release {release!r}{near(release, ledger.releases)}"
    return found


def ledger_of(log: EvidenceLog, era: int, factories: Factories) -> Ledger:
    """Gives the ledger to begin with. Where the first record is gone, the era is the one that was recorded."""
    return Ledger(0 if log.start == 0 else era, factories)


def readable(log: EvidenceLog, until: Until, found: Comparison) -> Iterator[tuple[Entry, evidence.Record]]:
    """Gives the records that can be read, and counts all of them."""
    expected = log.start
    for entry in log.records():
        if until.is_past(entry):
            return
        found.count(entry.offset, expected)
        expected = max(expected, entry.offset + 1)
        try:
            yield entry, evidence.decode(entry.value)
        except NewerVersion:
            found.newer += 1
        except InvalidRecord:
            found.unreadable += 1


def _compare(made: Decision, recorded: Recorded, found: Comparison) -> None:
    found.replayed += 1
    known, payload = recorded.by_id.get((made.id, made.release)), encode(made)
    if known == payload:
        found.identical += 1
    elif known is not None:
        found.note(difference(made.release, made.id, known, payload))
    elif made.id <= recorded.oldest:  # a record may cause decisions on several releases
        found.forgotten += 1
    elif made.id >= recorded.newest:
        found.ahead += 1
    else:
        found.note(Difference(made.release, made.id, "(decision)", _ABSENT, "one"))


def difference(release: str, revision: Revision, recorded: bytes, replayed: bytes) -> Difference:
    """Gives the first field in which two encoded decisions differ."""
    apart = _apart(msgspec.json.decode(recorded), msgspec.json.decode(replayed), "")
    return Difference(release, revision, *(apart or ("(bytes)", f"{recorded!r:.80}", f"{replayed!r:.80}")))


def _apart(recorded: object, replayed: object, path: str) -> tuple[str, str, str] | None:
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        return _apart_in_dicts(recorded, replayed, path)
    if isinstance(recorded, list) and isinstance(replayed, list):
        pairs = zip(recorded, replayed, strict=False)
        apart = (_apart(one, other, f"{path}[{at}]") for at, (one, other) in enumerate(pairs))
        longer = None if len(recorded) == len(replayed) else (path, _items(recorded), _items(replayed))
        return next((found for found in apart if found), longer)
    is_same = type(recorded) is type(replayed) and recorded == replayed
    return None if is_same else (path, msgspec.json.encode(recorded).decode(), msgspec.json.encode(replayed).decode())


def _apart_in_dicts(recorded: dict[str, object], replayed: dict[str, object], path: str) -> tuple[str, str, str] | None:
    for key in [*recorded, *(key for key in replayed if key not in recorded)]:
        below = f"{path}.{key}" if path else key
        if key not in recorded or key not in replayed:
            return (below, _ABSENT, "something") if key in replayed else (below, "something", _ABSENT)
        if apart := _apart(recorded[key], replayed[key], below):
            return apart
    if list(recorded) != list(replayed):
        return f"{path} (order)", ", ".join(recorded), ", ".join(replayed)
    return None


def _items(items: list[object]) -> str:
    return f"{len(items)} items"
