import signal
import socket
from collections.abc import Iterator
from os import kill
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource

from streams.local.kafka_records import QUIET, create, read, write
from trimtab.schemas.errors import Unreachable
from trimtab.streams.local import LocalKafka

pytestmark = pytest.mark.local


@pytest.fixture(scope="module")
def kafka() -> Iterator[LocalKafka]:
    """One broker for all that leave it as it was."""
    with LocalKafka() as running:
        yield running


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_it_gives_back_what_was_written(kafka: LocalKafka) -> None:
    create(kafka.bootstrap, "written")
    write(kafka.bootstrap, "written", b"a", b"b")
    assert read(kafka.bootstrap, "written", 2) == [b"a", b"b"]


def test_records_outlive_a_stop_a_kill_and_a_pause(kafka: LocalKafka) -> None:
    (broker,) = kafka.brokers
    create(kafka.bootstrap, "kept")
    write(kafka.bootstrap, "kept", b"before the stop")
    before = kafka.bootstrap, kafka.pid
    kafka.down()
    assert refuses(kafka.ports[0].client)
    kafka.up()
    assert (kafka.bootstrap, kafka.pid != before[1]) == (before[0], True)
    write(kafka.bootstrap, "kept", b"before the kill")
    broker.kill()
    assert not broker.is_running
    kafka.up()
    write(kafka.bootstrap, "kept", b"before the pause")
    kill(kafka.pid, signal.SIGSTOP)
    kill(kafka.pid, signal.SIGCONT)
    write(kafka.bootstrap, "kept", b"after all")
    assert read(kafka.bootstrap, "kept", 4) == [
        b"before the stop",
        b"before the kill",
        b"before the pause",
        b"after all",
    ]


def test_topics_are_not_made_by_asking_for_them(kafka: LocalKafka) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
    assert admin.list_topics("never made", timeout=60).topics["never made"].error is not None


def test_processes_ports_and_files_go_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with LocalKafka() as kafka:
        pid, port = kafka.pid, kafka.ports[0].client
        assert len(list(tmp_path.iterdir())) == 1
    assert not is_alive(pid)
    assert refuses(port)
    assert list(tmp_path.iterdir()) == []


def test_data_stays_in_a_folder_that_was_given_and_properties_reach_the_broker(tmp_path: Path) -> None:
    with LocalKafka(folder=tmp_path, properties={"message.max.bytes": 4242}) as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap, **QUIET})
        broker = ConfigResource(ConfigResource.Type.BROKER, "1")
        assert admin.describe_configs([broker])[broker].result()["message.max.bytes"].value == "4242"
    assert (tmp_path / "broker-1" / "data" / "meta.properties").exists()


def test_a_cluster_of_three_goes_on_without_one_of_them() -> None:
    # Kafka notices after 9 s that a broker is gone, if it is not told to be quicker.
    quick = {"broker.session.timeout.ms": 2_000, "broker.heartbeat.interval.ms": 200}
    with LocalKafka(3, heap_mb=256, properties=quick) as kafka:
        create(kafka.bootstrap, "t", copies=3)
        write(kafka.bootstrap, "t", b"three")
        kafka.brokers[0].kill()
        write(kafka.bootstrap, "t", b"two")
        kafka.await_ready(2)
        kafka.up()
        assert [broker.is_running for broker in kafka.brokers] == [True] * 3
        kafka.brokers[1].kill()
        assert read(kafka.bootstrap, "t", 2) == [b"three", b"two"]


def test_clients_are_sent_to_the_address_that_is_advertised(kafka: LocalKafka) -> None:
    with LocalKafka(advertised={1: kafka.ports[0].client}) as other:
        assert other.bootstrap == kafka.bootstrap
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{other.ports[0].client}", **QUIET})
        assert [broker.port for broker in admin.list_topics(timeout=60).brokers.values()] == [kafka.ports[0].client]


def test_a_broker_that_does_not_come_up_says_why() -> None:
    kafka = LocalKafka(properties={"process.roles": "nonsense"})
    with pytest.raises(Unreachable, match=r"local Kafka, broker 1: it ended; it said: .*process\.roles"):
        kafka.start()
    kafka.close()


def test_a_broker_that_is_not_started_has_no_process(kafka: LocalKafka) -> None:
    (broker,) = kafka.brokers
    assert broker.pid == kafka.pid
    kafka.down()
    with pytest.raises(Unreachable, match="local Kafka, broker 1: not started"):
        _ = broker.pid
    kafka.up()
