"""The ledger of one Envoy: what it was offered, has in force and refused, and what to offer it next.

The rules, which are decided here and nowhere else:
  * One offer at a time: the next one waits for the answer. Weights that change meanwhile are in the next one.
  * A release never goes back to an older revision than Envoy has in force, be it from an earlier life of the sidecar.
    The fallback of a revision takes its place, and makes way for it again.
  * What was refused is not offered again; the next newer revision is, and so is the fallback of a revision refused.
  * One release's bad weights do not hold up another's. Envoy takes or refuses the route table as a whole. So when
    it refuses several new revisions at once, they are offered one by one, the others standing by on what is in force.
  * A release that stands by and of which this Envoy has nothing gets its newest weights that another Envoy on this
    sidecar (or this one, before it was restarted) accepted; without these its prefix is closed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.sidecar.edition import Edition

Records = Mapping[str, WeightsRecord]
"""Release -> weights."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A route table that Envoy is asked to take."""

    records: Records
    """the releases with routes to variants"""
    closed: Records
    """the releases whose prefixes answer that nothing is there"""
    tried: tuple[str, ...]
    """the releases for whose sake it is made"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A revision that Envoy refused, and why, in its own words."""

    revision: Revision
    words: str
    """those of the last time"""
    fallbacks: frozenset[str] = frozenset({""})
    """what of the revision was refused: itself (""), its fallback, or both"""

    def is_of(self, record: WeightsRecord) -> bool:
        """Whether `record` itself was refused."""
        return self.revision == record.id and record.fallback in self.fallbacks


@dataclass(slots=True)
class Ledger:
    """What one Envoy has of `releases`. `in_force` starts as what Envoy said that it had when it connected."""

    releases: Sequence[str]
    in_force: dict[str, Edition] = field(default_factory=dict)
    offered: dict[str, Revision] = field(default_factory=dict)
    refused: dict[str, Refusal] = field(default_factory=dict)
    _records: Records = field(default_factory=dict)
    _pending: Offer | None = None
    _answered: bool = False
    _singly: bool = False

    def offer(self, newest: Records, accepted: Records) -> Offer | None:
        """Gives the offer to make now, or None while there is nothing to offer or an answer is awaited.

        `newest` are the weights as they should be, `accepted` the newest ones that any Envoy accepted. There is no
        offer before every release has weights: a table without one of them would send its requests elsewhere.
        """
        if self._pending or any(self._is_behind(newest.get(release), release) for release in self.releases):
            return None
        fresh = [release for release in self.releases if self._is_fresh(newest[release])]
        if not fresh:
            self._singly = False
            return None
        tried = fresh[:1] if self._singly else fresh
        self._pending = self._compose(tried, newest, accepted)
        self.offered.update((name, self._newer(name, record)) for name, record in self._pending.records.items())
        return self._pending

    def accept(self) -> Offer:
        """Takes note that Envoy accepted what it was offered last, and gives it."""
        offer = self._settle()
        self._records = offer.records
        self.in_force = {release: Edition.of(record) for release, record in offer.records.items()}
        for release, record in offer.records.items():
            refusal = self.refused.get(release)
            if refusal is not None and (refusal.revision < record.id or refusal.is_of(record)):
                del self.refused[release]
        return offer

    def refuse(self, words: str) -> Offer:
        """Takes note that Envoy refused it, and gives it. What was tried alone counts as refused from then on."""
        offer = self._settle()
        if len(offer.tried) == 1:
            self._take_refusal(offer.records[offer.tried[0]], words)
        else:
            self._singly = True
        return offer

    def _take_refusal(self, record: WeightsRecord, words: str) -> None:
        before = self.refused.get(record.release)
        known = before.fallbacks if before is not None and before.revision == record.id else frozenset[str]()
        self.refused[record.release] = Refusal(record.id, words, known | {record.fallback})

    @property
    def is_waiting(self) -> bool:
        """Whether Envoy owes an answer."""
        return self._pending is not None

    def standing_refusal(self, release: str) -> Refusal | None:
        """Gives the refusal of the newest revision of `release` that was offered, if it was refused."""
        refusal = self.refused.get(release)
        return refusal if refusal is not None and refusal.revision >= self.offered[release] else None

    def _settle(self) -> Offer:
        if self._pending is None:
            raise ValueError("an answer came, but nothing was offered")
        offer, self._pending, self._answered = self._pending, None, True
        return offer

    def _is_behind(self, record: WeightsRecord | None, release: str) -> bool:
        return record is None or record.id < self.in_force.get(release, Edition()).revision

    def _is_fresh(self, record: WeightsRecord) -> bool:
        refusal = self.refused.get(record.release)
        if refusal is not None and refusal.is_of(record):
            return False
        # The first offer is made in any case: it may be about a release that the sidecar no longer has.
        return not self._answered or self.in_force.get(record.release) != Edition.of(record)

    def _newer(self, release: str, record: WeightsRecord) -> Revision:
        return max(record.id, self.offered.get(release, NO_REVISION))

    def _compose(self, tried: Sequence[str], newest: Records, accepted: Records) -> Offer:
        records: dict[str, WeightsRecord] = {}
        closed: dict[str, WeightsRecord] = {}
        for release in self.releases:
            record = newest[release] if release in tried else self._standby(newest[release], accepted.get(release))
            if record is None:
                closed[release] = newest[release]
            else:
                records[release] = record
        return Offer(records, closed, tuple(tried))

    def _standby(self, newest: WeightsRecord, accepted: WeightsRecord | None) -> WeightsRecord | None:
        """Gives the weights of a release that is not tried now: in force here, else accepted elsewhere, else none."""
        release = newest.release
        in_force = self.in_force.get(release)
        if in_force == Edition.of(newest):
            return newest
        if release in self._records:
            return self._records[release]
        if accepted is not None and accepted.id >= (in_force or Edition()).revision:
            return accepted
        # In force since before this sidecar's life: its weights are not known, and closing it would take them away.
        return None if in_force is None else newest
