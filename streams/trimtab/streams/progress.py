"""Whether partitions move: where we stand in each, against where its log ends by Kafka's own word."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import faust
import structlog
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.topics import EVIDENCE, TELEMETRY

_LOOK_S: Final = 1.0
_FIRST_LOOK_S: Final = 0.2
"""Between looks until one has found out where things stand: readiness waits for it."""
_ANSWER_S: Final = 3.0
_THREAD_S: Final = 2.0
"""What the consumer's thread may take on top before it counts as stuck."""
_log = structlog.get_logger()

Positions = Callable[[], Mapping[int, int]]
"""Gives partition -> next offset to take, of those that have brought a record."""


class Stalled(TrimtabError):
    """Something of this worker stands still although it has work, so that a restart is needed."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A partition as it was seen in the last look."""

    name: str
    position: int
    """next offset to take"""
    has_begun: bool
    """whether a record of it was taken since it was assigned"""
    end: int
    seen_end: int
    """where the log ended when the position was first seen"""
    seconds: float = 0.0
    """how long the position has not moved although the log grew; neither outages, rebalances nor a frozen process
    count"""

    @property
    def lag(self) -> int:
        """How many offsets were not taken yet."""
        return max(0, self.end - self.position)

    def __str__(self) -> str:
        lag = f"its log ends at {self.end}, {self.lag} ahead"
        return f"{self.name} stands at offset {self.position}, {lag}" + (
            f", for {self.seconds:.0f} s" if self.seconds else ""
        )

    def after(self, before: "Standing | None", elapsed_s: float) -> "Standing":
        """Gives this look as the one that came `elapsed_s` after `before`."""
        if before is None or before.position != self.position:
            return self
        is_standing = self.end > before.seen_end and self.lag > 0
        return replace(self, seen_end=before.seen_end, seconds=before.seconds + elapsed_s if is_standing else 0.0)


class Progress:
    """Looks once a second at every partition of telemetry and evidence that this worker has."""

    def __init__(self, app: faust.App, positions: Mapping[str, Positions], patience_s: float) -> None:
        """`positions` has one for each topic; `patience_s` is how long a partition may stand while its log grows."""
        self._app = app
        self._positions = positions
        self._patience_s = patience_s
        self._standings: dict[str, Standing] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._is_known = False
        self._stuck_looks = 0
        self.trouble = "not asked yet"
        """why Kafka did not answer the last time; empty when it did"""

    @property
    def standings(self) -> list[Standing]:
        """The partitions as they were in the last look."""
        return list(self._standings.values())

    @property
    def waiting(self) -> list[str]:
        """The partitions that have a backlog of which no record was taken yet."""
        return [str(one) for one in self._standings.values() if one.lag and not one.has_begun]

    @property
    def is_known(self) -> bool:
        """Whether the last look found out where things stand."""
        return self._is_known

    @property
    def stalled(self) -> list[str]:
        """The partitions that have stood still for longer than patience."""
        return [str(one) for one in self._standings.values() if one.seconds > self._patience_s]

    async def watch(self) -> None:
        """Returns never; raises `Stalled`."""
        while True:
            pause_s = _LOOK_S if self._is_known else _FIRST_LOOK_S
            await asyncio.sleep(pause_s)
            await self.look(pause_s)
            if self.stalled:
                raise Stalled("; ".join(self.stalled))

    async def look(self, elapsed_s: float) -> None:
        """Compares positions with ends, `elapsed_s` after the last time.

        Raises `Stalled` where the consumer's thread no longer turns.
        """
        if self._thread() is None:
            return
        # Before Kafka is asked: what is taken meanwhile is not to look like a lag.
        taken = {(topic, one): due for topic, found in self._positions.items() for one, due in found().items()}
        if self._app.rebalancing or self._app.in_recovery:
            self._starts.clear()
        bounds = await self._bounds([key for key in self._assigned() if key not in taken and key not in self._starts])
        self._is_known = bounds is not None and not (self._app.rebalancing or self._app.in_recovery)
        if bounds is None or not self._is_known:
            self._standings = {}
            return
        self._starts.update(bounds.starts)
        looks = [self._seen(key, taken, end) for key, end in bounds.ends.items() if key in taken or key in self._starts]
        self._standings = {look.name: look.after(self._standings.get(look.name), elapsed_s) for look in looks}

    def _thread(self) -> Any:
        thread = getattr(self._app.consumer, "_thread", None)
        return thread if thread is not None and thread._consumer is not None else None

    def _assigned(self) -> list[tuple[str, int]]:
        return [(tp.topic, tp.partition) for tp in self._app.consumer.assignment() if tp.topic in (TELEMETRY, EVIDENCE)]

    def _seen(self, key: tuple[str, int], taken: Mapping[tuple[str, int], int], end: int) -> Standing:
        position = taken[key] if key in taken else self._starts[key]
        return Standing(f"{key[0]}/{key[1]}", position, key in taken, end, end)

    async def _bounds(self, fresh: list[tuple[str, int]]) -> "_Bounds | None":
        """Gives the bounds of the assigned partitions; None where Kafka does not say."""
        thread, assigned = self._thread(), self._assigned()
        question = asyncio.run_coroutine_threadsafe(_ask(thread._consumer, assigned, fresh), thread.thread_loop)
        try:
            answer = await asyncio.wait_for(asyncio.wrap_future(question), _ANSWER_S + _THREAD_S)
        except TimeoutError:
            self._count_stuck()
            return None
        self._stuck_looks = 0
        self._note(answer if isinstance(answer, str) else "")
        return None if isinstance(answer, str) else answer

    def _count_stuck(self) -> None:
        self._note("the consumer's thread does not answer")
        self._stuck_looks += 1
        stuck_s = self._stuck_looks * (_ANSWER_S + _THREAD_S)
        if stuck_s > self._patience_s:
            raise Stalled(f"the consumer's thread does not answer for {stuck_s:.0f} s")

    def _note(self, trouble: str) -> None:
        if trouble and not self.trouble:
            _log.warning("kafka_unreachable", error=trouble)
        elif self.trouble and not trouble:
            _log.info("kafka_reached")
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class _Bounds:
    ends: dict[tuple[str, int], int]
    starts: dict[tuple[str, int], int]
    """where reading starts, of those partitions that were asked for"""


async def _ask(consumer: Any, assigned: list[tuple[str, int]], fresh: list[tuple[str, int]]) -> _Bounds | str:
    """Gives bounds, or what went wrong. Runs in the consumer's thread."""
    try:
        return await asyncio.wait_for(_asked(consumer, assigned, fresh), _ANSWER_S)
    except TimeoutError:
        return f"no answer within {_ANSWER_S:.0f} s"
    except KafkaError as error:
        return f"{type(error).__name__}: {error}"


async def _asked(consumer: Any, assigned: list[tuple[str, int]], fresh: list[tuple[str, int]]) -> _Bounds:
    # Without an assignment the question is only whether Kafka answers.
    partitions = [TopicPartition(*key) for key in assigned or [(EVIDENCE, 0)]]
    ends = await consumer.end_offsets(partitions)
    starts = await consumer.beginning_offsets([TopicPartition(*key) for key in fresh]) if fresh else {}
    committed = {tp: await consumer.committed(tp) or 0 for tp in starts}
    return _Bounds(
        {(tp.topic, tp.partition): end for tp, end in ends.items()} if assigned else {},
        {(tp.topic, tp.partition): max(start, committed[tp]) for tp, start in starts.items()},
    )
