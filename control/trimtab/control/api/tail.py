"""Follows `trimtab.decisions` from its recent past on, in a thread of its own."""

import asyncio
import threading
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from trimtab.control.api.hub import Hub
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.schemas.topics import DECISIONS
from trimtab.streams.kafka_reach import Admin

_PAST: Final = 2_000
"""Decisions of each partition that are read at the start, so that charts begin with something."""
_BATCH: Final = 200
_LOOK_S: Final = 0.25
_ASK_S: Final = 5.0
_PAUSE_S: Final = 1.0
_FETCH_WAIT_MS: Final = 50
_log = structlog.get_logger()


class Tail:
    """Hands every decision to the hub, on the event loop that started it."""

    def __init__(self, kafka: KafkaConnection, hub: Hub) -> None:
        self._kafka, self._hub = kafka, hub
        self._thread = threading.Thread(target=self._follow, name="decisions", daemon=True)
        self._is_over = threading.Event()
        self._next: dict[int, int] = {}
        """partition -> offset to go on from after an outage"""
        self._loop: asyncio.AbstractEventLoop
        self.trouble = "decisions are not read yet"
        """why there may be newer decisions than are known here; empty where there are none"""

    def start(self) -> None:
        """Begins to follow. What was decided lately is there once `trouble` is empty."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def stop(self) -> None:
        """Ends it."""
        self._is_over.set()
        await asyncio.to_thread(self._thread.join, _ASK_S)

    def _follow(self) -> None:
        while not self._is_over.is_set():
            consumer = Consumer(self._config())
            try:
                self._read(consumer, self._assign(consumer))
            except KafkaException as error:
                self._note(str(Admin(self._kafka).failure(error)))
                self._is_over.wait(_PAUSE_S)
            finally:
                consumer.close()

    def _config(self) -> dict[str, object]:
        return {
            **librdkafka_config(self._kafka), "group.id": f"{self._kafka.client_id}-serve",
            "enable.auto.commit": False, "enable.auto.offset.store": False, "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": _FETCH_WAIT_MS, "log_level": 0,
        }  # fmt: skip

    def _assign(self, consumer: Consumer) -> dict[int, int]:
        """Begins in the recent past of every partition, and gives the offsets up to which that goes."""
        found = consumer.list_topics(DECISIONS, _ASK_S).topics[DECISIONS]
        if found.error is not None:
            raise KafkaException(found.error)
        places: list[TopicPartition] = []
        ends: dict[int, int] = {}
        for partition in found.partitions:
            low, high = consumer.get_watermark_offsets(TopicPartition(DECISIONS, partition), _ASK_S)
            known = self._next.get(partition, -1)
            start = known if low <= known <= high else max(low, high - _PAST)
            places.append(TopicPartition(DECISIONS, partition, start))
            ends |= {partition: high} if high > start else {}
        consumer.assign(places)
        return ends

    def _read(self, consumer: Consumer, ends: dict[int, int]) -> None:
        """Reads on until told to stop; `ends` are the offsets at which what was there at the start is read."""
        while not self._is_over.is_set():
            first = consumer.poll(_LOOK_S)
            messages = [] if first is None else [first, *consumer.consume(_BATCH, 0)]
            for message in messages:
                if message.error() is not None:
                    raise KafkaException(message.error())
                self._next[message.partition()] = message.offset() + 1
                if message.offset() + 1 >= ends.get(message.partition(), message.offset() + 2):
                    del ends[message.partition()]
            self._hand_over([found for message in messages if (found := _read(message))])
            if not ends and self.trouble:
                self._note("")

    def _hand_over(self, found: list[tuple[Decision, bytes]]) -> None:
        if found and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hub.publish, found)

    def _note(self, trouble: str) -> None:
        """Remembers how it stands, and logs it where it is news."""
        if trouble and trouble != self.trouble:
            _log.warning("decisions_unreachable", error=trouble)
        elif self.trouble and not trouble:
            _log.info("decisions_followed")
        self.trouble = trouble


def _read(message: Message) -> tuple[Decision, bytes] | None:
    payload = message.value() or b""
    try:
        return decode_decision(payload), payload
    except InvalidRecord as error:
        _log.warning("decision_unreadable", partition=message.partition(), offset=message.offset(), error=str(error))
        return None
