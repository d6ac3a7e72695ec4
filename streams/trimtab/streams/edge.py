"""The worker's way out to Kafka: sends through Faust's producer, and remembers what is not acknowledged yet."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

import faust
from aiokafka.structs import TopicPartition

from trimtab.schemas import dead_letter
from trimtab.schemas.dead_letter import DeadLetter
from trimtab.schemas.topics import DEAD_LETTERS


class Outbox:
    """Messages on their way to Kafka.

    Everything sent since the last `settle` is known to be safe once `settle` returns; offsets are committed only then.
    """

    def __init__(self, app: faust.App) -> None:
        self._app = app
        self._pending: list[asyncio.Future[object]] = []

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Hands a message to the producer."""
        self._pending.append(
            await self._app.producer.send(topic, key, value, partition, None, list(headers) if headers else None)
        )

    async def settle(self) -> None:
        """Waits until the broker has acknowledged everything sent so far. Raises what the broker refused it with."""
        pending, self._pending = self._pending, []
        if pending:
            await asyncio.gather(*pending)


class DeadLetters:
    """Writes dead letters, and counts their events by code."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.events: Counter[str] = Counter()
        """events refused since the worker started, by code"""
        self.letters = 0
        """letters written since then"""

    async def write(self, letter: DeadLetter) -> None:
        """Writes one letter."""
        self.events[letter.code] += letter.events
        self.letters += 1
        await self._outbox.send(DEAD_LETTERS, dead_letter.encode(letter), key=letter.id.encode(), partition=0)


_COMMIT_TIMEOUT_S: Final = 10.0


class Commits:
    """Commits offsets of our own: Faust's would pass over messages that are still held."""

    def __init__(self, app: faust.App) -> None:
        self._app = app
        self._committed: dict[tuple[str, int], tuple[int, int]] = {}
        """(topic, partition) -> generation and offset of the newest commit"""

    async def commit(self, topic: str, offsets: dict[int, int]) -> None:
        """Commits partition -> next offset to read, where it is news and no rebalance is under way."""
        generation = self._app.consumer_generation_id
        new = {
            partition: offset
            for partition, offset in offsets.items()
            if self._committed.get((topic, partition)) != (generation, offset)
        }
        if not new or self._app.rebalancing:
            return
        wanted = {TopicPartition(topic, partition): offset for partition, offset in new.items()}
        await asyncio.wait_for(self._app.consumer._commit(wanted), _COMMIT_TIMEOUT_S)
        self._committed.update({(topic, partition): (generation, offset) for partition, offset in new.items()})
