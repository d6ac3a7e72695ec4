"""The label service: labels from Kafka, outcomes to telemetry, for as long as it is not told to stop.

What a batch brings is published and acknowledged first, then written into the table with the offsets that it went up
to, then those are committed. Killed in between, it reads the batch again and tells the same outcomes again: of the same
requests, so that they are known as repetitions. Partitions that come to it are read from where its own table says, if
it has read them before.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from trimtab.schemas import telemetry_columns, telemetry_message
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.kafka_connection import librdkafka_config
from trimtab.schemas.telemetry import MAX_EVENTS, Outcome
from trimtab.schemas.topics import LABELS, TELEMETRY
from trimtab.streams.labels.join import Join, Joined, Message, outcomes_of
from trimtab.streams.labels.open_requests import OpenRequests
from trimtab.streams.labels.window_scores import WindowScores
from trimtab.streams.settings import KafkaSettings

_BATCH: Final = 2_000
_WAIT_S: Final = 0.1
_FLUSH_S: Final = 30.0
_REPORT_S: Final = 10.0
_PASSING: Final = (KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN)
"""What librdkafka gets over by itself."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """How labels are joined."""

    table: Path
    window_s: int = 3_600
    """how long after its prediction a label may come"""
    scores_s: int = 10
    """of the windows of `auc`, `calibration_error` and `drift`"""


class LabelService:
    """Runs on one thread; `stop` may be called from any."""

    def __init__(self, kafka: KafkaSettings, options: LabelOptions) -> None:
        """Raises `Unusable` for a table that is none."""
        self._kafka = kafka
        self._table = OpenRequests(options.table)
        self._join = Join(self._table, options.window_s)
        self._scores = WindowScores(options.scores_s)
        self._stopping = threading.Event()
        self._seq = 0
        self._consumer = Consumer(
            {
                **librdkafka_config(kafka), "group.id": f"{kafka.group}-labels", "enable.auto.commit": False,
                "auto.offset.reset": "earliest", "log_level": 0,
                "session.timeout.ms": round(1000 * kafka.session_timeout_s),
                "heartbeat.interval.ms": round(1000 * kafka.heartbeat_s),
            }
        )  # fmt: skip
        self._producer = Producer({**librdkafka_config(kafka), "enable.idempotence": True, "log_level": 0})

    def stop(self) -> None:
        """Lets `run` end once what it has in hand is safe."""
        self._stopping.set()

    def run(self, started: Callable[[], None] = lambda: None) -> None:
        """Joins until told to stop. Raises `Unreachable` where Kafka does not take outcomes."""
        self._consumer.subscribe([LABELS], on_assign=self._assigned)
        reported_s = time.monotonic()
        started()
        try:
            while not self._stopping.is_set():
                self._round(self._consumer.consume(_BATCH, _WAIT_S))
                if time.monotonic() - reported_s >= _REPORT_S:
                    reported_s = time.monotonic()
                    self._report()
        finally:
            self._consumer.close()
            self._report()
            self._table.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        known = self._table.offsets()
        for partition in partitions:
            if partition.partition in known:
                partition.offset = known[partition.partition]
        consumer.assign(partitions)

    def _round(self, taken: Sequence[KafkaMessage]) -> None:
        messages = [_message(one) for one in taken if _is_ours(one)]
        found = self._join.take(messages)
        outcomes = [outcome for one in found for outcome in outcomes_of(one, self._join.counts, _now_ms())]
        for pair in (one for one in found if isinstance(one, Joined)):
            drift = self._scores.take(*pair)
            if drift is not None:
                _log.warning("errors_drift", **drift.arm._asdict(), before=drift.before, after=drift.after)
        outcomes += self._scores.close(int(time.time()))
        self._publish(outcomes)
        if messages:
            done = self._join.keep()
            self._consumer.commit(
                offsets=[TopicPartition(LABELS, partition, offset) for partition, offset in done.items()]
            )

    def _publish(self, outcomes: Sequence[Outcome]) -> None:
        for start in range(0, len(outcomes), MAX_EVENTS):
            part = outcomes[start : start + MAX_EVENTS]
            packed = telemetry_columns.pack(part, publisher="labels", seq=self._seq, sent_ms=_now_ms())
            self._producer.produce(TELEMETRY, telemetry_message.encode(packed), key=b"labels")
            self._seq += 1
        if outcomes and self._producer.flush(_FLUSH_S):
            raise Unreachable(f"kafka at {self._kafka.bootstrap} does not take outcomes")

    def _report(self) -> None:
        counts = self._join.counts
        _log.info(
            "labels", predictions=counts.predictions, labels=counts.labels, joined=counts.joined,
            compared=counts.compared,
            refused=dict(counts.refused), held=self._table.size,
        )  # fmt: skip


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _is_ours(message: KafkaMessage) -> bool:
    error = message.error()
    if error is not None and error.code() not in _PASSING:
        raise KafkaException(error)
    return error is None


def _message(message: KafkaMessage) -> Message:
    _, append_ms = message.timestamp()
    return Message(message.partition(), message.offset(), append_ms // 1000, message.value() or b"")
