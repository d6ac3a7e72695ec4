"""A real worker, a real client and the command line, all told how to connect by the environment alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from sidecar.program import Program
from trimtab.client import RoutingKey, Telemetry, Weights
from trimtab.control.release_view import Releases
from trimtab.schemas.errors import Unreachable
from trimtab.streams.settings_source import read_settings

READY_S = 60.0
EVENTS = 200
RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  limits: {minWeight: 2000, maxStep: 10000}
  strategy: {type: bandit, interval: 200ms}
"""


class System:
    """Everything that connects, with `variables` (without their prefix) as its settings."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self.variables = {f"TRIMTAB_{name}": value for name, value in variables.items()}
        self.settings = read_settings(variables=self.variables)
        self._stack = ExitStack()

    def command(self, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        """Runs `trimtab`."""
        return subprocess.run(
            [sys.executable, "-m", "trimtab.control.cli", *map(str, arguments)],
            capture_output=True, text=True, timeout=READY_S, check=False, env={**os.environ, **self.variables},  # noqa: TID251 - a child's
        )  # fmt: skip

    def start_worker(self) -> Program:
        pairs = [f"{name}={value}" for name, value in self.variables.items()]
        worker = Program(
            self._folder / "worker.log", "/usr/bin/env", *pairs, sys.executable, "-m", "trimtab.control.cli", "worker"
        )
        self._stack.callback(lambda: worker.is_running and worker.end(by=signal.SIGKILL))
        return worker

    def await_start(self, worker: Program) -> None:
        self._await(lambda: "worker_started" in worker.output or not worker.is_running, worker)
        assert worker.is_running, worker.output

    def apply(self) -> None:
        file = self._folder / "checkout.yaml"
        file.write_text(RELEASE)
        applied = self.command("apply", "-f", file)
        assert (applied.returncode, applied.stdout) == (0, "checkout created\n"), applied.stderr

    def run(self) -> None:
        """Has a worker take a release and count telemetry, and a client follow the weights that come of it."""
        worker = self.start_worker()
        self.await_start(worker)
        self.apply()
        with Weights(self.settings.redis, ["checkout"]) as weights:
            record = weights.wait("checkout", READY_S)
            key = RoutingKey("checkout", "v1", "", record.era, record.revision)
            with Telemetry(self.settings.kafka, publisher="test", heartbeat_s=0.1) as telemetry:
                for _ in range(EVENTS):
                    telemetry.response(key, 10.0, 200)
                assert telemetry.flush(READY_S), telemetry.stats
                assert telemetry.stats.published == EVENTS
                self._await(lambda: self._counted() == EVENTS, worker)
            shown = self.command("get", "release", "checkout", "-o", "json")
            assert (shown.returncode, shown.stderr) == (0, "")
        assert worker.end(by=signal.SIGTERM) == 0
        assert [name for name, value in self._secrets() if value in worker.output] == []

    def _secrets(self) -> list[tuple[str, str]]:
        return [pair for pair in self.variables.items() if pair[0].endswith(("PASSWORD", "SECRET"))]

    def _counted(self) -> int:
        view = Releases(self.settings.redis).get("checkout")
        return view.decision.seen.counted if view else 0

    def _await(self, condition: "object", worker: Program) -> None:
        assert callable(condition)
        end_s = time.monotonic() + READY_S
        while not condition():
            if time.monotonic() > end_s:
                raise Unreachable(worker.output)
            time.sleep(0.02)  # between two looks, not instead of one

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
