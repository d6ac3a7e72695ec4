"""The decide agent: evidence in, decisions out. What is decided is the engine's to say."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import faust
import structlog
from faust.types import TP

from trimtab.engine.ledger import Effects, Ledger, Published
from trimtab.engine.policy.build import Factories
from trimtab.engine.precedence import Standing
from trimtab.schemas import decision as decisions
from trimtab.schemas import evidence
from trimtab.schemas.dead_letter import MAX_PAYLOAD, DeadLetter
from trimtab.schemas.decision import Decision
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.routing import routed
from trimtab.schemas.topics import DECISIONS, EVIDENCE, TELEMETRY, WEIGHTS
from trimtab.streams.chunk import Record
from trimtab.streams.decision_kind import Kind, kind_of
from trimtab.streams.edge import Commits, DeadLetters, Outbox
from trimtab.streams.latency import Latency
from trimtab.streams.lookout import Wanted
from trimtab.streams.order import Order, due_record
from trimtab.streams.publication import Offer, Publication
from trimtab.streams.settings import DecideSettings
from trimtab.streams.snapshots import Snapshots
from trimtab.streams.traces import Traces

_TICK_S: Final = 1.0
_SNAPSHOT_SHARE: Final = 0.003
"""Of the time, at most, that is spent on one partition's snapshots."""
_LONGEST_PAUSE_S: Final = 20.0
_YIELD_EVERY: Final = 20
"""Records, after which whoever else has work gets a turn."""
_TICK: Final = evidence.encode(evidence.Tick())
_log = structlog.get_logger()


@dataclass(slots=True)
class _Shard:
    """One evidence partition, for as long as the group's generation lasts."""

    partition: int
    generation: int
    order: Order
    ledger: Ledger
    offers: dict[str, Offer]
    newest: dict[str, Decision]
    """release -> its newest decision, of those that can be read"""
    snapshot_due_s: float = 0.0
    heard_s: float = field(default_factory=time.monotonic)


class Decide:
    """Keeps a ledger for each evidence partition, and publishes what it decides."""

    def __init__(  # noqa: PLR0913 - what a worker is put together from
        self,
        app: faust.App,
        settings: DecideSettings,
        table: faust.Table,
        publication: Publication,
        factories: Factories,
        *,
        latency: Latency,
        traces: Traces | None = None,
    ) -> None:
        """`factories`: policies that users bring."""
        self._traces = traces
        self._app = app
        self._latency = latency
        self._settings = settings
        self._publication = publication
        self._shards: dict[int, _Shard] = {}
        self._outbox = Outbox(app)
        self._snapshots = Snapshots(table.data, table.changelog_topic_name, self._outbox, factories)
        self._dead_letters = DeadLetters(self._outbox)
        self._commits = Commits(app)
        self._woken: tuple[int, set[int]] = (-1, set())
        """generation of the group, and the partitions that were looked after in it"""
        self.decided: Counter[Kind] = Counter()
        """decisions since the worker started, by what they did"""

    @property
    def refused(self) -> Counter[str]:
        """Events refused since the worker started, by code."""
        return self._dead_letters.events

    @property
    def letters(self) -> int:
        """Dead letters written since the worker started."""
        return self._dead_letters.letters

    def newest(self) -> list[Decision]:
        """Gives the newest decision of each release that this worker speaks for. May be called by another thread."""
        return [decision for shard in list(self._shards.values()) for decision in list(shard.newest.values())]

    def positions(self) -> dict[int, int]:
        """Gives partition -> next offset to take, of those that brought a record since they were assigned."""
        generation = self._app.consumer_generation_id
        current = [shard for shard in self._shards.values() if shard.generation == generation]
        # Record by record: a chunk of evidence may take seconds.
        return {shard.partition: shard.ledger.offset + 1 for shard in current}

    def wanted(self) -> dict[str, tuple[Wanted, list[Divergence]]]:
        """Gives what sidecars are to have of each release of this worker that is not over, and what they diverge in."""
        generation = self._app.consumer_generation_id
        return {
            name: (Wanted(fold.newest, fold.weights), fold.divergences)
            for shard in self._shards.values()
            if shard.generation == generation
            for name, fold in shard.ledger.releases.items()
            if fold.standing is Standing.LIVE
        }

    def watched(self) -> list[str]:
        """Gives the live releases of this worker of which a guardrail looks at reaction times."""
        generation = self._app.consumer_generation_id
        return [
            name
            for shard in self._shards.values()
            if shard.generation == generation
            for name, fold in shard.ledger.releases.items()
            if fold.wants_reactions and fold.standing is Standing.LIVE
        ]

    async def tell(self, told: evidence.Sidecars | evidence.Reactions) -> None:
        """Writes what was seen of a release of this worker into its evidence."""
        for shard in self._shards.values():
            if told.release in shard.ledger.releases:
                await self._outbox.send(EVIDENCE, evidence.encode(told), partition=shard.partition)

    async def consume(self, stream: faust.Stream) -> None:
        """Takes every record of the evidence log; never ends by itself."""
        async for event in stream.noack().events():
            message = event.message
            shard = await self._shard(message.partition, message.generation_id)
            for number, record in enumerate(await shard.order.admit(event.value), 1):
                await self._take(shard, record)
                if number % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
                if time.monotonic() >= shard.snapshot_due_s:
                    await self._snapshot(shard)

    async def _shard(self, partition: int, generation: int) -> _Shard:
        shard = self._shards.get(partition)
        # Every rebalance rewinds every partition to its commit, also those that are kept.
        if shard is None or shard.generation != generation:
            if shard is not None:
                self._publication.withdraw(shard.ledger.releases)
            ledger, offers = self._snapshots.restore(partition)
            due = await due_record(self._app, TP(EVIDENCE, partition), ledger.due)
            order = Order(self._app, TP(EVIDENCE, partition), due)
            for offer in offers:
                self._publication.offer(offer)
            by_release = {offer.release: offer for offer in offers}
            shard = _Shard(partition, generation, order, ledger, by_release, _read(offers))
            self._shards[partition] = shard
            _log.info("evidence_assigned", partition=partition, offset=ledger.offset, releases=len(ledger.releases))
        return shard

    async def _take(self, shard: _Shard, message: Record) -> None:
        offset, append_ms, payload = message.offset, message.timestamp, message.value or b""
        shard.heard_s = time.monotonic()
        try:
            record = evidence.decode(payload)
        except InvalidRecord as error:
            await self._reject(shard.partition, offset, append_ms, payload, error)
            return
        if isinstance(record, evidence.Panes) and record.event_ms:
            told_of = {key.release for key in record.keys}
            live = [release for release in told_of if _is_live(shard.newest.get(release))]
            self._latency.heard(live, record.event_ms, append_ms)
            if self._traces is not None:
                self._traces.heard(live, message)
        effects = shard.ledger.advance(offset, append_ms, record)
        if effects.rejected:
            await self._reject(shard.partition, offset, append_ms, payload, InvalidRecord(effects.rejected))
        for published in effects.published:
            await self._publish(shard, published)
        await self._refuse(effects, append_ms)

    async def _publish(self, shard: _Shard, published: Published) -> None:
        decision = published.decision
        encoded = decisions.encode(decision)
        weights = decisions.encode(routed(published.weights, decision, published.document))
        offer = Offer(decision.release, decision.id, weights, encoded, published.document)
        shard.offers[decision.release] = offer
        self._latency.decided(decision.release, decision.id)  # before anybody can see it
        self._publication.offer(offer)
        key, headers = decision.release.encode(), self._traces.decided(decision) if self._traces else ()
        await self._outbox.send(DECISIONS, encoded, key=key, partition=shard.partition, headers=headers)
        await self._outbox.send(WEIGHTS, weights, key=key, partition=shard.partition, headers=headers)
        self.decided[kind_of(shard.newest.get(decision.release), decision)] += 1
        shard.newest[decision.release] = decision
        _log.info(
            "decision_published", release=decision.release, revision=decision.revision, phase=str(decision.phase),
            weights=decision.weights, rule=decision.rule,
        )  # fmt: skip

    async def _refuse(self, effects: Effects, append_ms: int) -> None:
        for pane in effects.refused:
            refusal = pane.refusal
            await self._dead_letters.write(
                DeadLetter(
                    source=TELEMETRY, partition=pane.source, offset=pane.first_offset, last_offset=pane.last_offset,
                    reason=refusal.reason, code=refusal.code, events=refusal.events, release=refusal.release,
                    time_ms=append_ms,
                )
            )  # fmt: skip

    async def _reject(self, partition: int, offset: int, append_ms: int, payload: bytes, error: InvalidRecord) -> None:
        _log.warning("evidence_rejected", partition=partition, offset=offset, code=error.code, reason=str(error))
        await self._dead_letters.write(
            DeadLetter(
                source=EVIDENCE, partition=partition, offset=offset, last_offset=offset, reason=str(error),
                code=error.code, events=0, time_ms=append_ms, payload=payload[:MAX_PAYLOAD],
            )
        )  # fmt: skip

    async def _snapshot(self, shard: _Shard) -> None:
        """Snapshots what changed, waits until it is durable, and only then commits the evidence.

        What was decided is made safe before: a snapshot that is there first would hide that it never arrived.
        """
        await self._outbox.settle()
        spent_s = await self._snapshots.write(shard.partition, shard.generation, shard.ledger, shard.offers)
        # What takes long because there is much of it is done less often: a restart then reads more evidence again.
        pause_s = max(self._settings.snapshot_ms / 1000, min(spent_s / _SNAPSHOT_SHARE, _LONGEST_PAUSE_S))
        shard.snapshot_due_s = time.monotonic() + pause_s
        await self._outbox.settle()
        if shard.generation == self._app.consumer_generation_id:
            await self._commits.commit(EVIDENCE, {shard.partition: shard.ledger.due})
            await self._snapshots.drop_older(shard.partition, shard.generation)

    async def tick_forever(self) -> None:
        """Writes time into evidence partitions that are silent while a release of theirs waits for it."""
        while True:
            await asyncio.sleep(_TICK_S / 2)
            now_s, generation = time.monotonic(), self._app.consumer_generation_id
            if self._app.rebalancing:
                continue
            assigned = {tp.partition for tp in self._app.consumer.assignment() if tp.topic == EVIDENCE}
            self._let_go(assigned)
            await self._wake(generation, assigned)
            for shard in list(self._shards.values()):
                shard.order.check()
                is_silent = now_s - shard.heard_s >= _TICK_S and not shard.ledger.is_idle
                if shard.generation == generation and is_silent:
                    shard.heard_s = now_s
                    await self._outbox.send(EVIDENCE, _TICK, partition=shard.partition)

    async def _wake(self, generation: int, assigned: set[int]) -> None:
        """Writes time, once, into partitions that have releases and are silent since they were assigned.

        Else nobody would speak for these releases before something happens: not to Prometheus, nor to a Redis that
        was restarted empty.
        """
        if self._app.in_recovery or not assigned:
            return
        if self._woken[0] != generation:
            self._woken = (generation, set())
        for partition in assigned - self._woken[1]:
            self._woken[1].add(partition)
            shard = self._shards.get(partition)
            if (shard is None or shard.generation != generation) and self._snapshots.has(partition):
                await self._outbox.send(EVIDENCE, _TICK, partition=partition)

    def _let_go(self, assigned: set[int]) -> None:
        """Forgets partitions that another worker has now, so that this one no longer speaks for their releases."""
        for partition in self._shards.keys() - assigned:
            releases = self._shards.pop(partition).ledger.releases
            self._publication.withdraw(releases)
            for release in releases:
                self._latency.forget(release)


def _is_live(newest: Decision | None) -> bool:
    return newest is not None and not newest.phase.is_over and not newest.queued_behind


def _read(offers: Iterable[Offer]) -> dict[str, Decision]:
    read = {}
    for offer in offers:
        with suppress(InvalidRecord):  # of a newer version: it is offered as it is, and shown nowhere
            read[offer.release] = decisions.decode_decision(offer.decision)
    return read
