"""Running Kafka and Redis, of whichever backend is asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trimtab.streams.backend import Backend, chosen
from trimtab.streams.containers import containers
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.external import borrowed
from trimtab.streams.layout import embedded_topics
from trimtab.streams.local import LocalKafka, LocalRedis


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
    """Gives running servers, which end with the block; external ones go on, without what the block left in them.

    Raises `WrongBackend` for addresses without `external` or the other way round, and for external servers that hold a
    Trimtab already; `Unreachable` where servers do not come up.
    """
    match chosen(backend, kafka=kafka, redis=redis):
        case Backend.LOCAL:
            with LocalKafka() as broker, LocalRedis() as cache:
                yield Servers(Backend.LOCAL, broker.bootstrap, cache.url, broker, cache)
        case Backend.DOCKER:
            with containers() as (bootstrap, url):
                yield Servers(Backend.DOCKER, bootstrap, url)
        case Backend.EXTERNAL:
            with borrowed(kafka, redis):
                yield Servers(Backend.EXTERNAL, kafka, redis)
        case _:
            with EmbeddedKafka(embedded_topics()) as mock, EmbeddedRedis() as valkey:
                yield Servers(Backend.EMBEDDED, mock.bootstrap, valkey.url, mock, valkey)
