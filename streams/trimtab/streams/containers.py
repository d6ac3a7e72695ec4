"""Kafka and Redis in containers of this machine's Docker engine."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from trimtab.schemas.errors import Unreachable

_KAFKA_IMAGE: Final = "confluentinc/cp-kafka:8.0.0"
_REDIS_IMAGE: Final = "redis:7.4"


@contextmanager
def containers() -> Iterator[tuple[str, str]]:
    """Gives the bootstrap address of a Kafka and the URL of a Redis, which end with the block.

    Raises `Unreachable` where testcontainers is not installed, no Docker engine answers, or it cannot run the images.
    """
    # Needed by this choice alone, and slow to import.
    try:
        from docker.errors import DockerException  # noqa: PLC0415
        from testcontainers.community.kafka import KafkaContainer  # noqa: PLC0415
        from testcontainers.community.redis import RedisContainer  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Unreachable(f"docker: {error.name} is not installed, expected the extra `docker`") from error
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(KafkaContainer(_KAFKA_IMAGE).with_kraft())
            cache = stack.enter_context(RedisContainer(_REDIS_IMAGE))
        except (DockerException, TimeoutError) as error:
            raise Unreachable(f"docker: no engine that runs {_KAFKA_IMAGE} and {_REDIS_IMAGE}: {error}") from error
        url = f"redis://{cache.get_container_host_ip()}:{cache.get_exposed_port(cache.port)}/0"
        yield broker.get_bootstrap_server(), url
