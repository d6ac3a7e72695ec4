"""The Faust app: which settings it needs to hold, and how it is told apart from others."""

from typing import Final

import faust
import yarl

from trimtab.streams.credentials import faust_credentials
from trimtab.streams.settings import KafkaSettings
from trimtab.streams.transport import transport_of

_CHUNK_RECORDS: Final = 2_000
"""Records of a partition that are handed over at once, at most."""
_CHUNKS_WAITING: Final = 8
"""Chunks that may wait for an agent; each is at most what one fetch brings, a megabyte."""


def create_app(settings: KafkaSettings) -> faust.App:
    """Gives a Faust app without agents. Topics have to exist: it declares none."""
    urls = [yarl.URL(f"kafka://{address.strip()}") for address in settings.bootstrap.split(",")]
    app = _App(
        settings.group,
        broker=urls,
        broker_credentials=faust_credentials(settings),
        broker_client_id=settings.client_id,
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        # An agent may hold messages for as long as it likes; waiting for them would hang the stop.
        stream_wait_empty=False,
        stream_recovery_delay=0,
        broker_max_poll_records=_CHUNK_RECORDS,
        stream_buffer_maxsize=_CHUNKS_WAITING,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        consumer_group_instance_id=settings.instance or None,
        consumer_auto_offset_reset="earliest",
        producer_linger=0,
        # All replicas in sync. A repetition by the producer does no harm, for merging is idempotent (law 1), while
        # aiokafka's idempotence would end the worker wherever a broker has forgotten the producer.
        producer_acks=-1,
    )
    app.transport = transport_of(settings.fetch_wait_ms, settings.rack)(urls, app)
    return app


class _App(faust.App):  # type: ignore[misc]  # Faust is untyped
    """A Faust app that leaves no folder behind: tables live in memory."""

    @property
    def consumer_was_superseded(self) -> bool:
        """Whether the group has forgotten this worker's name (`kafka.instance`), or gave it to another one."""
        thread = getattr(self._consumer, "_thread", None)
        return thread is not None and thread.is_superseded

    def _create_directories(self) -> None:
        pass
