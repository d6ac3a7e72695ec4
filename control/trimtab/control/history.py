"""The decisions of a release as `trimtab.decisions` has them, found without reading all of it.

All releases of a partition share the evidence log that revisions count, so that revisions rise along the partition,
whosever they are. They go back only where a worker was started again or lost its part, as far as it decided anew: a
search by halves finds the place, and what is missing there is looked for in the neighbourhood.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec

from trimtab.control.kafka_log import Entry, KafkaLog
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.schemas.topics import DECISIONS, evidence_partition

_NEIGHBOURHOOD: Final = 20_000
"""Messages to either side: what a worker decides in the twenty seconds that it may have to read again, and more."""


_STEP: Final = 1_000
"""Messages that a look backwards reads first; each further step is twice as long, up to `_LONGEST_STEP`."""
_LONGEST_STEP: Final = 16_000
_FARTHEST: Final = 100_000
"""Messages that one page may cost; it tells where the next one is to go on."""


class Found(NamedTuple):
    """A decision, and its JSON as the topic has it."""

    decision: Decision
    payload: bytes


class Page(NamedTuple):
    """Decisions, newest first, and the revision before which the next page begins; None at the oldest."""

    items: list[Found]
    next: Revision | None


class _Id(msgspec.Struct):
    release: str
    era: int
    revision: int


_decode_id = msgspec.json.Decoder(_Id).decode


class History:
    """The recorded decisions of one release."""

    def __init__(self, log: KafkaLog, release: str) -> None:
        self._log, self._release = log, release
        self._partition = evidence_partition(release, log.partitions(DECISIONS))
        self._low, self._high = log.bounds(DECISIONS, self._partition)

    def get(self, wanted: Revision) -> Decision | None:
        """Gives the decision of that revision; None where it is not there (any more).

        An era of 0 stands for that of the newest decision. Raises `NewerVersion` and `InvalidRecord` for one that
        cannot be read.
        """
        wanted = wanted if wanted[0] else (self._newest()[0], wanted[1])
        place = self._place(wanted)
        for start, stop in ((place, place + _NEIGHBOURHOOD), (place - _NEIGHBOURHOOD, place)):
            for entry, found in self._read(max(start, self._low), min(stop, self._high)):
                if (found.release, (found.era, found.revision)) == (self._release, wanted):
                    return decode_decision(entry.value)
        return None

    def page(self, before: Revision | None, limit: int) -> Page:
        """Gives at most `limit` decisions older than `before`, newest first; from the newest where that is None.

        What cannot be read is passed over. There may be fewer of them, and still a `next`.
        """
        found: dict[Revision, Found] = {}
        stop, first, step = self._high if before is None else self._place(before), None, _STEP
        farthest = stop - _FARTHEST
        while stop > self._low and len(found) < limit and stop > farthest:
            start = max(self._low, stop - step)
            entries = list(self._read(start, stop))
            first = next((_revision(one) for _, one in entries), first)
            ours = (entry for entry, one in entries if self._is_ours(one, before))
            found |= {one.decision.id: one for one in _readable(ours)}
            stop, step = start, min(step * 2, _LONGEST_STEP)
        items = [found[revision] for revision in sorted(found, reverse=True)]
        if len(items) > limit:
            return Page(items[:limit], items[limit - 1].decision.id)
        return Page(items, None if stop <= self._low else first)

    def after(self, last: Revision, limit: int) -> list[Found]:
        """Gives at most `limit` decisions newer than `last`, oldest first; what cannot be read is passed over."""
        found: list[Found] = []
        for entry, one in self._read(self._place((last[0], last[1] + 1)), self._high):
            if one.release == self._release and _revision(one) > last:
                more = list(_readable([entry]))
                found += more
                last = more[-1].decision.id if more else last
            if len(found) == limit:
                break
        return found

    def _is_ours(self, one: _Id, before: Revision | None) -> bool:
        return one.release == self._release and (before is None or _revision(one) < before)

    def oldest(self) -> Revision:
        """Gives the oldest revision that the partition still has, whosever it is; NO_REVISION where it has none."""
        return next((_revision(found) for _, found in self._read(self._low, self._high)), NO_REVISION)

    def _newest(self) -> Revision:
        step = 1
        while True:
            start = max(self._low, self._high - step)
            last = NO_REVISION
            for _, found in self._read(start, self._high):
                last = _revision(found)
            if last != NO_REVISION or start == self._low:
                return last
            step *= 8

    def _place(self, wanted: Revision) -> int:
        """Gives an offset before which is an older revision, and at which is the wanted one or a newer one."""
        low, high = self._low, self._high
        while low < high:
            middle = (low + high) // 2
            entry, found = next(self._read(middle, high), (None, None))
            if entry is None or found is None or _revision(found) >= wanted:
                high = middle
            else:
                low = entry.offset + 1
        return low

    def _read(self, start: int, stop: int) -> Iterator[tuple[Entry, _Id]]:
        """Gives what can be read as a decision at all."""
        for entry in self._log.read(DECISIONS, self._partition, start, stop):
            try:
                yield entry, _decode_id(entry.value)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue


def _readable(entries: Iterable[Entry]) -> Iterator[Found]:
    for entry in entries:
        try:
            yield Found(decode_decision(entry.value), entry.value)
        except InvalidRecord:
            continue


def _revision(found: _Id) -> Revision:
    return found.era, found.revision
