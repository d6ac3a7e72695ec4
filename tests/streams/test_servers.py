import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from redis import Redis

from streams.local.kafka_records import QUIET, create, write
from trimtab.schemas.errors import Unreachable
from trimtab.schemas.topics import TELEMETRY
from trimtab.streams.backend import Backend, WrongBackend
from trimtab.streams.layout import embedded_topics
from trimtab.streams.local import LocalKafka, LocalRedis
from trimtab.streams.servers import Servers, servers

ROOT = Path(__file__).resolve().parents[2]


def topics(bootstrap: str) -> set[str]:
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    return set(admin.list_topics(timeout=60).topics) - {"__consumer_offsets"}


@pytest.fixture(scope="module")
def found() -> Iterator[Servers]:
    """Servers that are somebody's, with data of his own."""
    with LocalKafka() as kafka, LocalRedis() as redis, Redis.from_url(redis.url) as client:
        create(kafka.bootstrap, "orders")
        client.set("session:1", "his")
        yield Servers(Backend.EXTERNAL, kafka.bootstrap, redis.url)


def test_embedded_servers_have_the_topics() -> None:
    with servers(Backend.AUTO) as running:
        assert running.backend is Backend.EMBEDDED
        assert topics(running.kafka) == set(embedded_topics())
        with Redis.from_url(running.redis) as client:
            assert client.ping()


@pytest.mark.local
def test_local_servers_are_empty_and_ours_to_take_down() -> None:
    with servers(Backend.LOCAL) as running:
        assert topics(running.kafka) == set()
        assert isinstance(running.broker, LocalKafka)
        assert isinstance(running.cache, LocalRedis)


@pytest.mark.local
def test_external_servers_keep_what_is_theirs_and_lose_what_the_block_made(found: Servers) -> None:
    for _ in range(2):
        with servers(Backend.EXTERNAL, kafka=found.kafka, redis=found.redis), Redis.from_url(found.redis) as client:
            create(found.kafka, TELEMETRY)
            write(found.kafka, TELEMETRY, b"x")
            client.sadd("trimtab:releases", "checkout")
            client.hset("trimtab:{checkout}:weights", "revision", "1")
        assert topics(found.kafka) == {"orders"}
        with Redis.from_url(found.redis) as client:
            assert client.keys("*") == [b"session:1"]


@pytest.mark.local
def test_external_servers_are_left_as_they_were_when_the_block_fails(found: Servers) -> None:
    create_and_fail = pytest.raises(ValueError, match="out of luck")
    with create_and_fail, servers(Backend.EXTERNAL, kafka=found.kafka, redis=found.redis):
        create(found.kafka, TELEMETRY)
        raise ValueError("out of luck")
    assert topics(found.kafka) == {"orders"}


@pytest.mark.local
def test_external_servers_with_somebodys_trimtab_are_refused_and_not_touched(found: Servers) -> None:
    asked = servers(Backend.EXTERNAL, kafka=found.kafka, redis=found.redis)
    with Redis.from_url(found.redis) as client:
        client.set("trimtab:worker:1", "his")
        with pytest.raises(WrongBackend, match="key trimtab:worker:1 found, expected a Redis without a Trimtab"), asked:
            pass
        assert client.getdel("trimtab:worker:1") == b"his"
    create(found.kafka, "trimtab.evidence")
    asked = servers(Backend.EXTERNAL, kafka=found.kafka, redis=found.redis)
    with (
        pytest.raises(WrongBackend, match=r"topics trimtab\.evidence found, expected a Kafka without a Trimtab"),
        asked,
    ):
        pass
    assert "trimtab.evidence" in topics(found.kafka)
    admin = AdminClient({"bootstrap.servers": found.kafka, **QUIET})
    admin.delete_topics(["trimtab.evidence"])["trimtab.evidence"].result()


@pytest.mark.local
def test_a_redis_that_does_not_answer_is_told(found: Servers) -> None:
    asked = servers(Backend.EXTERNAL, kafka=found.kafka, redis="redis://127.0.0.1:1/0")
    with pytest.raises(Unreachable, match=r"redis: .*refused"), asked:
        pass


def test_an_engine_that_does_not_answer_is_told() -> None:
    demo = [sys.executable, "-m", "trimtab.control.cli", "demo", "--backend", "docker"]
    command = ["/usr/bin/env", "DOCKER_HOST=unix:///nonexistent.sock", *demo]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3
    assert "trimtab demo stopped: docker: no engine that runs" in done.stderr


@pytest.mark.docker
def test_containers_take_records_and_keys() -> None:
    ping = [sys.executable, "-c", "import docker; docker.from_env().ping()"]
    # In a process of its own: where nothing answers, the library leaves a socket open.
    done = subprocess.run(ping, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        pytest.skip(f"no Docker engine answers: {done.stderr.splitlines()[-1]}")
    with servers(Backend.DOCKER) as running, Redis.from_url(running.redis) as client:
        create(running.kafka, "t")
        write(running.kafka, "t", b"x")
        assert client.set("key", "value")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--backend", "nonsense"], "invalid choice: 'nonsense'"),
        (["--backend", "external"], "backend external: the address of Kafka is missing, expected both"),
        (["--backend", "local", "--kafka", "broker:9092"], "expected no address; got broker:9092"),
        (["--kafka", "broker:9092", "--redis", "redis://r/0", "--backend", "auto", "-n", "2"], "expected -n 0"),
    ],
)
def test_a_wrong_choice_on_the_command_line_of_pytest_is_wrong_usage(options: list[str], words: str) -> None:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", __file__, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert words in done.stderr
