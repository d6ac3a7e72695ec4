"""The rig of the HAProxy sidecar: a real HAProxy, a real sidecar in a process of its own, services and visitors."""

import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Final, Self

import pytest
import yaml
from redis import Redis

from sidecar.program import Program
from sidecar.world import Answer, World
from trimtab.schemas import decision, release_file, sidecar
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.redis_keys import sidecar_key, weights_channel, weights_key
from trimtab.schemas.release import Release
from trimtab.sidecar.haproxy.config import configuration
from trimtab.sidecar.haproxy.names import Files, revision_text
from trimtab.sidecar.haproxy.proxy_settings import ProxySettings
from trimtab.sidecar.haproxy.runtime import map_entries
from trimtab.sidecar.haproxy.servers import Servers, servers_of
from trimtab.sidecar.haproxy.sticky_script import SCRIPT
from trimtab.streams.port import port_of, reserve_port

HAPROXY: Final = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
needs_haproxy: Final = pytest.mark.skipif(
    HAPROXY is None, reason="there is no haproxy on this machine; .ci/servers installs it"
)

SIDECAR_ID: Final = "under-test"
_READY_S: Final = 60.0
_LOOK_S: Final = 0.01


class HAProxyRig:
    """A sidecar, and a HAProxy with servers `at-VARIANT`; start what the test needs."""

    def __init__(
        self, *, redis: str, kafka: str = "127.0.0.1:1", releases: tuple[Release, ...] = (), file_mode: bool = False,
        servers: tuple[str, ...] = ("at-v1", "at-v2"), **settings: Any,
    ) -> None:  # fmt: skip
        self._kafka, self._redis_url, self._file_mode = kafka, redis, file_mode
        self.releases = releases or (release(),)
        self._servers, self._settings = servers, settings
        self._stack = ExitStack()
        self.redis = Redis.from_url(redis)

    def __enter__(self) -> Self:
        # Not pytest's own folder, whose path is too long for a socket.
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-")))
        self._stack.callback(self.redis.close)
        self.world = self._stack.enter_context(World())
        self.addresses = {name: f"127.0.0.1:{self.world.serve(_variant(name))}" for name in self._servers}
        self.files = Files(self.folder / "state")
        self.files.folder.mkdir()
        for path in (self.files.map, *(self.files.segments(each.name) for each in self.releases)):
            path.touch()
        self.files.script.write_text(SCRIPT)
        self.port = port_of(self._stack.enter_context(reserve_port()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def socket(self) -> Path:
        return self.folder / "admin.sock"

    @property
    def log(self) -> Path:
        """HAProxy's standard output, and errors: beside the log of requests there are lines of other kinds in it."""
        return self.folder / "haproxy.log"

    def config(self) -> str:
        settings = ProxySettings(
            bind=f"127.0.0.1:{self.port}", socket=self.socket, state=self.files.folder, servers=self.addresses,
            log_to_stdout=self._file_mode, **self._settings,
        )  # fmt: skip
        return configuration(self.releases, settings)

    def start_haproxy(self, config: str = "", output: Path | None = None) -> Program:
        """Starts HAProxy as master and worker, and gives it once it answers. `output`: in place of `log`."""
        assert HAPROXY is not None
        file = self.folder / "haproxy.cfg"
        file.write_text(config or self.config())
        program = Program(output or self.log, HAPROXY, "-W", "-db", "-f", file)
        self._stack.callback(_end, program)
        self._wait(self.pid, program)
        return program

    def reload(self, haproxy: Program) -> None:
        """Has HAProxy read its configuration anew, and waits until the new process has taken over."""
        before = self.pid()
        haproxy.send_signal(signal.SIGUSR2)
        self._wait(lambda: self.pid() not in ("", before), haproxy)

    def start_sidecar(self, **options: Any) -> Program:
        told = {
            "socket": self.socket, "state": self.files.folder, "kafka": self._kafka, "redis": self._redis_url,
            "id": SIDECAR_ID, "log": self.log if self._file_mode else None, **options,
        }  # fmt: skip
        arguments = [f"--{name}={value}" for name, value in told.items() if value is not None]
        arguments += [f"--release={each.name}" for each in self.releases]
        command = [sys.executable, "-m", "trimtab.control.cli", "sidecar", "haproxy", *arguments]
        program = Program(self.folder / "sidecar.log", *command)
        self._stack.callback(_end, program)
        return program

    def publish(self, record: WeightsRecord) -> None:
        """Publishes weights as the worker does."""
        payload = decision.encode(record)
        self.redis.hset(
            weights_key(record.release), mapping={"era": record.era, "revision": record.revision, "weights": payload}
        )
        self.redis.publish(weights_channel(record.release), payload)

    def report(self, name: str = "checkout") -> sidecar.SidecarReport:
        """The sidecar's newest report; an empty one while there is none."""
        payload = self.redis.get(sidecar_key(name, SIDECAR_ID))
        empty = sidecar.SidecarReport(sidecar=SIDECAR_ID, proxy="haproxy", release=name)
        return sidecar.decode(payload) if isinstance(payload, bytes) else empty

    def ask(self, count: int, path: str = "/", **headers: str) -> list[Answer]:
        return self.world.ask(
            self.port, count, path, **{name.replace("_", "-"): text for name, text in headers.items()}
        )

    def tell(self, command: str) -> str:
        """What HAProxy answers on its stats socket; nothing where nobody is there."""
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(_READY_S)
            try:
                connection.connect(str(self.socket))
                connection.sendall(f"{command}\n".encode())
                return b"".join(_pieces(connection)).decode()
            except (ConnectionError, FileNotFoundError):
                return ""

    def pid(self) -> str:
        return self.info("Pid")

    def info(self, field: str) -> str:
        """What HAProxy tells of itself; nothing where nobody is there."""
        lines = self.tell("show info").splitlines()
        return next((line.removeprefix(f"{field}: ") for line in lines if line.startswith(f"{field}: ")), "")

    def servers(self) -> Servers:
        return servers_of(self.tell("show servers state"))

    def weights(self, backend: str = "checkout") -> dict[str, int]:
        return {name: server.weight for name, server in self.servers()[backend].items()}

    def entries(self) -> dict[str, str]:
        return map_entries(self.tell(f"show map {self.files.map}"))

    def has(self, record: WeightsRecord) -> bool:
        """Whether HAProxy stamps requests with this revision."""
        return self.entries().get(record.release) == revision_text(record.id)

    def _wait(self, condition: Any, haproxy: Program) -> None:
        until_s = time.monotonic() + _READY_S
        while not condition():
            assert haproxy.is_running, haproxy.output
            assert time.monotonic() < until_s, haproxy.output
            time.sleep(_LOOK_S)  # between two looks, not instead of one


def release(name: str = "checkout", **spec: Any) -> Release:
    """A release with v1 (the baseline) and v2, at `at-v1` and `at-v2`, unless `spec` says otherwise."""
    variants = [{"name": "v1", "target": "at-v1"}, {"name": "v2", "target": "at-v2"}]
    whole = {"baseline": "v1", "variants": variants, "strategy": {"type": "bandit"}, **spec}
    document = {"apiVersion": "trimtab.dev/v1", "kind": "Release", "metadata": {"name": name}, "spec": whole}
    (read,) = release_file.load(yaml.safe_dump(document), "test.yaml")
    return read


def _variant(server: str) -> str:
    return server.partition(".")[0].removeprefix("at-")


def _pieces(connection: socket.socket) -> Iterator[bytes]:
    while piece := connection.recv(65_536):
        yield piece


def _end(program: Program) -> None:
    if program.is_running:
        program.end(by=signal.SIGTERM)
