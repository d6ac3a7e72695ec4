"""Telling what a model answered, and what turned out to be true: to the label service, which makes outcomes of it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, Message, Producer

from trimtab.client.token import read_token
from trimtab.schemas.errors import InvalidEvent
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.schemas.label import Label, LabelEvent, Prediction, decode, encode
from trimtab.schemas.telemetry import RoutingKey
from trimtab.schemas.topics import LABELS


@dataclass(slots=True)
class LabelsStats:
    """What became of events so far."""

    published: int = 0
    """acknowledged by Kafka"""
    dropped: int = 0
    """the buffer was full, or Kafka was away for too long"""
    invalid: int = 0


class Labels:
    """Publishes predictions and labels. Safe for threads, never waits for IO, and never raises but at its making.

    `kafka` is HOST:PORT, or a `KafkaConnection` for what that cannot say.
    """

    def __init__(self, kafka: str | KafkaConnection) -> None:
        config = librdkafka_config(KafkaConnection.of(kafka))
        self._producer = Producer({**config, "enable.idempotence": True, "linger.ms": 20, "log_level": 0})
        self.stats = LabelsStats()

    def predicted(  # noqa: PLR0913 - one argument a field
        self,
        key: RoutingKey,
        request: str,
        *,
        label: str | None = None,
        value: float | None = None,
        probabilities: Mapping[str, float] | None = None,
        shadow: bool = False,
        time_ms: int | None = None,
    ) -> bool:
        """Tells what a variant answered: a class or a number. False where that is no event.

        `key`: where the request was routed (`Assignment.key`); `time_ms`: when, by default now. `shadow`: whether
        nobody got the answer, for the request was a copy.
        """
        return self._send(
            Prediction(
                request=request, release=key.release, variant=key.variant, segment=key.segment, era=key.era,
                revision=key.revision, time_ms=_now_ms() if time_ms is None else time_ms, label=label, value=value,
                probabilities=dict(probabilities or {}), shadow=shadow,
            )
        )  # fmt: skip

    def labelled(
        self, request: str, *, label: str | None = None, value: float | None = None, time_ms: int | None = None
    ) -> bool:
        """Tells what was true of a request. False where that is no event."""
        known_ms = _now_ms() if time_ms is None else time_ms
        return self._send(Label(request=request, time_ms=known_ms, label=label, value=value))

    def labelled_by_token(self, token: str, *, label: str | None = None, value: float | None = None) -> bool:
        """The same of the request that was given an attribution token; False where that is no token."""
        try:
            request = read_token(token).request
        except InvalidEvent:
            self.stats.invalid += 1
            return False
        return self.labelled(request, label=label, value=value)

    def _send(self, event: LabelEvent) -> bool:
        try:
            payload = encode(event)
            decode(payload)
        except (InvalidEvent, TypeError, ValueError, OverflowError):
            self.stats.invalid += 1
            return False
        try:
            self._producer.produce(LABELS, payload, key=event.request.encode(), on_delivery=self._book)
        except BufferError:
            self.stats.dropped += 1
        self._producer.poll(0)
        return True

    def _book(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self.stats.published += 1
        else:
            self.stats.dropped += 1

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Waits until everything is acknowledged or given up; False where that takes longer."""
        return not self._producer.flush(timeout_s)

    def close(self) -> None:
        """Sends what is left, for ten seconds at most."""
        self.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
