"""From rows to messages in Kafka, through librdkafka."""

import ctypes
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from trimtab.client.broker_log import BrokerLog
from trimtab.client.buffer import Buffer
from trimtab.client.cloud_event import MESSAGE_PACK, TELEMETRY_TYPE, attributes
from trimtab.client.rows import Row, pack_rows
from trimtab.schemas.telemetry_message import encode
from trimtab.schemas.topics import TELEMETRY
from trimtab.schemas.trace_context import MOST_TRACED, TRACEPARENT

Config = Mapping[str, Any]

SETTINGS: Final[Config] = {
    "acks": "all",
    "enable.idempotence": True,  # a retry must not count an event twice
    "linger.ms": 0,  # the batches are made here
    "message.timeout.ms": 30_000,  # what is older would only be counted as late
    "request.timeout.ms": 10_000,
    "socket.connection.setup.timeout.ms": 5_000,
    "socket.keepalive.enable": True,
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 1_000,
}

_GIVE_UP_S: Final = 0.1


class Outlet:
    """Sends batches of one publisher, and books in `buffer` what became of their events. For one thread alone."""

    def __init__(self, config: Config, publisher: str, buffer: Buffer) -> None:
        self._config, self._publisher, self._buffer = config, publisher, buffer
        self._key = publisher.encode()
        self._headers = attributes(TELEMETRY_TYPE, f"/publishers/{publisher}", MESSAGE_PACK)
        self._life = time.time_ns()
        self._log = BrokerLog()
        self._is_fatal = False
        self._undelivered = 0
        self._producer = self._new_producer()
        self._traces: list[bytes] = []
        self.sent = 0
        """messages handed to librdkafka; the next one's `seq`"""

    def send(self, rows: list[Row]) -> None:
        """Sends the rows as one message; no rows make a heartbeat."""
        sent_ms = time.time_ns() // 1_000_000
        packer, invalid = pack_rows(rows, sent_ms)
        count = len(packer)
        if count or not rows:
            payload = encode(packer.finish(publisher=self._publisher, seq=self.sent, sent_ms=sent_ms))
            self._produce(payload, count)
        self._buffer.settle(invalid=invalid)

    def trace(self, traceparent: bytes) -> None:
        """Has the next message name a request's trace, if not too many do. Safe for threads: one more does no harm."""
        if len(self._traces) < MOST_TRACED:
            self._traces.append(traceparent)

    def serve(self, timeout_s: float) -> None:
        """Books what Kafka has answered, waiting for the first answer up to `timeout_s`."""
        self._heed(partial(self._producer.poll, timeout_s))
        if self._is_fatal:  # librdkafka cannot go on, for example after the broker forgot this producer
            self.abandon()
            self._producer, self._is_fatal = self._new_producer(), False

    def abandon(self) -> None:
        """Takes what is undelivered as dropped. What is on its way may be written all the same."""
        self._producer.purge()
        self._heed(partial(self._producer.flush, _GIVE_UP_S))
        self._buffer.settle(dropped=self._undelivered)
        self._undelivered = 0

    def disown(self) -> None:
        """Keeps librdkafka from being torn down in the child of a fork: it would wait for threads that are not here."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._producer))

    def _heed(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except KafkaException as error:  # a fatal error comes this way too
            self._note(error.args[0])

    def _produce(self, payload: bytes, count: int) -> None:
        headers = [*self._headers, ("ce_id", f"{self._life}-{self.sent}".encode())]
        if self._traces:
            traces, self._traces = self._traces, []
            headers += [(TRACEPARENT, one) for one in traces]
        booked = partial(self._book, count)
        try:
            self._producer.produce(TELEMETRY, payload, self._key, headers=headers, on_delivery=booked)
        except (BufferError, KafkaException):
            self._buffer.settle(dropped=count)
        else:
            self.sent += 1
            self._undelivered += count

    def _book(self, count: int, error: KafkaError | None, _message: Message) -> None:
        self._undelivered -= count
        if error is None:
            self._buffer.settle(published=count)
        else:
            self._buffer.settle(dropped=count)

    def _new_producer(self) -> Producer:
        return Producer({**self._config, "error_cb": self._note}, logger=self._log)

    def _note(self, error: KafkaError) -> None:
        self._is_fatal = self._is_fatal or error.fatal()
