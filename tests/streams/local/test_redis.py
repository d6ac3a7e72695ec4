import socket
from pathlib import Path

import pytest
from redis import ConnectionError as RedisConnectionError
from redis import Redis

from trimtab.schemas.errors import Unreachable
from trimtab.streams.local import LocalRedis
from trimtab.streams.local.redis import redis_program


def get(server: LocalRedis, key: str) -> object:
    with Redis.from_url(server.url, retry=None) as client:
        return client.get(key)


def put(server: LocalRedis, key: str, value: str) -> None:
    with Redis.from_url(server.url) as client:
        client.set(key, value)


def test_it_comes_back_empty_on_its_port_after_a_stop_and_a_kill() -> None:
    with LocalRedis() as redis:
        for end in (redis.stop, redis.kill):
            url, pid = redis.url, redis.pid
            put(redis, "key", "value")
            end()
            with pytest.raises(RedisConnectionError):
                get(redis, "key")
            redis.start()
            assert (redis.url, get(redis, "key")) == (url, None)
            assert redis.pid != pid


def test_arguments_reach_the_server() -> None:
    with LocalRedis(["--appendonly", "yes"]) as redis:
        put(redis, "key", "value")
        redis.stop()
        redis.start()
        assert get(redis, "key") == b"value"


def test_a_wrong_argument_is_told_in_the_servers_words() -> None:
    with (
        pytest.raises(Unreachable, match=r"local Redis: it ended; it said: .*no-such-thing"),
        LocalRedis(["--no-such-thing", "1"]),
    ):
        pass


def test_its_port_is_given_to_nobody_else_while_it_is_stopped() -> None:
    with LocalRedis() as redis:
        redis.stop()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", redis.port))


def test_processes_and_files_go_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with LocalRedis(["--appendonly", "yes"]) as redis:
        put(redis, "key", "value")
        assert redis.folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Unreachable, match="local Redis: not started"):
        _ = redis.pid


def test_the_server_of_the_wheel_stands_in_where_none_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis_program().name == "valkey-server"
    with LocalRedis() as redis:
        put(redis, "key", "value")
        assert get(redis, "key") == b"value"
