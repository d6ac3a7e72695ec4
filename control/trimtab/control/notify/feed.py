"""The feed of one target: decisions from its checkpoint on, each told before the checkpoint moves past it.

The checkpoint is the committed offset of the target's own consumer group on `trimtab.decisions`. A feed that is killed
tells once more what it had not committed: at least once, never not at all. Several processes with the same targets
share the partitions.
"""

import threading
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from trimtab.control.history import History
from trimtab.control.kafka_log import KafkaLog
from trimtab.control.notify.courier import Courier, Untaken
from trimtab.control.notify.notice import Notice, notice_of
from trimtab.control.notify.payload import body_of
from trimtab.control.notify.targets import Target
from trimtab.schemas import dead_letter
from trimtab.schemas.dead_letter import MAX_PAYLOAD, DeadLetter
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.errors import InvalidRecord, Unreachable
from trimtab.schemas.ids import NO_REVISION
from trimtab.schemas.kafka_connection import librdkafka_config
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS
from trimtab.streams.settings import KafkaSettings

UNDELIVERED: Final = "undelivered"
"""The code of dead letters of notices."""
_LOOK_S: Final = 0.2
_COMMIT_EVERY: Final = 500
_ASK_S: Final = 10.0
_log = structlog.get_logger()


class Feed:
    """Tells one target what becomes of releases, until `stopping` is set."""

    def __init__(self, kafka: KafkaSettings, target: Target, stopping: threading.Event) -> None:
        self._kafka, self._target, self._stopping = kafka, target, stopping
        self._courier = Courier(target, stopping)
        self._newest: dict[str, Decision] = {}
        self._uncommitted = 0
        common = librdkafka_config(kafka) | {"log_level": 0}
        self._consumer = Consumer(
            {
                **common, "group.id": f"{kafka.group}-notify-{target.name}", "enable.auto.commit": False,
                "enable.auto.offset.store": False, "auto.offset.reset": "latest",
                "session.timeout.ms": round(kafka.session_timeout_s * 1000),
                # A target that is away is waited for, which is no reason to lose the partitions.
                "max.poll.interval.ms": 86_400_000,
            }
        )  # fmt: skip
        self._producer = Producer({**common, "enable.idempotence": True})

    def run(self) -> None:
        """Reads and tells. Raises `KafkaException` for what Kafka refuses; one that is away is waited for."""
        self._consumer.subscribe([DECISIONS], on_assign=self._begin)
        try:
            while not self._stopping.is_set():
                message = self._consumer.poll(_LOOK_S)
                if message is None:
                    self._commit()
                elif message.error() is None:
                    self._take(message)
                elif message.error().code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
                    raise KafkaException(message.error())
            self._commit()
        finally:
            self._consumer.close()

    def _begin(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Goes to the checkpoints. Where there is none yet it is set here, so that nothing from now on is missed."""
        self._newest.clear()
        fresh = [one for one in consumer.committed(partitions, _ASK_S) if one.offset < 0]
        for one in fresh:
            one.offset = consumer.get_watermark_offsets(one, _ASK_S)[1]
        if fresh:
            consumer.commit(offsets=fresh, asynchronous=False)
        begun = {(one.topic, one.partition): one for one in fresh}
        consumer.assign([begun.get((one.topic, one.partition), one) for one in partitions])

    def _take(self, message: Message) -> None:
        try:
            made = decode_decision(message.value() or b"")
        except InvalidRecord as error:
            _log.warning("decision_unread", partition=message.partition(), offset=message.offset(), reason=str(error))
        else:
            notice = self._news(made)
            if notice is not None and self._target.wants(notice) and not self._tell(notice, message):
                return  # told to stop: it is told again after the next start
        self._consumer.store_offsets(message)
        self._uncommitted += 1
        if self._uncommitted >= _COMMIT_EVERY:
            self._commit()

    def _news(self, made: Decision) -> Notice | None:
        """Gives what to tell of a decision; nothing of one that a restarted worker has written once more."""
        before = self._newest.get(made.release)
        if before is not None and made.id <= before.id:
            return None
        if before is None or before.id != made.replaces:
            before = self._replaced(made)
        self._newest[made.release] = made
        return notice_of(before, made)

    def _replaced(self, made: Decision) -> Decision | None:
        """Gives the decision before, as Kafka has it. One that is not kept any more is taken to have been the same."""
        if made.replaces == NO_REVISION:
            return None
        while not self._stopping.is_set():
            try:
                with KafkaLog(self._kafka, _ASK_S) as log:
                    return History(log, made.release).get(made.replaces) or made
            except InvalidRecord:
                return made
            except Unreachable as error:
                _log.warning("kafka_unreachable", error=str(error))
                self._stopping.wait(_LOOK_S)
        return made

    def _tell(self, notice: Notice, message: Message) -> bool:
        """Gives whether it is settled: taken, or given up and a dead letter. The checkpoint follows at once."""
        untaken = self._courier.bring(notice)
        if untaken is not None and not untaken.is_final:
            return False
        if untaken is not None:
            self._bury(notice, message, untaken)
        self._uncommitted = _COMMIT_EVERY  # what was told is not to be told again for want of a commit
        return True

    def _bury(self, notice: Notice, message: Message, untaken: Untaken) -> None:
        """Writes a dead letter, and waits until it is safe."""
        reason = f"target {self._target.name}: {untaken.reason}"
        letter = DeadLetter(
            source=DECISIONS, partition=message.partition(), offset=message.offset(), last_offset=message.offset(),
            reason=reason, code=UNDELIVERED, events=0, release=notice.decision.release,
            time_ms=message.timestamp()[1], payload=body_of(notice, self._target.format)[:MAX_PAYLOAD],
        )  # fmt: skip
        self._producer.produce(DEAD_LETTERS, dead_letter.encode(letter), key=letter.id.encode(), partition=0)
        while self._producer.flush(_LOOK_S) and not self._stopping.is_set():
            pass
        _log.error("notice_given_up", target=self._target.name, notice=notice.id, reason=untaken.reason)

    def _commit(self) -> None:
        if not self._uncommitted:
            return
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as error:
            # It is committed with the next one; until then a restart would tell again.
            _log.warning("checkpoint_failed", target=self._target.name, error=str(error.args[0]))
        self._uncommitted = 0
