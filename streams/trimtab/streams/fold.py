"""The fold agent: telemetry in, contributions out. What is counted where is the engine's to say."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import faust
import msgspec
import structlog
from faust.types import TP

from trimtab.engine.batch import Message, Refusal
from trimtab.engine.pane import Mark, PaneBuilder
from trimtab.schemas import evidence, telemetry_columns, telemetry_message
from trimtab.schemas.dead_letter import MAX_PAYLOAD, DeadLetter
from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.topics import EVIDENCE, TELEMETRY, evidence_partition
from trimtab.streams.chunk import Record
from trimtab.streams.edge import Commits, DeadLetters, Outbox
from trimtab.streams.latency import Awaited, Latency
from trimtab.streams.order import Order, start_offset
from trimtab.streams.settings import FoldSettings
from trimtab.streams.traces import Traces

_COMMIT_S: Final = 0.5
_GROUP_BYTES: Final = 1 << 18
"""Telemetry that is folded without a pause: about 20,000 events as columns, some milliseconds."""
_RECORD_BYTES: Final = 100
"""What a record costs by itself, in bytes of payload that cost the same."""
_MOST_INTERVALS: Final = 9
_SLACK: Final = 0.5
"""Of an interval: the flush loop wakes a little early or late."""
_TICK_S: Final = 1.0
_NO_EVENTS: Final = telemetry_columns.pack([], publisher="", seq=0, sent_ms=0)
_TICK: Final = telemetry_message.encode(telemetry_columns.pack([], publisher="trimtab-fold", seq=0, sent_ms=0))
_log = structlog.get_logger()


@dataclass(slots=True)
class _Source:
    """One telemetry partition, for as long as the group's generation lasts."""

    builder: PaneBuilder
    order: Order
    generation: int
    awaited: Awaited
    heard_s: float
    """monotonic, when it last brought a message"""
    emitted_s: float = 0.0

    def is_due(self, settings: FoldSettings) -> bool:
        """Whether it is time to emit: less often where many panes changed.

        What an emission costs grows with the panes in it, and where there are very many of them a decision rests on
        few events of each. Panes with more new errors than chance explains do not wait.
        """
        intervals = min(_MOST_INTERVALS, self.builder.changed // settings.flush_panes)
        return time.monotonic() - self.emitted_s >= (intervals - _SLACK) * settings.flush_ms / 1000


class Fold:
    """Keeps a pane builder for each telemetry partition, and emits what changed."""

    def __init__(
        self,
        app: faust.App,
        settings: FoldSettings,
        evidence_partitions: int,
        latency: Latency,
        traces: Traces | None = None,
    ) -> None:
        self._app = app
        self._traces = traces
        self._latency = latency
        self._settings = settings
        self._evidence_partitions = evidence_partitions
        self._sources: dict[int, _Source] = {}
        self._outbox = Outbox(app)
        self._dead_letters = DeadLetters(self._outbox)
        self._commits = Commits(app)
        self._in_hand = 0
        """letters whose message is folded, but that the producer does not have yet"""
        self.events = 0
        """events taken since the worker started, refused ones included"""

    @property
    def refused(self) -> Counter[str]:
        """Events refused since the worker started, by code."""
        return self._dead_letters.events

    @property
    def letters(self) -> int:
        """Dead letters written since the worker started."""
        return self._dead_letters.letters

    async def consume(self, stream: faust.Stream) -> None:
        """Takes every message of the telemetry topic; never ends by itself."""
        async for event in stream.noack().events():
            message = event.message
            source = await self._source(message.partition, message.generation_id)
            records = await source.order.admit(event.value)
            if self._traces is not None:
                self._traces.took(message.partition, records)
            for group in _groups(records):
                letters = self.take(source.builder, group, source.awaited)
                self._in_hand += len(letters)
                for letter in letters:
                    await self._dead_letters.write(letter)
                    self._in_hand -= 1
                await asyncio.sleep(0)  # evidence, commands and emissions do not wait for a backlog of telemetry

    async def _source(self, partition: int, generation: int) -> _Source:
        source = self._sources.get(partition)
        # Every rebalance rewinds every partition to its commit, also those that are kept.
        if source is None or source.generation != generation:
            builder = PaneBuilder(partition, self._settings.spec, self._place)
            due, _ = await start_offset(self._app, TP(TELEMETRY, partition))
            order, awaited = Order(self._app, TP(TELEMETRY, partition), due), Awaited(self._settings.spec)
            source = _Source(builder, order, generation, awaited, 0.0)
            self._sources[partition] = source
        source.heard_s = time.monotonic()
        return source

    def _place(self, release: str) -> int:
        return evidence_partition(release, self._evidence_partitions)

    def take(self, builder: PaneBuilder, records: Sequence[Record], awaited: Awaited | None = None) -> list[DeadLetter]:
        """Folds messages that follow each other, and gives letters for what could not be counted."""
        messages = []
        letters: dict[int, DeadLetter] = {}
        for record in records:
            try:
                batch = telemetry_message.decode(record.value or b"")
            except InvalidEvent as error:
                letters[record.offset] = _letter(builder.source, record, Refusal(error.code, str(error), 1))
                batch = _NO_EVENTS
            self.events += batch.count or record.offset in letters
            messages.append(Message(record.offset, record.timestamp, batch))
        refused = builder.update_all(messages)
        if awaited is not None:
            awaited.note(messages)
        if not refused and not letters:
            return []
        return [
            letter
            for record in records
            for letter in (
                *([letters[record.offset]] if record.offset in letters else []),
                *(_letter(builder.source, record, refusal) for refusal in refused.get(record.offset, ())),
            )
        ]

    async def flush_forever(self) -> None:
        """Emits what changed every flush interval, commits, and ticks sources that nobody writes to."""
        interval_s = self._settings.flush_ms / 1000
        committed_s = 0.0
        due_s = time.monotonic()
        while True:
            due_s = max(due_s + interval_s, time.monotonic())
            await asyncio.sleep(due_s - time.monotonic())
            if self._app.rebalancing:
                continue
            await self._flush()
            if time.monotonic() - committed_s >= _COMMIT_S:
                committed_s = time.monotonic()
                await self.commit()
                await self._tick_idle()

    def positions(self) -> dict[int, int]:
        """Gives partition -> next offset to take, of those that brought a message since they were assigned."""
        return {source.builder.source: source.order.due for source in self._current()}

    async def commit(self) -> None:
        """Commits what is acknowledged."""
        await self._commits.commit(TELEMETRY, self._commit_offsets())

    def _current(self) -> list[_Source]:
        generation = self._app.consumer_generation_id
        return [source for source in self._sources.values() if source.generation == generation]

    async def _flush(self) -> None:
        marks: list[tuple[_Source, Mark]] = []
        emitted: list[tuple[int, int]] = []
        for source in self._current():
            source.order.check()
            event_ms, append_ms = source.awaited.event_ms, source.awaited.append_ms
            if source.is_due(self._settings):
                source.emitted_s = time.monotonic()
                panes, mark = source.builder.emit()
                marks.append((source, mark))
                emitted += [(event_ms, append_ms)] if event_ms else []
                source.awaited.emitted()
            else:
                panes = source.builder.emit_urgent()
            headers = self._traces.folded(source.builder.source) if self._traces and panes else ()
            for partition, records in panes.items():
                for record in records:
                    told = msgspec.structs.replace(record, event_ms=event_ms)
                    await self._outbox.send(EVIDENCE, evidence.encode(told), partition=partition, headers=headers)
        is_complete = self._in_hand == 0
        await self._outbox.settle()
        for event_ms, append_ms in emitted:
            self._latency.folded(event_ms, append_ms)
        # A letter in hand belongs to a message that a mark may cover: the next flush acknowledges both.
        for source, mark in marks if is_complete else ():
            source.builder.acknowledge(mark)

    def _commit_offsets(self) -> dict[int, int]:
        return {
            source.builder.source: source.builder.commit_offset
            for source in self._current()
            if source.builder.commit_offset is not None
        }

    async def _tick_idle(self) -> None:
        """Writes time into partitions that are silent while a pane of theirs waits to become final."""
        now_s = time.monotonic()
        for source in self._current():
            if source.builder.is_open and now_s - source.heard_s >= _TICK_S:
                source.heard_s = now_s
                await self._outbox.send(TELEMETRY, _TICK, partition=source.builder.source)


def _groups(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Gives records in stretches that take some milliseconds to fold."""
    start, size = 0, 0
    for position, record in enumerate(records, 1):
        size += _RECORD_BYTES + len(record.value or b"")
        if size >= _GROUP_BYTES or position == len(records):
            yield records[start:position]
            start, size = position, 0


def _letter(partition: int, record: Record, refusal: Refusal) -> DeadLetter:
    return DeadLetter(
        source=TELEMETRY, partition=partition, offset=record.offset, last_offset=record.offset, reason=refusal.reason,
        code=refusal.code, events=refusal.events, release=refusal.release, time_ms=record.timestamp,
        payload=(record.value or b"")[:MAX_PAYLOAD],
    )  # fmt: skip
