"""What would have been decided on the same evidence under another release file, and what that would have been worth.

* The same records go through two ledgers. In the second one every spec of the release is the other file.
* The evidence is what happened under the actual weights. A variant with more traffic would have shown more of itself,
  sooner: the other policy is judged by what it makes of the evidence that there is, not of what it would have gathered.
* Commands by people count in both.
* The worth is that of the shares that the other file gives, second by second and segment by segment, in the objective
  of the other file, by `trimtab.engine.off_policy`. It begins with the first whole second of both, and ends with the
  last whole second of the log; where a share goes to a variant that had none, it ends before that, for nothing is known
  of what comes then.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from trimtab.control.evidence_log import EvidenceLog
from trimtab.control.replay import Comparison, Recorded, Until, ledger_of, readable
from trimtab.engine.ledger import Effects
from trimtab.engine.off_policy import Logged, TooFew, Unsupported, Values, estimate
from trimtab.engine.policy.build import NO_FACTORIES, Factories
from trimtab.engine.request_book import request_keep
from trimtab.engine.reward_log import Cell, RewardLog, Shares, strata
from trimtab.schemas.decision import Decision
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.evidence import Panes, Record, Spec
from trimtab.schemas.ids import Revision
from trimtab.schemas.release import Release


class Step(NamedTuple):
    """A moment at which something was decided, or would have been; None where not."""

    id: Revision
    actual: Decision | None
    other: Decision | None


@dataclass(frozen=True, slots=True)
class Worth:
    """What the other shares would have been worth from `since_s` on, up to `until_s`, that second left out."""

    since_s: int
    until_s: int
    values: Values | TooFew
    unknown: str = ""
    """the variant because of which nothing is known from `until_s` on; empty where all is"""
    stray: float = 0.0
    """trials that no share can have routed"""


@dataclass(slots=True)
class WhatIf:
    """One release, as it was and as it would have been."""

    release: Release
    """the other one"""
    rewards: RewardLog
    actual: list[Decision] = field(default_factory=list)
    other: list[Decision] = field(default_factory=list)
    end_s: int = 0
    """the second in which the log ends"""
    refused: str = ""
    """why the other file was not taken, the last time that it was not; empty where it always was"""

    def steps(self) -> Iterator[Step]:
        """Gives the moments, in order."""
        actual, other = ({made.id: made for made in decided} for decided in (self.actual, self.other))
        for moment in sorted({*actual, *other}):
            yield Step(moment, actual.get(moment), other.get(moment))

    @property
    def asked_all(self) -> bool:
        """Whether requests went to all variants at some time in either, as an ensemble has it: no shares route them."""
        return any(made.strategy == "ensemble" for made in (*self.actual, *self.other))

    def worth(self) -> Worth:
        """Gives what the other shares would have been worth; of a release that was decided on in both."""
        variants = list(dict.fromkeys(name for made in (*self.actual, *self.other) for name in made.weights))
        shares, targets = _shares(self.actual), _shares(self.other)
        since_s = max(shares.first_s, targets.first_s)
        end_s = self.end_s - self.rewards.waits_s
        seconds = [second for second in self.rewards.seconds if since_s <= second < end_s]
        cells = strata(seconds, shares, targets)
        logged = Logged.of(
            self.rewards.batches(variants, shares, cells),
            self.rewards.targets(variants, shares, targets, cells),
        )
        found = estimate(logged)
        if not isinstance(found, Unsupported):
            return Worth(since_s, max(since_s, end_s), found, stray=logged.stray)
        before = estimate(logged.before(_first_of_second(cells, found.first)))
        assert not isinstance(before, Unsupported)  # noqa: S101 - `first` is the first
        return Worth(since_s, cells[found.first][0], before, variants[found.arm], logged.stray)


def _shares(decided: list[Decision]) -> Shares:
    shares = Shares()
    for made in decided:
        shares.decide(made.time_ms, made.weights, made.id, segments=made.segments)
    return shares


def _first_of_second(cells: list[Cell], place: int) -> int:
    """Gives where the second of a cell begins: what is known ends with a whole second."""
    return next(at for at, cell in enumerate(cells) if cell[0] == cells[place][0])


def what_if(
    log: EvidenceLog,
    releases: Mapping[str, Release],
    until: Until | None = None,
    factories: Factories = NO_FACTORIES,
) -> dict[str, WhatIf]:
    """Gives, for each of these releases, what was and what would have been; `factories` as for `replay`.

    A release that the log does not apply has no decisions.
    """
    found = {name: WhatIf(other, _rewards_of(other)) for name, other in releases.items()}
    era = Recorded(log.decisions()).newest[0] if log.start else 0
    actual, other = ledger_of(log, era, factories), ledger_of(log, era, factories)
    for entry, record in readable(log, until or Until(), Comparison(log.partition, log.start)):
        for name, decision in _decided(actual.advance(entry.offset, entry.time_ms, record)):
            if name in found:
                found[name].actual.append(decision)
        effects = other.advance(entry.offset, entry.time_ms, _substituted(record, releases))
        for name, decision in _decided(effects):
            if name in found:
                found[name].other.append(decision)
        if isinstance(record, Spec) and record.release in found:
            found[record.release].refused = effects.rejected or found[record.release].refused
        for one in found.values():
            one.end_s = max(one.end_s, entry.time_ms // 1000)
            _collect(one.rewards, record)
    return found


def _rewards_of(release: Release) -> RewardLog:
    spec = release.spec
    return RewardLog(release.name, spec.objective.metric, request_keep(spec).cohorts, share_metric=spec.share_metric)


def _decided(effects: Effects) -> Iterator[tuple[str, Decision]]:
    for published in effects.published:
        yield published.decision.release, published.decision


def _substituted(record: Record, releases: Mapping[str, Release]) -> Record:
    if isinstance(record, Spec) and record.release in releases:
        return msgspec.structs.replace(record, document=releases[record.release].document())
    return record


def _collect(rewards: RewardLog, record: Record) -> None:
    if not isinstance(record, Panes):
        return
    try:
        rewards.merge(record)
    except InvalidRecord:  # the ledger refuses it, too
        return
