import asyncio
from types import SimpleNamespace

import pytest
from faust.types import TP

from trimtab.engine.errors import EngineError
from trimtab.streams import order as under_test
from trimtab.streams.order import Order

PARTITION = TP("telemetry", 3)


class Reader:
    """Stands where Faust's app does, and delivers a log as Faust would: on from wherever it was sought to."""

    def __init__(self) -> None:
        self.sought: list[int] = []
        self.consumer = SimpleNamespace(seek_wait=self._seek_wait)

    async def _seek_wait(self, partitions: dict[TP, int]) -> None:
        self.sought += partitions.values()


def admitted(order: Order, offsets: list[int]) -> list[int]:
    async def admit() -> list[int]:
        return [offset for offset in offsets if await order.admits(offset)]

    return asyncio.run(admit())


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
