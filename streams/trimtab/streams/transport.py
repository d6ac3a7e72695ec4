"""Faust's transport with six things that it has no setting for.

* Empty fetches wait for a few milliseconds instead of 1,500.
* Fetches are a few milliseconds apart: with many partitions there is nearly always something to fetch, and each fetch
  costs as much as two hundred events.
* Telemetry and evidence come as chunks (`trimtab.streams.chunk`), evidence first and telemetry fairly: a partition
  with a long backlog takes no more at a time than the others.
* Replicas in the same rack are read from.
* A static member that the group has forgotten says so.
* What was read is not remembered (see `_Forgetful`).
"""

import asyncio
import time
from collections.abc import Collection, Iterable
from typing import Any, Final

from aiokafka.consumer.fetcher import FetchResult
from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from trimtab.schemas.topics import EVIDENCE, TELEMETRY
from trimtab.streams.chunk import Chunk, ChunkRecord

_CHUNKED: Final = (EVIDENCE, TELEMETRY)
"""In the order in which they are handed over."""

_FETCH_APART_S: Final = 0.005

_Records = dict[TP, list[Any]]


def transport_of(fetch_wait_ms: int, rack: str = "") -> type[driver.Transport]:
    """Gives the class of a transport whose empty fetches wait for `fetch_wait_ms`; it reads in `rack` if it can."""

    class Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is untyped
        def _create_worker_consumer(self, transport: driver.Transport) -> object:
            consumer = super()._create_worker_consumer(transport)
            consumer._fetch_max_wait_ms = fetch_wait_ms
            consumer._client_rack = rack or None
            return consumer

        is_superseded = False
        """whether the group has forgotten this worker, which had a name of its own (a static member)"""

        async def on_start(self) -> None:
            await super().on_start()
            _watch_membership(self)
            _space_fetches(self._consumer._fetcher)

        async def _fetch_records(
            self,
            consumer: Any,
            active_partitions: Collection[TP],
            timeout: float,  # noqa: ASYNC109 - Faust's signature
            max_records: int,
        ) -> _Records:
            if not self.consumer.flow_active:
                return {}
            if consumer._closed or consumer._fetcher._closed:
                raise ConsumerStoppedError
            with consumer._fetcher._subscriptions.fetch_context():
                return await _fetched(consumer._fetcher, active_partitions, timeout, max_records)

    class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust is untyped
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            self._read_offset = _Forgetful()

        def _new_consumer_thread(self) -> Thread:
            return Thread(self, loop=self.loop, beacon=self.beacon)

    class Transport(driver.Transport):  # type: ignore[misc]  # Faust is untyped
        pass

    Transport.Consumer = Consumer
    return Transport


def _watch_membership(thread: Any) -> None:
    """Has `thread.is_superseded` tell when the group has forgotten a static member.

    aiokafka would join anew under the same name and throw out whoever has it now, who would do likewise.
    """
    coordinator = thread._consumer._coordinator
    forget = coordinator.reset_generation

    def forgotten() -> None:
        if coordinator._group_instance_id is not None and coordinator.generation > 0:
            thread.is_superseded = True  # and nothing else: whoever looks ends the worker
        else:
            forget()

    coordinator.reset_generation = forgotten


def _space_fetches(fetcher: Any) -> None:
    """Has `fetcher` leave `_FETCH_APART_S` from one fetch of a broker to the next."""
    started_s: dict[int, float] = {}
    actions_per_node = fetcher._get_actions_per_node

    def spaced(assignment: object) -> tuple[Any, ...]:
        fetches, resets, timeout_s, *others = actions_per_node(assignment)
        now_s = time.monotonic()
        due = []
        for node, request in fetches:
            rest_s = started_s.get(node, 0.0) + _FETCH_APART_S - now_s
            if rest_s > 0:
                timeout_s = min(timeout_s, rest_s)
            else:
                started_s[node] = now_s
                due.append((node, request))
        return due, resets, timeout_s, *others

    fetcher._get_actions_per_node = spaced


async def _fetched(fetcher: Any, active: Collection[TP], timeout_s: float, most: int) -> _Records:
    """Gives what was fetched of each active partition, waiting for the first of it up to `timeout_s`."""
    end_s = time.monotonic() + timeout_s
    while True:
        if fetcher._subscriptions.reassignment_in_progress:
            await fetcher._subscriptions.wait_for_assignment()
        records = _drained(fetcher, active, most)
        if records:
            return records
        waiter = fetcher._create_fetch_waiter()
        await asyncio.wait([waiter], timeout=max(0.0, end_s - time.monotonic()))
        if fetcher._closed or not waiter.done():
            waiter.cancel()
            return {}
        waiter.result()  # raises what the broker refused


def _drained(fetcher: Any, active: Collection[TP], most: int) -> _Records:
    """Takes up to `most` records of each partition out of the fetcher's buffer, as aiokafka itself does."""
    drained: _Records = {}
    for tp in _in_order(fetcher._records):
        if active and tp not in active:
            if not fetcher._subscriptions.is_assigned(tp):
                del fetcher._records[tp]
            continue
        result = fetcher._records[tp]
        if type(result) is FetchResult:
            records = _taken(result, tp, most)
            if not result.has_more():
                del fetcher._records[tp]
                fetcher._notify(fetcher._wait_consume_future)
            if records:
                drained[tp] = records
        elif not drained:  # an error: raised once what came before it is handed over
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            result.check_raise()
    return drained


def _taken(result: FetchResult, tp: TP, most: int) -> list[Any]:
    if tp.topic not in _CHUNKED:
        taken: list[Any] = result.getall(most)
        return taken
    if not result.check_assignment(tp):
        return []
    state = result._assignment.state_value(tp)
    start = state.position
    records = result.getall(most)
    if state.position == start:
        return []
    return [ChunkRecord(tp.topic, tp.partition, Chunk(start, state.position, records))]


def _in_order(partitions: Iterable[TP]) -> list[TP]:
    return sorted(partitions, key=lambda tp: _CHUNKED.index(tp.topic) if tp.topic in _CHUNKED else len(_CHUNKED))


class _Forgetful(dict[object, int | None]):
    """What Faust remembers as read, forgotten at once.

    Faust drops messages below it, and a message that was in hand during a rewind raises it again afterwards: the
    rewound ones are then lost. Repetitions are ours to pass over (`trimtab.streams.order`).
    """

    def __getitem__(self, _partition: object) -> None:
        return None
