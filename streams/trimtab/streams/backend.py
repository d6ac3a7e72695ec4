"""Which Kafka and Redis a demo, a test or a benchmark runs on.

* `embedded`: servers that come with the wheels, up in a second; about 5 MB a partition, one worker.
* `local`: genuine Apache Kafka and Redis on this machine (`trimtab.streams.local`); needs Java and Maven.
* `docker`: the same in containers (testcontainers); needs a Docker engine.
* `external`: servers that are there already, by their addresses. They have to be empty of Trimtab's topics and keys.
* `auto`: `external` where addresses are given, else `embedded`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from redis import Redis
from redis.exceptions import RedisError

from trimtab.schemas.errors import TrimtabError, Unreachable
from trimtab.schemas.redis_keys import RELEASES
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.layout import embedded_topics
from trimtab.streams.local import LocalKafka, LocalRedis

_KAFKA_IMAGE = "confluentinc/cp-kafka:8.0.0"
_REDIS_IMAGE = "redis:7.4"
_ASK_S = 10.0


class Backend(StrEnum):
    """A choice of servers."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    LOCAL = "local"
    DOCKER = "docker"
    EXTERNAL = "external"


class WrongBackend(TrimtabError):
    """A backend was asked for in a way that it cannot be had."""


@dataclass(frozen=True, slots=True)
class Servers:
    """Running servers, and which choice they are of."""

    backend: Backend
    kafka: str
    """bootstrap addresses"""
    redis: str
    """URL"""
    broker: EmbeddedKafka | LocalKafka | None = None
    """what makes outages of it, where that is for us to do"""
    cache: EmbeddedRedis | LocalRedis | None = None


@contextmanager
def servers(backend: Backend, *, kafka: str = "", redis: str = "") -> Iterator[Servers]:
    """Gives running servers, which end with the block unless they are external.

    Raises `WrongBackend` for addresses without `external` or the other way round, and for external servers that hold a
    Trimtab already; `Unreachable` where servers do not come up.
    """
    match chosen(backend, kafka=kafka, redis=redis):
        case Backend.LOCAL:
            with LocalKafka() as broker, LocalRedis() as cache:
                yield Servers(Backend.LOCAL, broker.bootstrap, cache.url, broker, cache)
        case Backend.DOCKER:
            with _containers() as (bootstrap, url):
                yield Servers(Backend.DOCKER, bootstrap, url)
        case Backend.EXTERNAL:
            _check_empty(kafka, redis)
            yield Servers(Backend.EXTERNAL, kafka, redis)
        case _:
            with EmbeddedKafka(embedded_topics()) as mock, EmbeddedRedis() as valkey:
                yield Servers(Backend.EMBEDDED, mock.bootstrap, valkey.url, mock, valkey)


def chosen(backend: Backend, *, kafka: str = "", redis: str = "") -> Backend:
    """Gives what `auto` comes to. Raises `WrongBackend` where backend and addresses do not fit together."""
    if backend is Backend.AUTO:
        backend = Backend.EXTERNAL if kafka or redis else Backend.EMBEDDED
    if backend is Backend.EXTERNAL and not (kafka and redis):
        missing = "the address of Kafka" if not kafka else "the URL of Redis"
        raise WrongBackend(f"backend external: {missing} is missing, expected both")
    if backend is not Backend.EXTERNAL and (kafka or redis):
        raise WrongBackend(f"backend {backend}: has servers of its own, expected no address; got {kafka or redis}")
    return backend


@contextmanager
def _containers() -> Iterator[tuple[str, str]]:
    # Needed by this choice alone, and slow to import.
    from docker.errors import DockerException  # noqa: PLC0415
    from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415
    from testcontainers.community.redis import RedisContainer  # noqa: PLC0415

    try:
        broker, cache = KafkaContainer(_KAFKA_IMAGE).with_kraft(), RedisContainer(_REDIS_IMAGE)
    except DockerException as error:
        raise Unreachable(f"docker: no engine answers: {error}") from error
    with broker, cache:
        url = f"redis://{cache.get_container_host_ip()}:{cache.get_exposed_port(cache.port)}/0"
        yield broker.get_bootstrap_server(), url


def _check_empty(kafka: str, redis: str) -> None:
    """Raises `WrongBackend` where somebody's Trimtab lives: what runs here would disturb it."""
    try:
        admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
        topics = [name for name in admin.list_topics(timeout=_ASK_S).topics if name.startswith("trimtab")]
        with Redis.from_url(redis, socket_timeout=_ASK_S, socket_connect_timeout=_ASK_S) as client:
            releases = client.smembers(RELEASES)
    except KafkaException as error:
        raise Unreachable(f"kafka at {kafka}: {error.args[0].str()}") from error
    except RedisError as error:
        raise Unreachable(f"redis: {error}") from error
    if topics or releases:
        found = f"topics {', '.join(sorted(topics))}" if topics else f"{len(releases)} releases in Redis"
        raise WrongBackend(f"backend external: {found} found, expected servers without a Trimtab")
