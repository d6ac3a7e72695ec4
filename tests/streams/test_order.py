import asyncio
from collections.abc import Collection, Iterable
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from faust.types import TP

from trimtab.engine.errors import EngineError
from trimtab.streams import order as under_test
from trimtab.streams.chunk import Chunk
from trimtab.streams.order import Order, due_record, start_offset

PARTITION = TP("telemetry", 3)


class Reader:
    """Stands where Faust's app does, and delivers a log as Faust would: on from wherever it was sought to."""

    def __init__(self, *, committed: int | None = None, earliest: int = 0) -> None:
        self.sought: list[int] = []
        self.set_back: list[int] = []
        self.consumer = SimpleNamespace(
            seek_wait=self._seek_wait,
            earliest_offsets=lambda tp: _soon({tp: earliest}),
            _thread=SimpleNamespace(call_thread=lambda call, tp: call(tp), _consumer=self),
            _commit=self._commit,
        )
        self.committed = lambda _: _soon(committed)

    async def _commit(self, offsets: dict[TP, int]) -> None:
        self.set_back += offsets.values()

    async def _seek_wait(self, partitions: dict[TP, int]) -> None:
        self.sought += partitions.values()


async def _soon(value: object) -> object:
    return value


class At(NamedTuple):
    """A record at an offset."""

    offset: int
    timestamp: int = 0
    value: bytes = b""
    headers: tuple[tuple[str, bytes | None], ...] = ()


def chunk(start: int, stop: int, *, without: Collection[int] = ()) -> Chunk:
    return Chunk(start, stop, [At(offset) for offset in range(start, stop) if offset not in without])


def admitted(order: Order, offsets: Iterable[int | Chunk]) -> list[int]:
    chunks = [chunk(item, item + 1) if isinstance(item, int) else item for item in offsets]

    async def admit() -> list[int]:
        return [record.offset for item in chunks for record in await order.admit(item)]

    return asyncio.run(admit())


def test_of_a_chunk_that_overlaps_only_what_is_due_is_admitted() -> None:
    reader = Reader()
    chunks = [chunk(3, 9), chunk(3, 9), chunk(6, 12), chunk(12, 14)]
    assert admitted(Order(reader, PARTITION, 5), chunks) == [*range(5, 14)]
    assert reader.sought == []


def test_offsets_that_hold_no_record_are_not_waited_for() -> None:
    reader = Reader()
    chunks = [chunk(5, 9, without=[5, 7, 8]), chunk(9, 10, without=[9]), chunk(10, 12)]
    assert admitted(Order(reader, PARTITION, 5), chunks) == [6, 10, 11]
    assert reader.sought == []


def test_each_offset_is_admitted_once_and_in_order() -> None:
    reader = Reader()
    assert admitted(Order(reader, PARTITION, 5), [5, 6, 5, 6, 7, 7, 8]) == [5, 6, 7, 8]
    assert reader.sought == []


def test_a_message_that_is_ahead_has_the_partition_rewound_to_the_due_one() -> None:
    reader = Reader()
    assert admitted(Order(reader, PARTITION, 5), [5, 7, 8, 6, 7, 8]) == [5, 6, 7, 8]
    assert reader.sought == [6]


def test_what_was_delivered_from_the_wrong_place_does_not_count() -> None:
    reader = Reader()
    assert admitted(Order(reader, PARTITION, 2), [9, 10, 2, 3]) == [2, 3]
    assert reader.sought == [2]


def test_a_due_message_that_does_not_come_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "_PATIENCE_S", -1.0)
    order = Order(Reader(), PARTITION, 5)
    order.check()
    assert admitted(order, [8]) == []
    with pytest.raises(EngineError, match="telemetry/3: 8 came, 5 was due"):
        order.check()
    assert admitted(order, [5]) == [5]
    order.check()


@pytest.mark.parametrize(
    ("committed", "earliest", "start"), [(None, 0, 0), (None, 40, 40), (7, 0, 7), (7, 40, 40), (50, 40, 50)]
)
def test_reading_starts_at_the_commit_or_at_the_oldest_that_is_left(
    committed: int | None, earliest: int, start: int
) -> None:
    reader = Reader(committed=committed, earliest=earliest)
    assert asyncio.run(start_offset(reader, PARTITION)) == (start, earliest)


@pytest.mark.parametrize(
    ("committed", "earliest", "snapshot", "due"), [(8, 0, 8, 8), (5, 0, 8, 8), (None, 0, 8, 8), (40, 40, 8, 40)]
)
def test_evidence_goes_on_where_the_snapshot_stands(
    committed: int | None, earliest: int, snapshot: int, due: int
) -> None:
    reader = Reader(committed=committed, earliest=earliest)
    assert asyncio.run(due_record(reader, PARTITION, snapshot)) == due
    assert reader.set_back == []


def test_a_commit_that_is_ahead_of_its_snapshot_is_set_back_and_the_worker_ends() -> None:
    reader = Reader(committed=15)
    with pytest.raises(EngineError, match="would start at 15, the snapshot needs 8: the commit was set back"):
        asyncio.run(due_record(reader, PARTITION, 8))
    assert reader.set_back == [8]
