"""Genuine Redis in the shapes that clusters have: behind Sentinel, and as a Cluster."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from redis import Redis

from trimtab.schemas.errors import Unreachable
from trimtab.streams.embedded.process import Child
from trimtab.streams.local import LocalRedis
from trimtab.streams.local.redis import redis_program
from trimtab.streams.port import port_of, reserve_port

START_S = 60.0
SLOTS = 16_384


class Sentinels:
    """A master, its replica, and three sentinels that watch them under the name `main`."""

    def __init__(self, password: str, sentinel_password: str, users: Path) -> None:
        """`users` is an ACL file; its user `default` has `password`."""
        self._password, self._sentinel_password = password, sentinel_password
        self._stack = ExitStack()
        login = ["--aclfile", str(users), "--masterauth", password]
        self.master = LocalRedis(login)
        self.replica = LocalRedis([*login, "--replicaof", "127.0.0.1", str(self.master.port)])
        self.ports: list[int] = []

    @property
    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{nodes}/main/0"

    def __enter__(self) -> Self:
        self._stack.enter_context(self.master)
        self._stack.enter_context(self.replica)
        await_true(self._is_linked, "replica linked to its master")
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-sentinel-")))
        for number in range(3):
            port = port_of(self._stack.enter_context(reserve_port()))
            self.ports.append(port)
            self._start_sentinel(folder / f"sentinel-{number}.conf", port)
        await_true(self._is_watched, "sentinels that know each other and the replica")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_sentinel(self, file: Path, port: int) -> None:
        file.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {file.parent}\nrequirepass {self._sentinel_password}\n"
            f"sentinel sentinel-pass {self._sentinel_password}\n"
            f"sentinel monitor main 127.0.0.1 {self.master.port} 2\nsentinel auth-pass main {self._password}\n"
            "sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
        )
        child = Child(f"sentinel {port}", [redis_program(), file, "--sentinel"])
        self._stack.callback(child.stop, 2)
        child.await_line("Sentinel ID is|\\+monitor", START_S)

    def _is_linked(self) -> bool:
        with Redis(port=self.replica.port, password=self._password) as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def _is_watched(self) -> bool:
        for port in self.ports:
            with Redis(port=port, password=self._sentinel_password) as client:
                (main,) = client.sentinel_masters().values()
                if (main["num-other-sentinels"], main["num-slaves"]) != (2, 1):
                    return False
        return True


@contextmanager
def cluster(password: str, users: Path) -> Iterator[list[LocalRedis]]:
    """A Cluster of three masters. `users` is an ACL file; its user `default` has `password`."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_node(stack, password, users)) for _ in range(3)]
        clients = [stack.enter_context(Redis(port=node.port, password=password)) for node in nodes]
        for number, client in enumerate(clients):
            first, end = SLOTS * number // 3, SLOTS * (number + 1) // 3
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node, bus in zip(nodes, map(_bus, nodes), strict=True):
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for client in clients:
            await_true(lambda client=client: _is_whole(client), "a Cluster that knows all its slots")  # type: ignore[misc]  # bound now
        yield nodes


_buses: dict[int, int] = {}


def _node(stack: ExitStack, password: str, users: Path) -> LocalRedis:
    bus = port_of(stack.enter_context(reserve_port()))
    node = LocalRedis(
        ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000",
         "--aclfile", str(users), "--masterauth", password]
    )  # fmt: skip
    _buses[node.port] = bus
    return node


def _bus(node: LocalRedis) -> int:
    return _buses[node.port]


def _is_whole(client: Redis) -> bool:
    told: bytes = client.execute_command("CLUSTER", "INFO")  # type: ignore[no-untyped-call]  # redis-py
    return b"cluster_state:ok" in told and b"cluster_known_nodes:3" in told


def await_true(condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > end_s:
            raise Unreachable(f"{what}: not within {START_S} s")
        time.sleep(0.02)  # between two looks, not instead of one
