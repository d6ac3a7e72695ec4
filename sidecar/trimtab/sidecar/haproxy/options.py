"""What a HAProxy sidecar is told."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.schemas.address import Address
from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.tracing import NO_TRACING, TracingSettings
from trimtab.sidecar.releases import check_redis, check_releases


@dataclass(frozen=True, slots=True, kw_only=True)
class HAProxySidecarOptions:
    """The options of one sidecar. Raises `ValueError`, with the field's name, for those that cannot be followed."""

    releases: tuple[str, ...]
    socket: Path
    """HAProxy's stats socket, of level admin"""
    state: Path
    """the folder that it shares with HAProxy: map, state of servers, log socket, checkpoint"""
    kafka: str | KafkaConnection
    """HOST:PORT, several with commas, or more than that"""
    redis: str | RedisConnection
    """URL, or more than that"""
    log: Path | None = None
    """the file that HAProxy's log is in; without one it comes over the socket in `state`"""
    id: str = field(default_factory=lambda: f"haproxy-{socket.gethostname()}")
    """names it in its reports and as a publisher of telemetry; of its own for each sidecar of a release"""
    cache: Path | None = None
    """folder for the last weights, so that a start without Redis has them"""
    metrics: Address | None = None
    """where Prometheus may ask; nowhere without one"""
    tracing: TracingSettings = NO_TRACING
    """where spans go, of weights that came into force"""

    def __post_init__(self) -> None:
        check_releases(self.releases)
        if not self.kafka:
            raise ValueError("kafka: expected HOST:PORT, got nothing")
        check_redis(self.redis)
        refuse_unspeakable("state", self.state)


def refuse_unspeakable(what: str, path: Path) -> None:
    """Raises `ValueError` for a path that cannot be named to HAProxy, whose commands are words with spaces between."""
    if any(not each.isascii() or not each.isprintable() or each in " ;,'\"\\#$()" for each in str(path)):
        raise ValueError(f"{what}: {str(path)!r}: expected a path without spaces, quotes and ;,\\#$()")
    if not path.is_absolute():
        raise ValueError(f"{what}: {str(path)!r}: expected an absolute path, for HAProxy and the sidecar both use it")
