"""What two deployments of Trimtab differ in: every setting of worker, sidecar and command line.

Read once, by whoever starts (`trimtab.streams.settings_source`), from the environment and from a file.
docs/settings.md lists them all.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, model_validator

from trimtab.schemas.kafka_connection import KafkaConnection
from trimtab.schemas.redis_connection import RedisConnection
from trimtab.schemas.setting import SETTING, broken
from trimtab.schemas.tracing import TracingSettings
from trimtab.streams.api_settings import ApiSettings

if TYPE_CHECKING:
    from trimtab.engine.pane import FoldSpec

_Partitions = Annotated[int, Field(ge=1, le=10_000)]
_Copies = Annotated[int, Field(ge=1, le=32_767)]
_Hours = Annotated[float, Field(gt=0)]
_Milliseconds = Annotated[int, Field(ge=1)]


class _Edge(BaseModel):
    model_config = SETTING


class RetentionSettings(_Edge):
    """How long the topics keep what they have, where the worker has to create them."""

    telemetry_h: _Hours = 24.0
    """hours of telemetry; after an outage of all workers that is longer, events are lost"""
    evidence_h: _Hours = 168.0
    """hours of evidence, at least as many as of telemetry: a release that is behind reads what it missed"""
    decisions_h: _Hours = 720.0
    """hours of decision history"""
    dead_letters_h: _Hours = 168.0
    """hours of dead letters"""
    audit_h: _Hours = 8_760.0
    """hours of the record of who changed what"""

    @model_validator(mode="after")
    def _evidence_outlives_telemetry(self) -> Self:
        if self.evidence_h < self.telemetry_h:
            raise broken("evidence_h", f"expected at least telemetry_h, {self.telemetry_h:g}; got {self.evidence_h:g}")
        return self


class KafkaSettings(KafkaConnection):
    """How Kafka is reached, and what the topics look like where the worker has to create them."""

    group: str = "trimtab"
    """consumer group; also the prefix of the snapshots' changelog topic"""
    telemetry_partitions: _Partitions = 4
    """of `trimtab.telemetry`: at most so many workers share the fold"""
    evidence_partitions: _Partitions = 4
    """of `trimtab.evidence` and what follows it: at most so many workers share the decisions. Never to be changed for
    topics in use, for a release lives in one of them by its name"""
    replication: _Copies | None = None
    """copies of each partition; without it the broker's default"""
    min_insync_replicas: _Copies | None = None
    """copies that must have a record before it is acknowledged; without it one less than `replication`, at least one,
    and without that the broker's default"""
    retention: RetentionSettings = RetentionSettings()
    instance: str = ""
    """name of this worker in its group, unlike any other's (static membership, KIP-345), such as a StatefulSet's pod
    name: a restarted worker gets its part back without a wait, while the part of one that was stopped for good rests
    until session_timeout_s is over"""
    session_timeout_s: Annotated[float, Field(gt=0)] = 6.0
    """how long the group waits for a worker that is silent, before others take its part"""
    heartbeat_s: Annotated[float, Field(gt=0)] = 1.0
    """how often a worker says that it is there"""
    fetch_wait_ms: _Milliseconds = 20
    """how long the broker may hold back an empty answer; a part of the reaction time"""

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        copies = self.replication or self.min_insync_replicas
        if self.min_insync_replicas is not None and copies is not None and self.min_insync_replicas > copies:
            raise broken("min_insync_replicas", f"expected at most replication, {copies}")
        if self.heartbeat_s >= self.session_timeout_s:
            raise broken("heartbeat_s", f"expected less than session_timeout_s, {self.session_timeout_s:g}")
        return self


class RedisSettings(RedisConnection):
    """How Redis is reached."""


class FoldSettings(_Edge):
    """How telemetry is summed."""

    flush_ms: _Milliseconds = 100
    """how often changed panes are emitted; a part of the reaction time"""
    flush_panes: Annotated[int, Field(ge=1)] = 30
    """changed panes of a telemetry partition that one flush interval has room for: with more of them each is emitted
    less often, at most every ninth interval; those with more errors than chance explains never wait"""
    lateness_ms: Annotated[int, Field(ge=0)] = 2_000
    """how long after its end a second still takes events; later ones are counted as late"""
    skew_ms: Annotated[int, Field(ge=0)] = 1_000
    """how far a publisher's clock may be off before its events are corrected by it"""
    future_ms: Annotated[int, Field(ge=0)] = 60_000
    """how far ahead an event may be before it is refused"""
    repeats_ms: Annotated[int, Field(ge=0)] = 30_000
    """how long an outcome that names its request is remembered, so that one that comes again is known as such; a worker
    that starts reads as much telemetry again where there are such outcomes"""
    repeats_per_second: Annotated[int, Field(ge=0)] = 2_000
    """how many of a second are remembered of each telemetry partition; repetitions of further ones are not known"""

    @property
    def spec(self) -> "FoldSpec":
        """The part of it that the engine keeps to."""
        # Imported late: a sidecar's host reads these settings too, and has no NumPy.
        from trimtab.engine.pane import FoldSpec  # noqa: PLC0415

        return FoldSpec(
            lateness_ms=self.lateness_ms, skew_ms=self.skew_ms, future_ms=self.future_ms,
            repeats_ms=self.repeats_ms, repeats_per_second=self.repeats_per_second,
        )  # fmt: skip


class DecideSettings(_Edge):
    """How decisions are kept."""

    snapshot_ms: _Milliseconds = 1_000
    """how often releases that changed are snapshotted, at most"""


class CatalogSettings(_Edge):
    """Where the models' catalogue is."""

    url: Annotated[str, Field(repr=False)] = ""
    """where it is: `sqlite:///PATH` (four slashes for a path from the root), `arango://USER@HOST:PORT/DATABASE`, or
    `arangos://` with TLS; without it there is none"""
    password: SecretStr | None = None
    """of ArangoDB's user, unless the URL has one"""

    @model_validator(mode="after")
    def _is_address(self) -> Self:
        try:
            parts = urlsplit(self.url)
            is_address = not self.url or parts.scheme in ("sqlite", "arango", "arangos")
        except ValueError:
            is_address = False
        if not is_address:
            raise broken("url", "expected a URL: sqlite:///PATH, arango://USER@HOST:PORT/DATABASE or arangos://")
        return self

    @property
    def secret(self) -> str:
        """The password in the clear; empty where there is none."""
        return self.password.get_secret_value() if self.password else ""


class Settings(_Edge):
    """All settings."""

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    fold: FoldSettings = FoldSettings()
    decide: DecideSettings = DecideSettings()
    catalog: CatalogSettings = CatalogSettings()
    api: ApiSettings = ApiSettings()
    tracing: TracingSettings = TracingSettings()
    watchdog_s: Annotated[float, Field(gt=0)] = 60.0
    """how long a worker may be without an assignment, while Kafka answers, before it ends itself"""
    stall_s: Annotated[float, Field(gt=0)] = 30.0
    """how long a partition may stand still while its log grows, or the event loop be blocked, before the worker ends
    itself"""


def environment() -> Mapping[str, str]:
    """Gives the variables that this process was started with. The one place that looks at them."""
    return os.environ  # noqa: TID251 - see above
