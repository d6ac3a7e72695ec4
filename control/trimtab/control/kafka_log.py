"""Topics read from their oldest message to their newest, outside of any consumer group: nothing is ever committed."""

from collections.abc import Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from trimtab.schemas.errors import Unreachable
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.streams.kafka_reach import Admin

_SILENCE_S: Final = 10.0
"""How long a broker may keep us waiting for messages that it has."""
_AHEAD_KIB: Final = 16_384
"""What is fetched ahead; a search reads one message in many places."""
_LOOK_S: Final = 0.2
_PASSING: Final = (KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
"""What does not end following: the end of a log, and a Kafka that may come back."""
_EMPTY_ANSWER_MS: Final = 20
"""How long the broker holds back an answer at a partition's end: whoever looks elsewhere next waits for it."""


class Entry(NamedTuple):
    """One message."""

    offset: int
    time_ms: int
    value: bytes


class KafkaLog:
    """Reads topics of one cluster. Everything raises `Unreachable` (or `Refused`) where Kafka does not answer."""

    def __init__(self, kafka: KafkaConnection, timeout_s: float) -> None:
        self._kafka = kafka
        self._timeout_s = timeout_s
        # A group has to be named, but only explicit offsets are used: none is joined.
        self._consumer = Consumer(
            {
                **librdkafka_config(kafka), "group.id": f"{kafka.client_id}-replay", "enable.auto.commit": False,
                "enable.auto.offset.store": False, "enable.partition.eof": True, "auto.offset.reset": "error",
                "queued.max.messages.kbytes": _AHEAD_KIB, "fetch.wait.max.ms": _EMPTY_ANSWER_MS, "log_level": 0,
            }
        )  # fmt: skip

    def partitions(self, topic: str) -> int:
        """Gives how many partitions a topic has."""
        try:
            found = self._consumer.list_topics(topic, self._timeout_s).topics[topic]
        except KafkaException as error:
            raise self._failure(error) from error
        if found.error is not None:
            raise Unreachable(f"kafka at {self._kafka.bootstrap}: no topic {topic}; a worker creates it when it starts")
        return len(found.partitions)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Gives the offset of the oldest message that is left, and that of the next one to come."""
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), self._timeout_s)
        except KafkaException as error:
            raise self._failure(error) from error
        return low, high

    def place_at(self, topic: str, partition: int, time_ms: int) -> int:
        """Gives the offset of the first message that is not older than `time_ms`; the end where there is none.

        Found by halves, for not every broker answers by time. Where clocks of publishers differ it is about there.
        """
        low, high = self.bounds(topic, partition)
        while low < high and time_ms:
            middle = (low + high) // 2
            entry = next(self.read(topic, partition, middle, high), None)
            if entry is None or entry.time_ms >= time_ms:
                high = middle
            else:
                low = entry.offset + 1
        return low

    def follow(self, topic: str, partition: int, start: int) -> Iterator[Entry]:
        """Gives the messages from `start` on, those that are there and all that come; never ends by itself."""
        self._consumer.assign([TopicPartition(topic, partition, start)])
        while True:
            message = self._consumer.poll(_LOOK_S)
            error = None if message is None else message.error()
            if error is not None and error.code() not in _PASSING:
                raise self._failure(KafkaException(error))
            if message is not None and error is None:
                yield Entry(message.offset(), message.timestamp()[1], message.value() or b"")

    def read(self, topic: str, partition: int, start: int, stop: int) -> Iterator[Entry]:
        """Gives the messages with offsets from `start` up to `stop`, that one left out."""
        if start >= stop:
            return
        self._consumer.assign([TopicPartition(topic, partition, start)])
        offset = start - 1
        while offset < stop - 1:
            # One by one: `consume` waits for a full batch. What was fetched is at hand, so it costs a microsecond.
            message = self._consumer.poll(_SILENCE_S)
            if message is None:
                where = f"kafka at {self._kafka.bootstrap}: {topic}/{partition}"
                raise Unreachable(f"{where}: no message for {_SILENCE_S:.0f} s, expected those up to offset {stop - 1}")
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise self._failure(KafkaException(error))
            offset = message.offset()
            if error is None and offset < stop:
                yield Entry(offset, message.timestamp()[1], message.value() or b"")

    def _failure(self, error: KafkaException) -> Unreachable:
        return Admin(self._kafka).failure(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
