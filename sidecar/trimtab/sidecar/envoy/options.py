"""What an Envoy sidecar is told."""

import socket
from dataclasses import dataclass, field
from pathlib import Path

from trimtab.schemas.address import Address
from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.tracing import NO_TRACING, TracingSettings
from trimtab.sidecar.releases import check_redis, check_releases


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvoySidecarOptions:
    """The options of one sidecar. Raises `ValueError`, with the field's name, for those that cannot be followed."""

    releases: tuple[str, ...]
    socket: Path
    """where Envoy finds the sidecar"""
    kafka: str | KafkaConnection
    """HOST:PORT, several with commas, or more than that"""
    redis: str | RedisConnection
    """URL, or more than that"""
    id: str = field(default_factory=lambda: f"envoy-{socket.gethostname()}")
    """names it in its reports and as a publisher of telemetry; of its own for each sidecar of a release"""
    cache: Path | None = None
    """folder for the last weights, so that a start without Redis has them"""
    metrics: Address | None = None
    """where Prometheus may ask; nowhere without one"""
    tracing: TracingSettings = NO_TRACING
    """where spans go, of weights that came into force"""
    log: Path | None = None
    """the file that Envoy's log is in; without one it comes over the socket"""
    checkpoint: Path | None = None
    """where the sidecar keeps how far it has come in `log`"""
    routes: Path | None = None
    """the user's route table, which the releases' routes are merged into; without one the table is theirs alone"""
    virtual_host: str = ""
    """which of its virtual hosts they go into; not needed where it has one"""
    headers: bool = True
    """whether answers say by which release, variant and revision they are"""
    linger_ms: float = 50
    """how long events wait to be published together"""
    max_events: int = 500
    """events in one message at most"""
    max_buffered: int = 100_000
    """events held while Kafka is away; further ones are dropped and counted"""

    def __post_init__(self) -> None:
        check_releases(self.releases)
        if not self.kafka:
            raise ValueError("kafka: expected HOST:PORT, got nothing")
        check_redis(self.redis)
        if (self.log is None) != (self.checkpoint is None):
            raise ValueError("checkpoint: expected one beside the log, and neither without the other")
        if self.virtual_host and self.routes is None:
            raise ValueError(f"virtual_host: expected routes that it is one of, got {self.virtual_host!r} alone")
