"""Delivering telemetry so that it is known, over any end of this process, what Kafka has and what it has not.

One message at a time: the next is sent when the one before is acknowledged. Each bears, as a header, the position in
the log that it runs up to. A sidecar that is killed between the acknowledgement and its checkpoint thus finds on Kafka,
in its own partition and after the message of its checkpoint, how far it really came. What the killed process had given
to the network in that very instant, and what reaches the broker only after the next one has looked, would be told
twice: the network would have to hold it back for as long as a start takes.
"""

import threading
import time
import zlib
from collections.abc import Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from trimtab.client.broker_log import BrokerLog
from trimtab.client.cloud_event import MESSAGE_PACK, TELEMETRY_TYPE, attributes
from trimtab.client.outlet import SETTINGS
from trimtab.client.rows import Row, pack_rows
from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.schemas.telemetry_message import encode
from trimtab.schemas.topics import TELEMETRY

POSITION: Final = "trimtab_position"
"""The header with the position."""

_LOOK_S: Final = 0.05
_ANSWER_S: Final = 5.0
_LAST_S: Final = 1.0
"""What Kafka is given at the end, to acknowledge the last message."""

_GONE: Final = (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART)
_AWAY: Final = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._RESOLVE, KafkaError._TIMED_OUT)


class Undelivered(TrimtabError):
    """It is not known whether Kafka has the last message; the message says why. `recover` finds out."""


class Delivery:
    """Sends one publisher's events. For one thread; it stops waiting for Kafka once `stopping` is set.

    `note` is what the last life's checkpoint says: where on Kafka its last message is, as `PARTITION:OFFSET`.
    """

    def __init__(
        self, kafka: str | KafkaConnection, publisher: str, note: str = "", *, stopping: threading.Event
    ) -> None:
        self._connection = librdkafka_config(KafkaConnection.of(kafka))
        self._publisher, self._stopping = publisher, stopping
        self._headers = attributes(TELEMETRY_TYPE, f"/publishers/{publisher}", MESSAGE_PACK)
        self._life = time.time_ns()
        self._seq = 0
        self._log = BrokerLog()
        self._answer: tuple[KafkaError | None, Message] | None = None
        self._producer: Producer | None = None
        self.note = note
        self.published = 0
        """events that Kafka has"""
        self.invalid = 0
        """events with a value that does not fit"""

    def recover(self) -> bytes | None:
        """Gives the position of the newest message of this publisher after `note`; None where there is none.

        Raises `Undelivered` where Kafka does not tell; it may be asked again.
        """
        producer = self._begin_anew()
        if not self.note:
            self.note = self._first_note(producer)
        partition, offset = map(int, self.note.split(":"))
        settings = {"group.id": "trimtab-sidecar", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer = Consumer(
            {**self._connection, **settings, "auto.offset.reset": "earliest", "client.id": self._publisher},
            logger=self._log,
        )
        try:
            consumer.assign([TopicPartition(TELEMETRY, partition, offset + 1 if offset >= 0 else OFFSET_BEGINNING)])
            return self._newest_of(consumer)
        finally:
            consumer.close()

    def send(self, rows: Sequence[Row], position: bytes = b"") -> None:
        """Sends the rows as one message and waits until Kafka has it; no rows make a heartbeat.

        Raises `Undelivered` where that cannot be told, or is not waited for any longer.
        """
        sent_ms = time.time_ns() // 1_000_000
        packer, invalid = pack_rows(rows, sent_ms)
        count = len(packer)
        payload = encode(packer.finish(publisher=self._publisher, seq=self._seq, sent_ms=sent_ms))
        message = self._acknowledged(payload, position)
        self._seq += 1
        self.published += count
        self.invalid += invalid
        if position:
            self.note = f"{message.partition()}:{message.offset()}"

    def _acknowledged(self, payload: bytes, position: bytes) -> Message:
        if self._producer is None:
            raise Undelivered("kafka: nothing can be sent before `recover`")
        producer = self._producer
        headers = [*self._headers, ("ce_id", f"{self._life}-{self._seq}".encode())]
        headers += [(POSITION, position)] if position else []
        self._answer = None
        try:
            producer.produce(
                TELEMETRY, payload, self._publisher.encode(), partition=int(self.note.split(":")[0]), headers=headers,
                on_delivery=self._take_answer,
            )  # fmt: skip
        except (BufferError, KafkaException) as error:
            raise Undelivered(f"kafka: {error}") from error
        while self._answer is None:
            if self._stopping.is_set():
                producer.flush(_LAST_S)
                break
            _poll(producer)
        return self._settled()

    def _settled(self) -> Message:
        if self._answer is None:
            raise Undelivered("kafka: stopped before it acknowledged the last message")
        error, message = self._answer
        if error is not None:
            raise Undelivered(f"kafka: {error.str()}")
        return message

    def _take_answer(self, error: KafkaError | None, message: Message) -> None:
        self._answer = (error, message)

    def _first_note(self, producer: Producer) -> str:
        """Gives where on Kafka our first message can be at the earliest: in the partition of our key, at its end."""
        try:
            partitions = producer.list_topics(TELEMETRY, timeout=_ANSWER_S).topics[TELEMETRY].partitions
            if not partitions:
                raise Undelivered(f"kafka: there is no topic {TELEMETRY}; a worker makes it")
            partition = zlib.crc32(self._publisher.encode()) % len(partitions)
            return f"{partition}:{self._end_of(partition) - 1}"
        except KafkaException as error:
            raise Undelivered(f"kafka: {error.args[0].str()}") from error

    def _end_of(self, partition: int) -> int:
        consumer = Consumer({**self._connection, "group.id": "trimtab-sidecar"}, logger=self._log)
        try:
            end: int = consumer.get_watermark_offsets(TopicPartition(TELEMETRY, partition), timeout=_ANSWER_S)[1]
            return end
        finally:
            consumer.close()

    def _newest_of(self, consumer: Consumer) -> bytes | None:
        newest = None
        while not self._stopping.is_set():
            message = consumer.poll(_LOOK_S)
            if message is None:
                continue
            if (error := message.error()) is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    return newest
                if error.code() in _GONE:
                    self.note = ""  # the topic was made anew
                if error.code() not in _AWAY:
                    raise Undelivered(f"kafka: {error.str()}")
                continue  # it is away for now; librdkafka goes on trying
            position = dict(message.headers() or []).get(POSITION)
            if position and message.key() == self._publisher.encode():
                newest = position
                self.note = f"{message.partition()}:{message.offset()}"
        raise Undelivered("kafka: stopped before it told how far the last life came")

    def _begin_anew(self) -> Producer:
        """Gives a producer that has nothing under way, and gives up what the one before had."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(_LOOK_S)
        # A message is tried for as long as we live: given up, it could be there or not.
        self._producer = Producer({**self._connection, **SETTINGS, "message.timeout.ms": 0}, logger=self._log)
        return self._producer


def _poll(producer: Producer) -> None:
    try:
        producer.poll(_LOOK_S)
    except KafkaException as error:
        raise Undelivered(f"kafka: {error}") from error
