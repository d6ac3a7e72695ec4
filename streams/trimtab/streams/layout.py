"""The topics: how many partitions, which configuration, and that they are there before anything starts."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from trimtab.schemas.errors import TrimtabError, Unreachable
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, TELEMETRY, WEIGHTS
from trimtab.streams.settings import KafkaSettings

SNAPSHOTS_TABLE: Final = "snapshots"

_LOG_TIME: Final = {"message.timestamp.type": "LogAppendTime"}
"""The engine's clock is the broker's: one publisher with a wrong clock harms nobody else."""
_COMPACTED: Final = {"cleanup.policy": "compact"}


class WrongLayout(TrimtabError):
    """A topic exists with another number of partitions than the settings say."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it has to be."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def topics(settings: KafkaSettings) -> list[Topic]:
    """Gives every topic that a worker reads or writes. The changelog has to match the evidence log's partitions."""
    return [
        Topic(TELEMETRY, settings.telemetry_partitions, _LOG_TIME),
        Topic(EVIDENCE, settings.evidence_partitions, _LOG_TIME),
        Topic(DECISIONS, settings.evidence_partitions),
        Topic(WEIGHTS, settings.evidence_partitions, _COMPACTED),
        Topic(DEAD_LETTERS, 1),
        Topic(f"{settings.group}-{SNAPSHOTS_TABLE}-changelog", settings.evidence_partitions, _COMPACTED),
    ]


def embedded_topics(settings: KafkaSettings | None = None) -> dict[str, int]:
    """Gives name -> partitions, for an embedded broker, which cannot create topics when asked over the wire."""
    return {topic.name: topic.partitions for topic in topics(settings or KafkaSettings())}


def ensure_topics(settings: KafkaSettings, timeout_s: float = 10.0) -> list[str]:
    """Creates the topics that are missing, and gives their names.

    Raises `WrongLayout` when one exists with another number of partitions, `Unreachable` when Kafka does not answer.
    """
    admin = AdminClient({"bootstrap.servers": settings.bootstrap, "log_level": 0})
    try:
        known = {name: len(found.partitions) for name, found in admin.list_topics(timeout=timeout_s).topics.items()}
        wanted = topics(settings)
        _check(wanted, known)
        missing = [topic for topic in wanted if topic.name not in known]
        _create(admin, missing, settings.replication, timeout_s)
    except KafkaException as error:
        raise Unreachable(f"kafka at {settings.bootstrap}: {error.args[0].str()}") from error
    return [topic.name for topic in missing]


def _check(wanted: Iterable[Topic], known: dict[str, int]) -> None:
    for topic in wanted:
        found = known.get(topic.name, topic.partitions)
        if found != topic.partitions:
            raise WrongLayout(f"topic {topic.name}: {found} partitions, expected {topic.partitions} by the settings")


def _create(admin: AdminClient, missing: list[Topic], replication: int, timeout_s: float) -> None:
    if not missing:
        return
    new = [NewTopic(topic.name, topic.partitions, replication, config=topic.config) for topic in missing]
    for future in admin.create_topics(new, operation_timeout=timeout_s, request_timeout=timeout_s).values():
        try:
            future.result()
        except KafkaException as error:
            # Another worker that starts at the same moment may have been first.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
