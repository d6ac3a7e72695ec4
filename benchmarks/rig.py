"""What a benchmark runs on: embedded servers, a worker, and a release, all gone when the `with` block ends."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from trimtab.client import Weights
from trimtab.control.apply import apply_file
from trimtab.streams.backend import Backend, chosen
from trimtab.streams.embedded.process import Child
from trimtab.streams.servers import servers

RELEASE: Final = "benchmark"
VARIANTS: Final = ("v1", "v2")
READY_S: Final = 60.0

_FILE: Final = f"""
apiVersion: trimtab.dev/v1
kind: Release
metadata: {{name: {RELEASE}}}
spec:
  baseline: v1
  variants: [{{name: v1}}, {{name: v2}}]
  guardrails: [{{metric: error_rate, max: 0.5}}, {{metric: latency_p99_ms, max: 5000}}]
  limits: {{minWeight: 1000, maxStep: 10000}}
  strategy: {{type: bandit, interval: 100ms}}
"""
"""A bandit that chooses anew every 100 ms, so that nearly every contribution may cause weights."""


class Rig:
    """Kafka and Redis of a backend, and programs that end with the block."""

    def __init__(self, backend: Backend = Backend.LOCAL) -> None:
        self.backend = chosen(backend)
        self._stack = ExitStack()
        self.folder = Path()
        self.kafka = ""
        self.redis = ""

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-bench-")))
        found = self._stack.enter_context(servers(self.backend))
        self.kafka, self.redis = found.kafka, found.redis
        return self

    def spawn(self, name: str, *arguments: str) -> Child:
        """Starts a Python program."""
        return self.keep(name, [sys.executable, *arguments])

    def keep(self, name: str, command: list[str | Path]) -> Child:
        """Starts any program."""
        child = Child(name, command)
        self._stack.callback(child.stop)
        return child

    def start_worker(self, *settings: str) -> Child:
        """Starts a worker, and returns when it has its partitions. `settings` are of the form `NAME=VALUE`."""
        program = [sys.executable, "-m", "trimtab.control.cli", "worker"]
        servers_of = ["--kafka", self.kafka, "--redis", self.redis]
        worker = self.keep("worker", ["/usr/bin/env", *settings, *program, *servers_of])
        worker.await_line("worker_started", READY_S)
        return worker

    def trimtab(self, name: str, *arguments: str) -> Child:
        """Starts a `trimtab` command."""
        return self.spawn(name, "-m", "trimtab.control.cli", *arguments)

    def apply(self) -> None:
        """Applies the release."""
        file = self.folder / "release.yaml"
        file.write_text(_FILE)
        apply_file(file, kafka=self.kafka, wait_s=READY_S)

    def await_weights(self) -> None:
        """Returns when the release has weights."""
        with Weights(self.redis, [RELEASE]) as weights:
            weights.wait(RELEASE, READY_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
