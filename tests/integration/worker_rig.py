"""A worker on embedded servers, and an account of events that does not ask the worker."""

import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from confluent_kafka import Producer
from redis import Redis

from sidecar.program import Program
from streams.topic_log import read_topic
from trimtab.control.apply import apply_file
from trimtab.control.release_view import Releases
from trimtab.schemas import dead_letter, worker
from trimtab.schemas.dead_letter import DeadLetter
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.redis_keys import worker_key
from trimtab.schemas.topics import DEAD_LETTERS, DECISIONS
from trimtab.streams.backend import Backend
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.local import LocalKafka, LocalRedis
from trimtab.streams.servers import servers

READY_S = 120.0
LOOK_S = 0.02

RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: NAME}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  limits: {minWeight: 2000, maxStep: 10000}
  strategy: {type: bandit, interval: 200ms}
"""


class Choice(NamedTuple):
    """The servers that the command line asks for."""

    backend: Backend = Backend.EMBEDDED
    kafka: str = ""
    redis: str = ""


choice = Choice()


class WorkerRig:
    """Kafka and Redis as the command line chooses; workers as the test starts them."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._workers = 0

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-")))
        found = self._stack.enter_context(servers(choice.backend, kafka=choice.kafka, redis=choice.redis))
        self.backend, self.kafka, self.redis = found.backend, found.kafka, found.redis
        self._broker, self._cache = found.broker, found.cache
        return self

    @property
    def broker(self) -> EmbeddedKafka | LocalKafka:
        """What makes outages of Kafka. Skips the test where that is not for us to do."""
        if self._broker is None:
            pytest.skip(f"backend {self.backend}: outages of its servers are not for a test to make")
        return self._broker

    @property
    def cache(self) -> EmbeddedRedis | LocalRedis:
        """What makes outages of Redis; skips as `broker` does."""
        if self._cache is None:
            pytest.skip(f"backend {self.backend}: outages of its servers are not for a test to make")
        return self._cache

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start_worker(self, *options: str, settings: Sequence[str] = (), code: str = "") -> Program:
        """Starts a worker; `settings` are `NAME=VALUE`, and `code` is a program to run in place of `trimtab`."""
        self._workers += 1
        program = ["-c", code] if code else ["-m", "trimtab.control.cli"]
        command = [sys.executable, *program, "worker", "--kafka", self.kafka, "--redis", self.redis, *options]
        # The embedded broker takes a session's time for every rebalance.
        is_embedded = self.backend is Backend.EMBEDDED
        session = ["TRIMTAB_KAFKA__SESSION_TIMEOUT_S=2", "TRIMTAB_KAFKA__HEARTBEAT_S=0.4"] if is_embedded else []
        worker = Program(self.folder / f"worker-{self._workers}.log", "/usr/bin/env", *session, *settings, *command)
        self._stack.callback(lambda: worker.is_running and worker.end(by=signal.SIGKILL))
        return worker

    def apply(self, name: str = "checkout", *, more: str = "", strategy: str = "") -> None:
        """Applies a release; `more` is a further line of its `spec`, `strategy` one in place of its own."""
        file, text = self.folder / f"{name}.yaml", RELEASE.replace("NAME", name)
        kept = [line for line in text.splitlines() if not (strategy and line.startswith("  strategy:"))]
        file.write_text("\n".join([*kept, *(f"  {line}" for line in (strategy, more) if line), ""]))
        apply_file(file, kafka=self.kafka, wait_s=READY_S)

    def decision(self, name: str = "checkout") -> Decision | None:
        view = Releases(self.redis).get(name)
        return view.decision if view else None

    def await_counted(self, events: int, name: str = "checkout") -> Decision:
        """Gives the decision that rests on `events` events, late ones included."""
        end_s = time.monotonic() + READY_S
        while True:
            decision = self.decision(name)
            if decision and decision.seen.counted + decision.seen.late >= events:
                return decision
            assert time.monotonic() < end_s, f"{events} events expected, seen: {decision and decision.seen}"
            time.sleep(LOOK_S)  # between two looks, not instead of one

    def await_rule(self, start: str, name: str = "checkout") -> Decision:
        """Gives the decision in Redis once its rule begins so."""
        end_s = time.monotonic() + READY_S
        while (decision := self.decision(name)) is None or not decision.rule.startswith(start):
            assert time.monotonic() < end_s, f"a rule {start!r} expected, seen: {decision and decision.rule}"
            time.sleep(LOOK_S)  # between two looks, not instead of one
        return decision

    def await_refused(self, events: int) -> list[DeadLetter]:
        """Gives the letters once they stand for `events` events: those of a pane come when its second is final."""
        end_s = time.monotonic() + READY_S
        letters = self.dead_letters()
        while sum(letter.events for letter in letters) < events:
            letters = self.dead_letters()
            assert time.monotonic() < end_s, f"{events} refused events expected, found: {letters}"
        return letters

    def await_refused_report(self, refused: dict[str, int]) -> None:
        """Returns once the worker reports just these refused events."""
        end_s = time.monotonic() + READY_S
        reported = []
        with Redis.from_url(self.redis) as client:
            while refused not in reported:
                found = [client.get(key) for key in client.scan_iter(worker_key("*"))]
                reported = [worker.decode(payload).refused for payload in found if payload]
                assert time.monotonic() < end_s, f"{refused} expected, reported: {reported}"
                time.sleep(LOOK_S)  # between two looks, not instead of one

    def publish(self, topic: str, payload: bytes, partition: int = 0) -> None:
        producer = Producer({"bootstrap.servers": self.kafka})
        producer.produce(topic, payload, partition=partition)
        assert producer.flush(60) == 0

    def dead_letters(self) -> list[DeadLetter]:
        """All letters, each once: a crash may write one twice."""
        letters = map(dead_letter.decode, self.read(DEAD_LETTERS))
        return list({letter.id: letter for letter in letters}.values())

    def decisions(self) -> list[Decision]:
        """The history, as written."""
        return [decode_decision(payload) for payload in self.read(DECISIONS)]

    def read(self, topic: str) -> list[bytes]:
        """Gives what the topic holds now."""
        return read_topic(self.kafka, topic)
