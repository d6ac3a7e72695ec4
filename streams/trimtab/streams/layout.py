"""The topics: how many partitions, which configuration, and that they are there before anything starts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import NewTopic

from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.topics import AUDIT, DEAD_LETTERS, DECISIONS, EVIDENCE, LABELS, TELEMETRY, WEIGHTS
from trimtab.streams.kafka_reach import Admin
from trimtab.streams.setting_table import both_spellings
from trimtab.streams.settings import KafkaSettings
from trimtab.streams.topic_config import CLEANUP, RETENTION, TIMESTAMP, found_config

SNAPSHOTS_TABLE: Final = "snapshots"

_LOG_TIME: Final = {TIMESTAMP: "LogAppendTime"}
"""The engine's clock is the broker's: one publisher with a wrong clock harms nobody else."""
_COMPACTED: Final = {CLEANUP: "compact"}
_DELETED: Final = {CLEANUP: "delete"}
"""Compaction would drop all but the newest message of each publisher or release."""
_BROKERS_DEFAULT: Final = -1
_MILLISECONDS: Final = 3_600_000


class WrongLayout(TrimtabError):
    """Topics exist that are not as they have to be; the message has a line for each, with what would mend it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it has to be."""

    name: str
    partitions: int
    setting: str
    """that says how many partitions; none where there is only one way"""
    needs: dict[str, str] = field(default_factory=dict)
    """configuration without which nothing works right, also where somebody else created the topic"""
    retention_h: float | None = None
    """hours; None where the newest of each key is kept"""

    @property
    def config(self) -> dict[str, str]:
        """The configuration to create it with."""
        kept = {} if self.retention_h is None else {RETENTION: str(round(self.retention_h * _MILLISECONDS))}
        return kept | self.needs


def topics(settings: KafkaSettings) -> list[Topic]:
    """Gives every topic that a worker reads or writes. The changelog has to match the evidence log's partitions."""
    folds = (settings.telemetry_partitions, "telemetry_partitions")
    decides = (settings.evidence_partitions, "evidence_partitions")
    kept = settings.retention
    return [
        Topic(TELEMETRY, *folds, _LOG_TIME | _DELETED, kept.telemetry_h),
        Topic(EVIDENCE, *decides, _LOG_TIME | _DELETED, kept.evidence_h),
        Topic(DECISIONS, *decides, _DELETED, kept.decisions_h),
        Topic(WEIGHTS, *decides, _COMPACTED),
        Topic(DEAD_LETTERS, 1, "", _DELETED, kept.dead_letters_h),
        Topic(LABELS, *folds, _LOG_TIME | _DELETED, kept.telemetry_h),
        Topic(AUDIT, 1, "", _DELETED, kept.audit_h),
        Topic(f"{settings.group}-{SNAPSHOTS_TABLE}-changelog", *decides, _COMPACTED),
    ]


def embedded_topics(settings: KafkaSettings | None = None) -> dict[str, int]:
    """Gives name -> partitions, for an embedded broker, which cannot create topics when asked over the wire."""
    return {topic.name: topic.partitions for topic in topics(settings or KafkaSettings())}


def ensure_topics(settings: KafkaSettings, timeout_s: float = 10.0) -> list[str]:
    """Creates the topics that are missing, and gives their names.

    Raises `WrongLayout` when some exist that are not as they have to be, `Refused` when Kafka does not let us in or
    create them, `Unreachable` when it does not answer.
    """
    admin, wanted = Admin(settings), topics(settings)
    try:
        known, configs = _found(admin, wanted, timeout_s)
        _check(settings, wanted, known, configs)
        missing = [topic for topic in wanted if topic.name not in known]
        _create(admin, missing, settings, timeout_s)
    except KafkaException as error:
        raise admin.failure(error) from error
    return [topic.name for topic in missing]


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as it is."""

    name: str
    expected: int
    """partitions by the settings"""
    partitions: int | None
    """None where there is no such topic"""
    problems: list[str]
    """what is not as it has to be, with what would mend it"""


def topic_states(settings: KafkaSettings, timeout_s: float = 10.0) -> list[TopicState]:
    """Gives every topic as it is, and changes nothing. Raises `Refused` and `Unreachable` as `ensure_topics` does."""
    admin, wanted = Admin(settings), topics(settings)
    try:
        known, configs = _found(admin, wanted, timeout_s)
    except KafkaException as error:
        raise admin.failure(error) from error
    return [
        TopicState(
            topic.name, topic.partitions, known.get(topic.name), list(_problems(settings, topic, known, configs))
        )
        for topic in wanted
    ]


def _found(admin: Admin, wanted: Iterable[Topic], timeout_s: float) -> tuple[dict[str, int], dict[str, dict[str, str]]]:
    """Gives the partitions of all topics, and the configuration of those that are wanted."""
    known = {name: len(found.partitions) for name, found in admin.client.list_topics(timeout=timeout_s).topics.items()}
    return known, found_config(admin.client, [topic.name for topic in wanted if topic.name in known], timeout_s)


def _check(
    settings: KafkaSettings, wanted: Iterable[Topic], known: dict[str, int], configs: dict[str, dict[str, str]]
) -> None:
    problems = [problem for topic in wanted for problem in _problems(settings, topic, known, configs)]
    if problems:
        raise WrongLayout("\n".join(problems))


def _problems(
    settings: KafkaSettings, topic: Topic, known: dict[str, int], configs: dict[str, dict[str, str]]
) -> Iterator[str]:
    found = known.get(topic.name, topic.partitions)
    if found != topic.partitions:
        yield _wrong_partitions(settings, topic, found)
    for name, value in configs.get(topic.name, {}).items():
        if topic.needs.get(name, value) != value:
            yield _wrong_config(settings, topic, name, value)


def _wrong_partitions(settings: KafkaSettings, topic: Topic, found: int) -> str:
    told = f"topic {topic.name}: {found} partitions, expected {topic.partitions} by the settings"
    ways: list[str] = []
    if topic.setting:
        path = ("kafka", topic.setting)
        ways.append(f"set {both_spellings(path)} to {found}")
    if found > topic.partitions:
        return f"{told}; Kafka cannot shrink a topic: {' or '.join(ways) or 'delete it'}"
    unless = (
        " (only where no release was ever applied: each lives in one of them)" if "evidence" in topic.setting else ""
    )
    command = (
        f"kafka-topics.sh --bootstrap-server {settings.bootstrap} --alter --topic {topic.name}"
        f" --partitions {topic.partitions}"
    )
    return f"{told}; {' or '.join([*ways, f'run: {command}'])}{unless}"


def _wrong_config(settings: KafkaSettings, topic: Topic, name: str, value: str) -> str:
    needed = topic.needs[name]
    command = (
        f"kafka-configs.sh --bootstrap-server {settings.bootstrap} --alter --entity-type topics"
        f" --entity-name {topic.name} --add-config {name}={needed}"
    )
    return f"topic {topic.name}: {name} is {value}, expected {needed}; run: {command}"


def _create(admin: Admin, missing: list[Topic], settings: KafkaSettings, timeout_s: float) -> None:
    if not missing:
        return
    copies = settings.replication or _BROKERS_DEFAULT
    new = [NewTopic(topic.name, topic.partitions, copies, config=topic.config | _insync(settings)) for topic in missing]
    for future in admin.client.create_topics(new, operation_timeout=timeout_s, request_timeout=timeout_s).values():
        try:
            future.result()
        except KafkaException as error:
            # Another worker that starts at the same moment may have been first.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise


def _insync(settings: KafkaSettings) -> dict[str, str]:
    """Gives the copies that must have a record: as set, else all but one, else as the broker has it."""
    least = settings.min_insync_replicas
    if least is None and settings.replication is not None:
        least = max(1, settings.replication - 1)
    return {} if least is None else {"min.insync.replicas": str(least)}
