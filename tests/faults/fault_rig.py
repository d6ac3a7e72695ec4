"""Genuine Kafka and Redis, workers that a supervisor restarts, load, and the account that has to be right."""

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from faults.auditor import Account, audit
from faults.witness import Witness
from integration.publisher import Publisher
from integration.worker_rig import RELEASE
from sidecar.program import Program
from trimtab.control.apply import apply_file
from trimtab.streams.local import LocalKafka, LocalRedis

READY_S = 60.0
SETTLE_S = 60.0
LOOK_S = 0.05
AFTER_A_FAULT_S = 60.0
"""when to give up; how long it took is told at the end of the run"""

recoveries: list[tuple[str, float]] = []
"""fault -> seconds until weights moved again, for the end of the run"""


class Supervised:
    """A worker that is started again whenever it ends by itself or is killed."""

    def __init__(self, start: Callable[[], Program]) -> None:
        self._start = start
        self._stop = threading.Event()
        self.program = start()
        self.restarts = 0
        self._thread = threading.Thread(target=self._watch, name="supervisor")
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            if not self.program.is_running:
                self.program = self._start()
                self.restarts += 1

    def send(self, number: signal.Signals) -> None:
        """Sends the running worker a signal."""
        self.program.send_signal(number)

    def kill(self) -> None:
        """Ends the worker at once; the supervisor starts another one."""
        self.send(signal.SIGKILL)

    def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        """Ends the worker for good, and gives its exit code."""
        self._stop.set()
        self._thread.join()
        return self.program.end(by=by, timeout_s=15)


class FaultRig:
    """Servers, workers, load and witnesses; everything ends with the `with` block."""

    def __init__(
        self, kafka: LocalKafka | None = None, redis: LocalRedis | None = None, *, redis_url: str = ""
    ) -> None:
        self.kafka = kafka or LocalKafka()
        self.redis = redis or LocalRedis()
        self._redis_url = redis_url
        self._stack = ExitStack()
        self._workers: list[Supervised] = []
        self._publishers: list[Publisher] = []
        self._logs = 0

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-faults-")))
        self._stack.enter_context(self.kafka)
        self._stack.enter_context(self.redis)
        self._stack.callback(self._end_all)
        self.witness = Witness(self.redis_url, "checkout")
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def redis_url(self) -> str:
        """Where workers find Redis."""
        return self._redis_url or self.redis.url

    def _end_all(self) -> None:
        for publisher in self._publishers:
            publisher.abandon()
        for worker in self._workers:
            worker.end(by=signal.SIGKILL)
        self.witness.stop()

    def begin(self, publishers: int = 2, workers: int = 1) -> list[Supervised]:
        """Starts workers, applies the release, and puts load on it; returns once weights follow the load."""
        started = [self.start_worker() for _ in range(workers)]
        file = self.folder / "checkout.yaml"
        file.write_text(RELEASE.replace("NAME", "checkout"))
        apply_file(file, kafka=self.kafka.bootstrap, wait_s=READY_S)
        self._publishers = [Publisher(self.kafka.bootstrap, seed) for seed in range(publishers)]
        self.await_moves(READY_S, moves=3)
        return started

    def apply_file(self, file: Path) -> None:
        """Applies a release file."""
        apply_file(file, kafka=self.kafka.bootstrap, wait_s=READY_S)

    def start_worker(self, *options: str) -> Supervised:
        """Starts a supervised worker with the settings that users have."""
        worker = Supervised(lambda: self._program(options))
        self._workers.append(worker)
        return worker

    def _program(self, options: Sequence[str]) -> Program:
        self._logs += 1
        return Program(
            self.folder / f"worker-{self._logs}.log", "/usr/bin/env", f"TRIMTAB_KAFKA__REPLICATION={self.kafka.size}",
            *options, sys.executable, "-m",
            "trimtab.control.cli", "worker", "--kafka", self.kafka.bootstrap, "--redis", self.redis_url,
        )  # fmt: skip

    def await_moves(self, within_s: float, moves: int = 1) -> float:
        """Returns once the witness has seen newer weights `moves` times; gives how long that took."""
        started_s, newest = time.monotonic(), self.witness.newest
        for _ in range(moves):
            while self.witness.newest <= newest:
                assert time.monotonic() - started_s < within_s, f"no newer weights for {within_s:.0f} s: {self.tails()}"
                time.sleep(LOOK_S)
            newest = self.witness.newest
        return time.monotonic() - started_s

    def recovers(self, fault: str) -> None:
        """Fails unless weights move again; writes down how long it took."""
        took_s = self.await_moves(AFTER_A_FAULT_S)
        recoveries.append((fault, took_s))

    def tails(self) -> str:
        """The newest lines of the newest logs."""
        logs = sorted(self.folder.glob("worker-*.log"), key=lambda log: log.stat().st_mtime)[-2:]
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)

    def settle(self, *, may_drop: bool = False) -> Account:
        """Ends the load, waits until everything that was sent is accounted for, and checks the laws.

        `may_drop`: whether publishers may have given up events, as they do after half a minute without a broker.
        """
        while self._publishers:
            self._publishers.pop().stop(may_drop=may_drop)
        end_s = time.monotonic() + SETTLE_S
        account = audit(self.kafka.bootstrap)
        while account.counted + account.dead_lettered < account.events:
            assert time.monotonic() < end_s, f"{_balance(account)}: {self.tails()}"
            time.sleep(0.5)  # between two looks, not instead of one
            account = audit(self.kafka.bootstrap)
        assert account.counted + account.dead_lettered == account.events, _balance(account)
        self.witness.check(account)
        return account


def _balance(account: Account) -> str:
    return f"{account.events} events sent, {account.counted} counted or late, {account.dead_lettered} dead-lettered"
