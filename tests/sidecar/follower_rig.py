"""The rig of sidecars that bring weights to a command or a file: a real one in a process, services, and visitors."""

import json
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from redis import Redis

from sidecar.program import Program
from sidecar.world import World
from trimtab.schemas import decision, sidecar
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.redis_keys import sidecar_key, weights_channel, weights_key
from trimtab.streams.port import port_of, reserve_port

SIDECAR_ID = "under-test"


class FollowerRig:
    """A folder, services named `v1` and `v2`, and what a test starts in it; all of it ends with the test."""

    def __init__(self, redis: str) -> None:
        self._url = redis
        self._stack = ExitStack()
        self.redis = Redis.from_url(redis)

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-")))
        self._stack.callback(self.redis.close)
        self.world = self._stack.enter_context(World())
        self.ports = {name: self.world.serve(name) for name in ("v1", "v2")}
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_sidecar(
        self, *command: object, path: Path | None = None, timeout_s: float = 10, **options: Any
    ) -> Program:
        told = {
            "releases": ["checkout"], "redis": self._url, "id": SIDECAR_ID, "cache": None, "timeout_s": timeout_s,
            "proxy": "exec" if command else "file", "command": [*map(str, command)], "path": str(path), **options,
        }  # fmt: skip
        return self.start("sidecar", sys.executable, Path(__file__).with_name("run_follower.py"), json.dumps(told))

    def reserve_port(self) -> int:
        """Gives a port that nobody else is handed while the test lasts; a server that allows reuse can bind it."""
        return port_of(self._stack.enter_context(reserve_port()))

    def start(self, name: str, *command: str | Path) -> Program:
        program = Program(self.folder / f"{name}.log", *command)
        self._stack.callback(self._end, program)
        return program

    def publish(self, record: WeightsRecord) -> float:
        """Publishes weights as the worker does, and gives the monotonic time of the notification."""
        payload, key = decision.encode(record), weights_key(record.release)
        self.redis.hset(key, mapping={"era": record.era, "revision": record.revision, "weights": payload})
        published_s = time.monotonic()
        self.redis.publish(weights_channel(record.release), payload)
        return published_s

    def report(self, release: str = "checkout") -> sidecar.SidecarReport:
        """The sidecar's newest report; an empty one while there is none."""
        payload = self.redis.get(sidecar_key(release, SIDECAR_ID))
        empty = sidecar.SidecarReport(sidecar=SIDECAR_ID, proxy="", release=release)
        return sidecar.decode(payload) if isinstance(payload, bytes) else empty

    @staticmethod
    def _end(program: Program) -> None:
        if program.is_running:
            program.end(by=signal.SIGTERM)
