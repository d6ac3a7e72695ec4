"""Topics on a genuine Kafka: as settings ask for them, and refused where they are not what the engine rests on."""

import time
from collections.abc import Iterator

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from conftest import Eventually
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS, EVIDENCE, TELEMETRY, WEIGHTS
from trimtab.streams.layout import WrongLayout, ensure_topics
from trimtab.streams.local import LocalKafka
from trimtab.streams.settings import KafkaSettings, RetentionSettings

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalKafka]:
    with LocalKafka() as running:
        yield running


@pytest.fixture
def admin(cluster: LocalKafka, eventually: Eventually) -> Iterator[AdminClient]:
    """Of a cluster without topics of ours, before and after."""
    client = AdminClient({"bootstrap.servers": cluster.bootstrap})
    yield client
    names = ours(client)
    for deleted in (client.delete_topics(names) if names else {}).values():
        deleted.result()
    eventually(lambda: not ours(client), what="topics are gone")


def ours(client: AdminClient) -> list[str]:
    return [name for name in client.list_topics(timeout=60).topics if name.startswith("trimtab")]


def config(admin: AdminClient, topic: str) -> dict[str, str]:
    (answer,) = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]).values()
    return {entry.name: entry.value for entry in answer.result().values()}


def copies(admin: AdminClient, topic: str) -> tuple[set[int], str]:
    """Replicas of each partition and how many have to be in sync, as far as the broker that is asked knows."""
    try:
        partitions = admin.list_topics(topic, timeout=60).topics[topic].partitions
        return {len(one.replicas) for one in partitions.values()}, config(admin, topic)["min.insync.replicas"]
    except KafkaException:
        return set(), ""


def create(admin: AdminClient, topic: str, partitions: int = 4, **settings: str) -> None:
    named = {name.replace("_", "."): value for name, value in settings.items()}
    (created,) = admin.create_topics([NewTopic(topic, partitions, 1, config=named)]).values()
    created.result()
    end_s = time.monotonic() + 10
    while topic not in admin.list_topics(timeout=60).topics:
        assert time.monotonic() < end_s, f"{topic}: created, but not known"


def refused(cluster: LocalKafka) -> str:
    with pytest.raises(WrongLayout) as error:
        ensure_topics(KafkaSettings(bootstrap=cluster.bootstrap))
    return str(error.value)


def test_topics_are_created_as_the_settings_say(
    cluster: LocalKafka, admin: AdminClient, eventually: Eventually
) -> None:
    kept = RetentionSettings(telemetry_h=1, evidence_h=2, decisions_h=3, dead_letters_h=0.5)
    settings = KafkaSettings(bootstrap=cluster.bootstrap, retention=kept, telemetry_partitions=5)
    assert len(ensure_topics(settings)) == 8
    eventually(lambda: len(ours(admin)) == 8, what="topics are known")
    assert ensure_topics(settings) == []
    assert len(admin.list_topics(timeout=60).topics[TELEMETRY].partitions) == 5
    hours = {TELEMETRY: 1, EVIDENCE: 2, DECISIONS: 3, DEAD_LETTERS: 0.5}
    assert {topic: int(config(admin, topic)["retention.ms"]) / 3_600_000 for topic in hours} == hours
    for topic in ("trimtab-snapshots-changelog", WEIGHTS):
        assert config(admin, topic)["cleanup.policy"] == "compact"
    for topic in (TELEMETRY, EVIDENCE):
        assert config(admin, topic)["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize("asked", [{}, {"replication": 3}])
def test_copies_are_those_of_the_settings_or_of_the_broker(asked: dict[str, int], eventually: Eventually) -> None:
    with LocalKafka(brokers=3, heap_mb=256) as cluster:
        ensure_topics(KafkaSettings(bootstrap=cluster.bootstrap, **asked))
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
        # Brokers hear of a topic one after another.
        eventually(lambda: copies(admin, EVIDENCE) == ({3}, "2"), what="three copies, two of them in sync")


def test_too_few_partitions_are_refused_with_the_command_that_mends_it(cluster: LocalKafka, admin: AdminClient) -> None:
    create(admin, TELEMETRY, 3, message_timestamp_type="LogAppendTime")
    assert refused(cluster) == (
        "topic trimtab.telemetry: 3 partitions, expected 4 by the settings; set kafka.telemetry_partitions"
        " (TRIMTAB_KAFKA__TELEMETRY_PARTITIONS) to 3 or run: kafka-topics.sh"
        f" --bootstrap-server {cluster.bootstrap} --alter --topic trimtab.telemetry --partitions 4"
    )
    assert EVIDENCE not in admin.list_topics(timeout=60).topics  # nothing was created beside it


def test_too_many_partitions_are_refused_with_the_setting_to_change(cluster: LocalKafka, admin: AdminClient) -> None:
    create(admin, TELEMETRY, 6, message_timestamp_type="LogAppendTime")
    told = refused(cluster)
    assert "6 partitions, expected 4 by the settings; Kafka cannot shrink a topic" in told
    assert "set kafka.telemetry_partitions (TRIMTAB_KAFKA__TELEMETRY_PARTITIONS) to 6" in told


def test_a_changelog_that_does_not_match_the_evidence_is_refused(cluster: LocalKafka, admin: AdminClient) -> None:
    create(admin, "trimtab-snapshots-changelog", 3, cleanup_policy="compact")
    assert "topic trimtab-snapshots-changelog: 3 partitions, expected 4" in refused(cluster)


def test_another_clock_than_the_brokers_is_refused_with_the_command(cluster: LocalKafka, admin: AdminClient) -> None:
    create(admin, EVIDENCE)
    assert refused(cluster) == (
        "topic trimtab.evidence: message.timestamp.type is CreateTime, expected LogAppendTime; run: kafka-configs.sh"
        f" --bootstrap-server {cluster.bootstrap} --alter --entity-type topics --entity-name trimtab.evidence"
        " --add-config message.timestamp.type=LogAppendTime"
    )


def test_what_would_forget_snapshots_or_evidence_is_refused(cluster: LocalKafka, admin: AdminClient) -> None:
    create(admin, "trimtab-snapshots-changelog")
    create(admin, EVIDENCE, message_timestamp_type="LogAppendTime", cleanup_policy="compact")
    told = refused(cluster)
    assert "topic trimtab-snapshots-changelog: cleanup.policy is delete, expected compact; run: " in told
    assert "topic trimtab.evidence: cleanup.policy is compact, expected delete; run: " in told
