"""Kafka and Redis that are somebody's: left as they were found."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from redis import Redis
from redis.exceptions import RedisError

from trimtab.schemas.errors import Unreachable
from trimtab.streams.backend import WrongBackend

_ASK_S: Final = 10.0
_GONE_S: Final = 30.0
_LOOK_S: Final = 0.05
_TOPICS: Final = "trimtab"
_KEYS: Final = "trimtab:*"
_MANY: Final = 1_000


@contextmanager
def borrowed(kafka: str, redis: str) -> Iterator[None]:
    """Lets the block use servers in which there is no Trimtab, and takes what it made out of them at the end.

    Raises `WrongBackend` where there is one, which this would disturb; `Unreachable` where they do not answer.
    """
    with _words_for_what_fails(kafka):
        admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
        with _connect(redis) as client:
            _check_empty(admin, client)
    try:
        yield
    finally:
        with _words_for_what_fails(kafka), _connect(redis) as client:
            _wipe_kafka(admin)
            _wipe_redis(client)


def _check_empty(admin: AdminClient, client: Redis) -> None:
    if names := _topics(admin):
        raise WrongBackend(f"backend external: topics {', '.join(names)} found, expected a Kafka without a Trimtab")
    if key := next(client.scan_iter(_KEYS, _MANY), None):
        raise WrongBackend(f"backend external: key {key.decode()} found, expected a Redis without a Trimtab")


def _wipe_kafka(admin: AdminClient) -> None:
    """Deletes the topics. That they are gone is seen later: the next to look has to find none."""
    names = _topics(admin)
    for deleted in (admin.delete_topics(names, operation_timeout=_ASK_S) if names else {}).values():
        deleted.result()
    end_s = time.monotonic() + _GONE_S
    while names := _topics(admin):
        if time.monotonic() > end_s:
            raise Unreachable(f"kafka: topics {', '.join(names)} are still there {_GONE_S:.0f} s after their deletion")
        time.sleep(_LOOK_S)


def _wipe_redis(client: Redis) -> None:
    for key in list(client.scan_iter(_KEYS, _MANY)):
        client.unlink(key)


def _topics(admin: AdminClient) -> list[str]:
    return sorted(name for name in admin.list_topics(timeout=_ASK_S).topics if name.startswith(_TOPICS))


def _connect(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=_ASK_S, socket_connect_timeout=_ASK_S)


@contextmanager
def _words_for_what_fails(kafka: str) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise Unreachable(f"kafka at {kafka}: {error.args[0].str()}") from error
    except RedisError as error:
        raise Unreachable(f"redis: {error}") from error
