"""Writes `trimtab.audit`, and reads it from its newest entry backwards."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal, NamedTuple

from confluent_kafka import KafkaException, Producer

from trimtab.control.history import History
from trimtab.control.kafka_log import KafkaLog
from trimtab.schemas import audit
from trimtab.schemas.audit import AuditEntry, Standing
from trimtab.schemas.decision import Decision
from trimtab.schemas.errors import InvalidRecord, Unreachable
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.schemas.topics import AUDIT
from trimtab.streams.kafka_reach import Admin

_ASK_S: Final = 5.0
_RECENT: Final = 20
"""Decisions among which the one is looked for that an order replaced."""
_STEP: Final = 1_000
_FARTHEST: Final = 50_000
"""Entries that one page may cost; it tells where the next one is to go on."""

Outcome = Literal["done", "waiting", "refused", "failed"]


class AuditLog:
    """Appends entries; may be shared by threads."""

    def __init__(self, kafka: KafkaConnection) -> None:
        self._kafka = kafka
        self._opening = Lock()
        self._producer: Producer | None = None

    def append(self, entry: AuditEntry) -> None:
        """Returns once an entry is safe. Raises `Unreachable` where it is not known to be."""
        told: list[str] = []
        try:
            producer = self._open()
            producer.produce(
                AUDIT, audit.encode(entry), key=entry.release.encode(), partition=0,
                on_delivery=lambda error, _message: told.append(str(error) if error else ""),
            )  # fmt: skip
            producer.flush(_ASK_S)
        except KafkaException as error:
            raise Admin(self._kafka).failure(error) from error
        if told != [""]:
            raise Unreachable(f"kafka at {self._kafka.bootstrap}: {told[0] if told else 'no answer to what was sent'}")

    def _open(self) -> Producer:
        with self._opening:
            if self._producer is None:
                producer = Producer(
                    librdkafka_config(self._kafka)
                    | {"enable.idempotence": True, "message.timeout.ms": round(_ASK_S * 1_000), "log_level": 0}
                )
                if AUDIT not in producer.list_topics(timeout=_ASK_S).topics:  # to ask for it by name might create it
                    raise Unreachable(
                        f"kafka at {self._kafka.bootstrap}: no topic {AUDIT}; a worker creates it when it starts"
                    )
                self._producer = producer
        return self._producer


def _tell(_entry: AuditEntry, error: str) -> None:
    # A person steers: they are told where they look.
    from trimtab.control.command import say  # noqa: PLC0415

    say(f"warning: this is not recorded in {AUDIT}: {error}")


@dataclass(frozen=True, slots=True)
class Author:
    """Who asks for a change, by which way, and where it is recorded."""

    role: str = ""
    source: Literal["cli", "api", "console", "hook"] = "cli"
    address: str = ""
    log: AuditLog | None = None
    """one that is open already"""
    unrecorded: Callable[[AuditEntry, str], None] = _tell
    """called where an entry could not be written, with why"""

    def record(self, kafka: KafkaConnection, entry: AuditEntry) -> None:
        """Appends an entry. What was done is done: a failure is told, and does not undo it."""
        try:
            (self.log or AuditLog(kafka)).append(entry)
        except Unreachable as error:
            self.unrecorded(entry, str(error))


CLI: Final = Author()


def now_ms() -> int:
    """Gives the time for an entry."""
    return time.time_ns() // 1_000_000


def standing_before(kafka: KafkaConnection, release: str, made: Decision | None) -> Standing | None:
    """Gives how a release stood before `made`, or stands where nothing was made; None where that is not known."""
    try:
        with KafkaLog(kafka, _ASK_S) as log:
            recent = [found.decision for found in History(log, release).page(None, _RECENT).items]
    except Unreachable:
        return None
    stood = [one for one in recent if made is None or one.id == made.replaces]
    return Standing.of(stood[0]) if stood else None


class Page(NamedTuple):
    """Entries, newest first, and the offset before which the next page begins; None at the oldest."""

    items: list[AuditEntry]
    next: int | None


def page(log: KafkaLog, before: int | None, limit: int, release: str = "") -> Page:
    """Gives at most `limit` entries below offset `before`, of one release or of all, newest first.

    What cannot be read is passed over. There may be fewer of them, and still a `next`.
    """
    low, high = log.bounds(AUDIT, 0)
    stop = high if before is None else min(before, high)
    farthest, found = stop - _FARTHEST, list[tuple[int, AuditEntry]]()
    while stop > low and len(found) < limit and stop > farthest:
        start = max(low, stop - _STEP)
        read = [(entry.offset, _read(entry.value)) for entry in log.read(AUDIT, 0, start, stop)]
        found += [
            (offset, one) for offset, one in reversed(read) if one is not None and release in ("", one.release)
        ]  # fmt: skip
        stop = start
    if len(found) > limit:
        return Page([one for _, one in found[:limit]], found[limit - 1][0])
    return Page([one for _, one in found], stop if stop > low else None)


def _read(payload: bytes) -> AuditEntry | None:
    try:
        return audit.decode(payload)
    except InvalidRecord:
        return None
