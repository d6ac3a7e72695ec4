"""The Faust app: which settings it needs to hold, and how it is told apart from others."""

import faust
import yarl
from faust.transport.drivers import aiokafka as driver

from trimtab.streams.settings import KafkaSettings

_POLL_RECORDS = 500
"""Without a bound Faust halves its own throughput."""


def create_app(settings: KafkaSettings) -> faust.App:
    """Gives a Faust app without agents. Topics have to exist: it declares none."""
    url = yarl.URL(f"kafka://{settings.bootstrap}")
    app = _App(
        settings.group,
        broker=str(url),
        store="memory://",
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        # An agent may hold messages for as long as it likes; waiting for them would hang the stop.
        stream_wait_empty=False,
        stream_recovery_delay=0,
        broker_max_poll_records=_POLL_RECORDS,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.heartbeat_s,
        consumer_auto_offset_reset="earliest",
        producer_linger=0,
    )
    app.transport = _transport(settings.fetch_wait_ms)([url], app)
    return app


class _App(faust.App):  # type: ignore[misc]  # Faust is untyped
    """A Faust app that leaves no folder behind: tables live in memory."""

    def _create_directories(self) -> None:
        pass


def _transport(fetch_wait_ms: int) -> type[driver.Transport]:
    """Gives Faust's transport with a shorter wait of empty fetches, which it has no setting for (1,500 ms)."""

    class Thread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # Faust is untyped
        def _create_worker_consumer(self, transport: driver.Transport) -> object:
            consumer = super()._create_worker_consumer(transport)
            consumer._fetch_max_wait_ms = fetch_wait_ms
            return consumer

    class Consumer(driver.Consumer):  # type: ignore[misc]  # Faust is untyped
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            self._read_offset = _Forgetful()

        def _new_consumer_thread(self) -> Thread:
            return Thread(self, loop=self.loop, beacon=self.beacon)

    class Transport(driver.Transport):  # type: ignore[misc]  # Faust is untyped
        pass

    Transport.Consumer = Consumer
    return Transport


class _Forgetful(dict[object, int | None]):
    """What Faust remembers as read, forgotten at once.

    Faust drops messages below it, and a message that was in hand during a rewind raises it again afterwards: the
    rewound ones are then lost. Repetitions are ours to pass over (`trimtab.streams.order`).
    """

    def __getitem__(self, _partition: object) -> None:
        return None
