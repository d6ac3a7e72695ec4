"""Reading a partition from the right place, each message once, none left out.

Faust delivers the first messages of a partition before its tables are recovered, rewinds to the commit and delivers
them again; and what it has in hand while the flow is suspended it drops for good. So the due offset is known from
the start (from the commit, or from a snapshot), repetitions are passed over, and a message that is ahead of the due
one has the partition rewound. When that does not bring the due one the worker ends: its successor starts anew.
"""

import time
from collections.abc import Sequence
from typing import Final

import faust
import structlog
from aiokafka.structs import TopicPartition
from faust.types import TP

from trimtab.engine.errors import EngineError
from trimtab.streams.chunk import Chunk, Record

_REWIND_S: Final = 1.0
_PATIENCE_S: Final = 10.0
_log = structlog.get_logger()


class Order:
    """Admits each offset of one partition once, in order."""

    __slots__ = ("_ahead", "_ahead_since_s", "_app", "_partition", "_rewound_s", "due")

    def __init__(self, app: faust.App, partition: TP, due: int) -> None:
        self._app = app
        self._partition = partition
        self._ahead = due
        self._ahead_since_s = 0.0
        self._rewound_s = 0.0
        self.due = due
        """the only offset that is admitted next"""

    async def admit(self, chunk: Chunk) -> Sequence[Record]:
        """Gives the records of a chunk that are due; after that the offset behind the chunk is."""
        if chunk.start > self.due:
            await self._rewind(chunk.start)
            return ()
        if chunk.stop <= self.due:
            return ()
        due, self.due = self.due, chunk.stop
        self._ahead_since_s = 0.0
        if chunk.start == due:
            return chunk.records
        return [record for record in chunk.records if record.offset >= due]

    async def _rewind(self, ahead: int) -> None:
        now_s = time.monotonic()
        self._ahead, self._ahead_since_s = ahead, self._ahead_since_s or now_s
        if now_s - self._rewound_s >= _REWIND_S:
            self._rewound_s = now_s
            _log.warning("rewound", topic=self._partition.topic, partition=self._partition.partition, due=self.due)
            await self._app.consumer.seek_wait({self._partition: self.due})

    def check(self) -> None:
        """Raises `EngineError` when messages have been ahead of the due one for longer than a rewind takes."""
        if self._ahead_since_s and time.monotonic() - self._ahead_since_s > _PATIENCE_S:
            name = f"{self._partition.topic}/{self._partition.partition}"
            raise EngineError(
                f"{name}: {self._ahead} came, {self.due} was due and did not come for {_PATIENCE_S:.0f} s"
            )


async def start_offset(app: faust.App, partition: TP) -> tuple[int, int]:
    """Gives where the group has to read on in a partition, and the oldest offset that the partition still has."""
    thread = app.consumer._thread
    committed = await thread.call_thread(thread._consumer.committed, TopicPartition(*partition))
    earliest = (await app.consumer.earliest_offsets(partition)).get(partition) or 0
    return max(committed or 0, earliest), earliest


async def due_record(app: faust.App, partition: TP, expected: int) -> int:
    """Gives the record to go on with after a snapshot that expects `expected`, or the oldest that is left.

    A commit that is ahead of the snapshot would leave records out: it is set back, and `EngineError` is raised, so that
    the worker's successor reads them.
    """
    committed, earliest = await start_offset(app, partition)
    due = max(expected, earliest)
    if committed > due:
        await app.consumer._commit({partition: due})
        raise EngineError(
            f"{partition.topic}/{partition.partition}: reading would start at {committed}, the snapshot needs {due}:"
            " the commit was set back, start again"
        )
    return due
