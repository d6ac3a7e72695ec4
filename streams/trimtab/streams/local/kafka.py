"""Apache Kafka (KRaft) on this machine: one broker, or a cluster of three for tests that take one away."""

import signal
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from trimtab.schemas.errors import Unreachable
from trimtab.streams.embedded.process import Child
from trimtab.streams.local.jars import find_program, kafka_jars
from trimtab.streams.port import port_of, reserve_port

_START_S: Final = 60.0
_STOP_S: Final = 15.0
_LOOK_S: Final = 0.1
_CLIENT, _INTERNAL, _CONTROLLER = "CLIENT", "INTERNAL", "CONTROLLER"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a broker listens, all on 127.0.0.1."""

    client: int
    internal: int
    controller: int


class Broker:
    """One broker of a local cluster, which is also a controller. Data and ports outlive a stop."""

    def __init__(self, number: int, folder: Path, ports: Ports, heap_mb: int) -> None:
        self._number = number
        self._folder = folder
        self._heap_mb = heap_mb
        self._child: Child | None = None
        self.ports = ports

    @property
    def pid(self) -> int:
        """The process id. Raises `Unreachable` while there is none."""
        if self._child is None:
            raise Unreachable(f"local Kafka, broker {self._number}: not started")
        return self._child.pid

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._child is not None and self._child.is_running

    def format(self, properties: Mapping[str, object], cluster: str, arguments: Sequence[str] = ()) -> None:
        """Prepares its folder, once. `arguments` go to Kafka's storage tool."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        tool = self._java(
            "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", f"--config={self._properties}", *arguments
        )
        try:
            tool.await_line("Formatting", _START_S)
        finally:
            tool.wait(_START_S)

    def start(self) -> None:
        """Starts the process; `LocalKafka.await_ready` tells when it serves."""
        self._child = self._java("kafka.Kafka", str(self._properties))

    def stop(self) -> None:
        """Has it hand over and end."""
        if self._child is not None:
            self._child.stop(_STOP_S)
            self._child = None

    def kill(self) -> None:
        """Ends it at once (SIGKILL)."""
        if self._child is not None:
            self._child.stop(0, by=signal.SIGKILL)
            self._child = None

    def tail(self) -> str:
        """What the process said last."""
        return self._child.tail() if self._child else "it is not running"

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _java(self, program: str, *arguments: str) -> Child:
        # The first compiler alone: brokers of a test live for seconds, and start in half the time so.
        java = find_program("java", "openjdk-17-jre-headless")
        command: list[str | Path] = [
            java, f"-Xmx{self._heap_mb}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
            "-XX:+ExitOnOutOfMemoryError", "-cp", f"{kafka_jars()}/*", program, *arguments,
        ]  # fmt: skip
        return Child(f"local Kafka, broker {self._number}", command)


class LocalKafka:
    """A cluster on loopback, ready inside the `with` block and gone after it.

    `properties` are added to each broker's own; `advertised` (broker number from 1 -> port) names other ports to
    clients, behind which a proxy stands; `folder` holds the data and is left there; `format_arguments` go to Kafka's
    storage tool (`--add-scram …`).
    """

    def __init__(  # noqa: PLR0913 - each may be left out
        self,
        brokers: int = 1,
        *,
        properties: Mapping[str, object] | None = None,
        advertised: Mapping[int, int] | None = None,
        folder: Path | None = None,
        heap_mb: int = 512,
        format_arguments: Sequence[str] = (),
    ) -> None:
        self._count = brokers
        self._extra = dict(properties or {})
        self._advertised = dict(advertised or {})
        self._folder = folder
        self._heap_mb = heap_mb
        self._format_arguments = format_arguments
        self._stack = ExitStack()
        self.brokers: list[Broker] = []
        sockets = [[self._stack.enter_context(reserve_port()) for _ in range(3)] for _ in range(brokers)]
        self.ports = [Ports(*map(port_of, of_broker)) for of_broker in sockets]
        """of each broker, known before the start"""

    @property
    def bootstrap(self) -> str:
        """Addresses for clients, `127.0.0.1:PORT,…`; those advertised where others are."""
        numbered = enumerate(self.ports, 1)
        return ",".join(f"127.0.0.1:{self._advertised.get(number, ports.client)}" for number, ports in numbered)

    @property
    def size(self) -> int:
        """How many brokers there are."""
        return self._count

    @property
    def pid(self) -> int:
        """The process id of the first broker."""
        return self.brokers[0].pid

    def start(self) -> None:
        """Formats and starts all brokers. Raises `Unreachable` where one does not come up."""
        folder = self._folder or Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-kafka-")))
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        for number, ports in enumerate(self.ports, 1):
            broker = Broker(number, folder / f"broker-{number}", ports, self._heap_mb)
            broker.format(self._properties_of(number, folder), cluster, self._format_arguments)
            self.brokers.append(broker)
            self._stack.callback(broker.kill)
        for broker in self.brokers:
            broker.start()
        self.await_ready()

    def down(self) -> None:
        """Ends all brokers; data and ports are kept."""
        # At once: the last of three would wait in vain for the others to take its partitions over.
        with ThreadPoolExecutor() as pool:
            list(pool.map(Broker.stop, self.brokers))

    def up(self) -> None:
        """Starts the brokers that are down, and returns when all take part."""
        for broker in self.brokers:
            if not broker.is_running:
                broker.start()
        self.await_ready()

    def await_ready(self, brokers: int | None = None) -> None:
        """Returns when `brokers` of them (all) take part. Raises `Unreachable` when they do not within a minute.

        Where clients need credentials, a listening port has to do.
        """
        end_s = time.monotonic() + _START_S
        wanted = self._count if brokers is None else brokers
        admin = AdminClient({"bootstrap.servers": self._internal, "log_level": 0})
        while self._known(admin) != wanted:
            dead = [broker for broker in self.brokers if not broker.is_running]
            if len(dead) > self._count - wanted or time.monotonic() > end_s:
                said = " | ".join(broker.tail() for broker in dead or self.brokers)
                raise Unreachable(f"local Kafka: {wanted} brokers expected, {self._known(admin)} came; it said: {said}")
            time.sleep(_LOOK_S)

    @property
    def _internal(self) -> str:
        return ",".join(f"127.0.0.1:{ports.internal}" for ports in self.ports)

    def _known(self, admin: AdminClient) -> int:
        try:
            return len(admin.list_topics(timeout=1.0).brokers)
        except KafkaException:
            return 0

    def _properties_of(self, number: int, folder: Path) -> dict[str, object]:
        ports, copies = self.ports[number - 1], min(3, self._count)
        enough = max(1, copies - 1)
        voters = ",".join(f"{node}@127.0.0.1:{of.controller}" for node, of in enumerate(self.ports, 1))
        return {
            "process.roles": "broker,controller",
            "node.id": number,
            "controller.quorum.voters": voters,
            "controller.listener.names": _CONTROLLER,
            "inter.broker.listener.name": _INTERNAL,
            "listeners": ",".join(
                f"{name}://127.0.0.1:{port}"
                for name, port in (
                    (_CLIENT, ports.client),
                    (_INTERNAL, ports.internal),
                    (_CONTROLLER, ports.controller),
                )
            ),
            "advertised.listeners": f"{_CLIENT}://127.0.0.1:{self._advertised.get(number, ports.client)},"
            f"{_INTERNAL}://127.0.0.1:{ports.internal}",
            "listener.security.protocol.map": f"{_CLIENT}:PLAINTEXT,{_INTERNAL}:PLAINTEXT,{_CONTROLLER}:PLAINTEXT",
            "log.dir": folder / f"broker-{number}" / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": enough,
            "offsets.topic.num.partitions": 4,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": enough,
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1_000,
            "num.recovery.threads.per.data.dir": 1,
            **self._extra,
        }

    def close(self) -> None:
        """Ends the brokers and gives their ports back; data goes unless its folder was given."""
        self._stack.close()
        self.brokers.clear()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
