"""Which Kafka and Redis a demo, a test or a benchmark runs on; `trimtab.streams.servers` starts them.

* `embedded`: servers that come with the wheels, up in a second; about 5 MB a partition, one worker.
* `local`: genuine Apache Kafka and Redis on this machine (`trimtab.streams.local`); needs Java and Maven.
* `docker`: the same in containers (testcontainers); needs a Docker engine.
* `external`: servers that are there already, by their addresses. They have to be empty of Trimtab's topics and keys.
* `auto`: `external` where addresses are given, else `embedded`.
"""

from enum import StrEnum

from trimtab.schemas.errors import TrimtabError


class Backend(StrEnum):
    """A choice of servers."""

    AUTO = "auto"
    EMBEDDED = "embedded"
    LOCAL = "local"
    DOCKER = "docker"
    EXTERNAL = "external"


class WrongBackend(TrimtabError):
    """A backend was asked for in a way that it cannot be had."""


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
