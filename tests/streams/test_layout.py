import pytest

from trimtab.schemas.errors import Unreachable
from trimtab.schemas.topics import EVIDENCE, TELEMETRY, WEIGHTS
from trimtab.streams.embedded import EmbeddedKafka
from trimtab.streams.layout import WrongLayout, embedded_topics, ensure_topics, topics
from trimtab.streams.settings import KafkaSettings


def test_the_changelog_has_as_many_partitions_as_the_evidence_log() -> None:
    settings = KafkaSettings(group="mine", evidence_partitions=7)
    layout = embedded_topics(settings)
    assert layout["mine-snapshots-changelog"] == layout[EVIDENCE] == 7


def test_the_engine_reads_time_from_the_broker_and_newest_weights_are_kept() -> None:
    config = {topic.name: topic.config for topic in topics(KafkaSettings())}
    assert config[TELEMETRY]["message.timestamp.type"] == "LogAppendTime"
    assert config[EVIDENCE]["message.timestamp.type"] == "LogAppendTime"
    assert config[WEIGHTS]["cleanup.policy"] == "compact"


def test_topics_that_are_there_are_left_as_they_are() -> None:
    with EmbeddedKafka(embedded_topics()) as kafka:
        assert ensure_topics(KafkaSettings(bootstrap=kafka.bootstrap)) == []


def test_another_number_of_partitions_is_refused_with_both_numbers() -> None:
    with EmbeddedKafka(embedded_topics()) as kafka:
        settings = KafkaSettings(bootstrap=kafka.bootstrap, telemetry_partitions=9)
        with pytest.raises(
            WrongLayout,
            match=r"trimtab.telemetry: 4 partitions, expected 9 .*--alter --topic trimtab.telemetry --partitions 9",
        ):
            ensure_topics(settings)


def test_a_broker_that_is_not_there_is_named() -> None:
    with pytest.raises(Unreachable, match=r"kafka at 127\.0\.0\.1:1:"):
        ensure_topics(KafkaSettings(bootstrap="127.0.0.1:1"), timeout_s=0.5)
