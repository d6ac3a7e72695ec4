"""What two deployments of a worker differ in. Read once, by whoever starts it; `TRIMTAB_KAFKA__BOOTSTRAP` and so on."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from trimtab.engine.pane import FoldSpec
from trimtab.schemas.redis_keys import checked_url

_Partitions = Annotated[int, Field(ge=1, le=10_000)]
_Milliseconds = Annotated[int, Field(ge=1)]


class _Edge(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KafkaSettings(_Edge):
    """How Kafka is reached, and what the topics look like where the worker has to create them."""

    bootstrap: str = "127.0.0.1:9092"
    group: str = "trimtab"
    """consumer group; also the prefix of the snapshots' changelog topic"""
    telemetry_partitions: _Partitions = 4
    evidence_partitions: _Partitions = 4
    replication: Annotated[int, Field(ge=1)] = 1
    session_timeout_s: Annotated[float, Field(gt=0)] = 6.0
    heartbeat_s: Annotated[float, Field(gt=0)] = 1.0
    fetch_wait_ms: _Milliseconds = 20
    """how long the broker may hold back an empty answer; a part of the reaction time"""


class RedisSettings(_Edge):
    """How Redis is reached."""

    url: Annotated[str, AfterValidator(checked_url)] = "redis://127.0.0.1:6379/0"


class FoldSettings(_Edge):
    """How telemetry is summed."""

    flush_ms: _Milliseconds = 100
    """how often changed panes are emitted; a part of the reaction time"""
    flush_panes: Annotated[int, Field(ge=1)] = 60
    """changed panes of a telemetry partition that one flush interval has room for: with more of them each is emitted
    less often, at most every ninth interval; those with new errors never wait"""
    lateness_ms: Annotated[int, Field(ge=0)] = 2_000
    skew_ms: Annotated[int, Field(ge=0)] = 1_000
    future_ms: Annotated[int, Field(ge=0)] = 60_000

    @property
    def spec(self) -> FoldSpec:
        """The part of it that the engine keeps to."""
        return FoldSpec(lateness_ms=self.lateness_ms, skew_ms=self.skew_ms, future_ms=self.future_ms)


class DecideSettings(_Edge):
    """How decisions are kept."""

    snapshot_ms: _Milliseconds = 1_000
    """how often releases that changed are snapshotted, at most"""


class Settings(BaseSettings):
    """All settings of a worker."""

    model_config = SettingsConfigDict(env_prefix="TRIMTAB_", env_nested_delimiter="__", frozen=True, extra="ignore")

    kafka: KafkaSettings = KafkaSettings()
    redis: RedisSettings = RedisSettings()
    fold: FoldSettings = FoldSettings()
    decide: DecideSettings = DecideSettings()
    watchdog_s: Annotated[float, Field(gt=0)] = 60.0
    """how long a worker may be without an assignment before it ends itself"""
