"""A Kafka broker for demos and tests, in a process of its own."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Final, Self

from trimtab.schemas.errors import Unreachable
from trimtab.streams.embedded.process import Child

_START_S: Final = 15.0
_ANSWER_S: Final = 5.0


class EmbeddedKafka:
    """A broker with `topics` (name -> partitions), ready inside the `with` block and gone after it.

    Records live in memory, about 5 MB a partition. There is no admin interface: declare every topic here.
    """

    def __init__(self, topics: Mapping[str, int]) -> None:
        self._topics = dict(topics)
        self._child: Child | None = None
        self._bootstrap = ""

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:PORT` of the broker, as it was last started; every start has a port of its own."""
        return self._bootstrap

    @property
    def pid(self) -> int:
        """The process id of the broker. Raises `Unreachable` while there is none."""
        return self._running().pid

    def start(self) -> None:
        """Starts the broker, empty. Raises `Unreachable` when it does not come up."""
        module = ["-m", "trimtab.streams.embedded.kafka_broker"]
        child = Child("embedded Kafka", [sys.executable, *module, *(f"{name}:{n}" for name, n in self._topics.items())])
        try:
            self._bootstrap = child.await_line(r"^[\w.]+:\d+$", _START_S)[0]
        except BaseException:
            child.stop()
            raise
        self._child = child

    def stop(self) -> None:
        """Ends the broker, records and all. Does nothing while there is none."""
        if self._child is not None:
            self._child.stop()
            self._child = None

    def down(self) -> None:
        """Has the broker close its connections and refuse new ones; records and port are kept."""
        self._ask("down")

    def up(self) -> None:
        """Has the broker accept connections again."""
        self._ask("up")

    def refuse(self, code: int, count: int = 1) -> None:
        """Has the broker answer the next `count` produce requests with the error `code` of Kafka's protocol."""
        self._ask(f"refuse {code} {count}")

    def _ask(self, order: str) -> None:
        self._running().tell(order)
        self._running().await_line(f"^{order}$", _ANSWER_S)

    def _running(self) -> Child:
        if self._child is None:
            raise Unreachable("embedded Kafka: not started")
        return self._child

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
