"""Steering a release by hand: an order into the evidence log, and what became of it.

An order is a record among the evidence, so replay sees it where the workers did. Its offset says which decision it
made: the one with the next number as its revision. Where it cannot be followed there is a dead letter of that offset.
"""

import time
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from msgspec.structs import replace

from trimtab.control.audit_log import CLI, Author, Outcome, now_ms, standing_before
from trimtab.schemas import dead_letter, evidence
from trimtab.schemas.audit import AuditEntry, Standing
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.errors import InvalidRecord, TrimtabError, Unreachable
from trimtab.schemas.evidence import Command
from trimtab.schemas.kafka_connection import KafkaConnection, librdkafka_config
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, evidence_partition
from trimtab.streams.kafka_reach import Admin

_ANSWER_S: Final = 10.0
_LOOK_S: Final = 0.1


class OrderRefused(TrimtabError):
    """The workers do not follow an order; the message is why."""


class NotTaken(Unreachable):
    """No worker has taken an order yet. It stands in the log, and is followed as soon as one comes to it."""

    def __init__(self, partition: int, offset: int, wait_s: float) -> None:
        self.revision = offset + 1
        """of the decision that it will make, unless it is refused"""
        super().__init__(
            f"no worker has taken the order in {wait_s:g} s; it stands in {EVIDENCE}/{partition} at {offset}, and is"
            " followed as soon as one comes to it"
        )


def steer(
    command: Command, *, kafka: str | KafkaConnection, wait_s: float, by: Author = CLI, before: Decision | None = None
) -> Decision:
    """Gives an order, and the decision that it made; order and outcome are recorded in the audit log.

    `before`: the newest decision, where it is at hand.
    Raises `OrderRefused`; `NotTaken` where no worker has taken the order after `wait_s`; `Unreachable` where Kafka does
    not answer.
    """
    connection = KafkaConnection.of(kafka)
    entry = _entry(command, by, now_ms())
    try:
        made = _steer(command, connection, wait_s)
    except (OrderRefused, NotTaken) as error:
        outcome: Outcome = "waiting" if isinstance(error, NotTaken) else "refused"
        stood = Standing.of(before) if before else standing_before(connection, command.release, None)
        by.record(connection, replace(entry, before=stood, outcome=outcome, detail=str(error)))
        raise
    is_known = before is not None and before.id == made.replaces
    stood = Standing.of(before) if before and is_known else standing_before(connection, command.release, made)
    by.record(connection, replace(entry, before=stood, after=Standing.of(made)))
    return made


def _entry(command: Command, by: Author, asked_ms: int) -> AuditEntry:
    """Gives the entry of an order that is followed."""
    named = [*([command.variant] if command.variant else []), *(f"{name}={bp}" for name, bp in command.weights.items())]
    return AuditEntry(
        time_ms=asked_ms, actor=command.actor, role=by.role, source=by.source, release=command.release,
        action=command.action, reason=command.reason, outcome="done", detail=" ".join(named), address=by.address,
    )  # fmt: skip


def _steer(command: Command, connection: KafkaConnection, wait_s: float) -> Decision:
    answers = Consumer(
        {
            **librdkafka_config(connection), "group.id": f"{connection.client_id}-steer", "enable.auto.commit": False,
            "enable.auto.offset.store": False, "auto.offset.reset": "error", "log_level": 0,
        }
    )  # fmt: skip
    try:
        partition = _listen(answers, command.release)
        offset = _send(command, connection, partition)
        return _answer(answers, command.release, (partition, offset), wait_s)
    except KafkaException as error:
        raise Admin(connection).failure(error) from error
    finally:
        answers.close()


def _listen(answers: Consumer, release: str) -> int:
    """Begins to listen to decisions and dead letters from their ends on, and gives the release's partition."""
    found = answers.list_topics(timeout=_ANSWER_S).topics
    for topic in (EVIDENCE, DECISIONS, DEAD_LETTERS):
        if topic not in found:
            raise Unreachable(f"kafka: no topic {topic}; a worker creates it when it starts")
    partition = evidence_partition(release, len(found[EVIDENCE].partitions))
    ours = evidence_partition(release, len(found[DECISIONS].partitions))
    places = [
        TopicPartition(DECISIONS, ours),
        *(TopicPartition(DEAD_LETTERS, at) for at in found[DEAD_LETTERS].partitions),
    ]
    for place in places:
        place.offset = answers.get_watermark_offsets(place, timeout=_ANSWER_S)[1]
    answers.assign(places)
    return partition


def _send(command: Command, kafka: KafkaConnection, partition: int) -> int:
    """Gives the offset at which an order stands."""
    producer = Producer({**librdkafka_config(kafka), "enable.idempotence": True, "log_level": 0})
    told: list[tuple[KafkaError | None, int]] = []
    producer.produce(
        EVIDENCE,
        evidence.encode(command),
        key=command.release.encode(),
        partition=partition,
        on_delivery=lambda error, message: told.append((error, message.offset())),
    )
    if producer.flush(_ANSWER_S) or told[0][0] is not None:
        raise Unreachable(f"kafka at {kafka.bootstrap}: {told[0][0] if told else 'no answer to what was sent'}")
    return told[0][1]


def _answer(answers: Consumer, release: str, place: tuple[int, int], wait_s: float) -> Decision:
    end_s = time.monotonic() + wait_s
    while time.monotonic() < end_s:
        message = answers.poll(_LOOK_S)
        if message is None or message.error() is not None:
            continue
        try:
            if message.topic() == DECISIONS:
                decision = decode_decision(message.value())
                if (decision.release, decision.revision) == (release, place[1] + 1):
                    return decision
            else:
                letter = dead_letter.decode(message.value())
                if (letter.source, letter.partition, letter.offset) == (EVIDENCE, *place):
                    raise OrderRefused(letter.reason)
        except InvalidRecord:
            continue  # somebody else's, or of a newer version
    raise NotTaken(*place, wait_s)
