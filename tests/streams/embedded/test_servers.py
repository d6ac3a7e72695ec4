import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from redis import ConnectionError as RedisConnectionError
from redis import Redis

from trimtab.schemas.errors import Unreachable
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.embedded.process import Child
from trimtab.streams.embedded.wheel import find_in_wheel

Eventually = Callable[..., None]

QUIET = {"log_level": 0}


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def refuses(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) != 0


def ping(server: EmbeddedRedis) -> object:
    with Redis.from_url(server.url, retry=None) as client:
        return client.ping()


def produce(kafka: EmbeddedKafka, topic: str, value: bytes) -> int:
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "enable.idempotence": True, **QUIET})
    producer.produce(topic, value)
    undelivered: int = producer.flush(60)
    return 1 - undelivered


def test_kafka_has_the_topics_with_their_partitions() -> None:
    with EmbeddedKafka({"a.first": 1, "second": 7}) as kafka:
        found = AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=60).topics
        assert {name: len(topic.partitions) for name, topic in found.items()} == {"a.first": 1, "second": 7}


def test_kafka_gives_back_what_was_written() -> None:
    with EmbeddedKafka({"t": 1}) as kafka:
        assert produce(kafka, "t", b"hello") == 1
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe(["t"])
        message = consumer.poll(20)
        consumer.close()
        assert message is not None
        assert message.value() == b"hello"


def test_kafka_listens_on_loopback_alone_and_ends_with_its_block() -> None:
    with EmbeddedKafka({"t": 1}) as kafka:
        assert kafka.bootstrap.startswith("127.0.0.1:")
        pid, address = kafka.pid, kafka.bootstrap
    assert not is_alive(pid)
    assert refuses(address)


def test_kafka_ends_when_its_block_fails() -> None:
    kafka = EmbeddedKafka({"t": 1})
    with pytest.raises(ZeroDivisionError), kafka:
        _ = 1 / 0
    assert refuses(kafka.bootstrap)


def test_kafka_keeps_its_records_over_an_outage() -> None:
    with EmbeddedKafka({"t": 1}) as kafka:
        produce(kafka, "t", b"before")
        kafka.down()
        assert refuses(kafka.bootstrap)
        kafka.up()
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
        consumer.subscribe(["t"])
        message = consumer.poll(20)
        consumer.close()
        assert message is not None
        assert message.value() == b"before"


@pytest.mark.parametrize("topics", [{"t": 0}, {"t": -1}, {"": 1}, {"not a name": 1}, {"a/b": 1}, {"t" * 250: 1}])
def test_kafka_says_which_topic_it_cannot_make(topics: dict[str, int]) -> None:
    with pytest.raises(Unreachable, match=r"embedded Kafka: it ended; it said: .*expected TOPIC:PARTITIONS"):
        EmbeddedKafka(topics).start()


def test_kafka_refuses_what_it_is_told_to_refuse() -> None:
    with EmbeddedKafka({"t": 1}) as kafka:
        kafka.refuse(10)  # MESSAGE_TOO_LARGE: not retried
        errors: list[object] = []
        producer = Producer({"bootstrap.servers": kafka.bootstrap, **QUIET})
        producer.produce("t", b"x", on_delivery=lambda error, _message: errors.append(error))
        producer.produce("t", b"y", on_delivery=lambda error, _message: errors.append(error), partition=0)
        producer.flush(60)
        assert any(errors)


def test_kafka_that_is_not_started_says_so() -> None:
    with pytest.raises(Unreachable, match="not started"):
        EmbeddedKafka({}).down()


def test_kafka_can_be_stopped_twice_and_started_again() -> None:
    kafka = EmbeddedKafka({"t": 1})
    with kafka:
        kafka.stop()
        kafka.stop()
        kafka.start()
        assert produce(kafka, "t", b"x") == 1


def test_kafka_program_ends_when_its_input_is_closed() -> None:
    command = [sys.executable, "-m", "trimtab.streams.embedded.kafka_broker", "t:1"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as broker:
        assert broker.stdout is not None
        assert broker.stdin is not None
        assert broker.stdout.readline().startswith("127.0.0.1:")
        broker.stdin.close()
        assert broker.wait(60) == 0


def test_redis_answers_and_ends_with_its_block() -> None:
    with EmbeddedRedis() as redis:
        assert ping(redis) is True
        pid, address = redis.pid, f"127.0.0.1:{redis.port}"
    assert not is_alive(pid)
    assert refuses(address)


def test_redis_runs_lua_and_hashes() -> None:
    with EmbeddedRedis() as redis, Redis.from_url(redis.url) as client:
        client.hset("h", "field", "5")
        assert client.eval("return redis.call('HGET', KEYS[1], 'field')", 1, "h") == b"5"


def test_redis_comes_back_on_the_same_port_and_empty() -> None:
    with EmbeddedRedis() as redis:
        with Redis.from_url(redis.url) as client:
            client.set("key", "value")
        url = redis.url
        redis.stop()
        with pytest.raises(RedisConnectionError):
            ping(redis)
        redis.start()
        assert redis.url == url
        with Redis.from_url(redis.url) as client:
            assert client.get("key") is None


def test_redis_port_is_given_to_nobody_else_while_it_is_stopped() -> None:
    with EmbeddedRedis() as redis:
        redis.stop()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", redis.port))


def test_redis_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with EmbeddedRedis() as redis, Redis.from_url(redis.url) as client:
        client.set("key", "value")
    assert list(tmp_path.iterdir()) == []


def test_redis_that_is_not_started_says_so() -> None:
    with pytest.raises(Unreachable, match="not started"):
        _ = EmbeddedRedis().url
    with pytest.raises(Unreachable, match="not started"):
        _ = EmbeddedRedis().pid


def test_a_killed_parent_leaves_no_child(eventually: Eventually) -> None:
    program = (
        "from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis\n"
        "import signal\n"
        "with EmbeddedKafka({'t': 1}) as kafka, EmbeddedRedis() as redis:\n"
        "    print(kafka.pid, redis.pid, flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert [is_alive(pid) for pid in pids] == [True, True]
        parent.kill()
    eventually(lambda: not any(map(is_alive, pids)), what="both children ended")


def test_a_server_started_from_a_short_thread_lives_on() -> None:
    program = (
        "from threading import Thread\n"
        "from trimtab.streams.embedded import EmbeddedRedis\n"
        "redis = EmbeddedRedis()\n"
        "thread = Thread(target=redis.start)\n"
        "thread.start()\n"
        "thread.join()\n"
        "import redis as client\n"
        "print(client.Redis.from_url(redis.url).ping(), redis.pid)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    answer, pid = result.stdout.split()
    assert answer == "True"
    assert not is_alive(int(pid))


def test_an_interrupt_of_the_terminal_reaches_the_parent_alone() -> None:
    with EmbeddedRedis() as redis:
        assert os.getpgid(redis.pid) != os.getpgid(0)


def test_a_child_that_says_nothing_is_told_as_not_ready() -> None:
    child = Child("sleeper", [sys.executable, "-c", "import signal; print('up', flush=True); signal.pause()"])
    try:
        child.await_line("up", 60)
        with pytest.raises(Unreachable, match=r"sleeper: not ready after 0.01 s; it said: nothing"):
            child.await_line("never", 0.01)
    finally:
        child.stop()
    assert not child.is_running


def test_a_child_that_ignores_the_request_to_end_is_killed() -> None:
    program = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    child = Child("stubborn", [sys.executable, "-c", program])
    child.await_line("up", 60)
    child.stop(timeout_s=0.05)
    assert not child.is_running


def test_a_program_that_is_not_there_is_told() -> None:
    child = Child("absent", ["/nonexistent/program"])
    try:
        with pytest.raises(Unreachable, match=r"absent: it ended; it said: .*No such file"):
            child.await_line("up", 60)
    finally:
        child.stop()


def test_a_wheel_that_is_not_installed_is_named() -> None:
    with pytest.raises(Unreachable, match="package no_such_package is not installed"):
        find_in_wheel("no_such_package", "*")


def test_a_file_that_a_wheel_lacks_is_named() -> None:
    with pytest.raises(
        Unreachable, match=r"no confluent_kafka.libs/absent\* in .*expected the wheel of confluent_kafka"
    ):
        find_in_wheel("confluent_kafka", "confluent_kafka.libs/absent*")
