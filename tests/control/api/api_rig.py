"""`trimtab serve` in a process of its own, on decisions that a test writes where a worker would."""

import http.client
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, Self

import msgspec
from confluent_kafka import Producer
from redis import Redis

from control.decisions import decision
from sidecar.program import Program
from trimtab.schemas import decision as decisions
from trimtab.schemas import release_file
from trimtab.schemas.decision import Decision
from trimtab.schemas.redis_keys import RELEASES, weights_key
from trimtab.schemas.topics import DECISIONS, evidence_partition
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.layout import embedded_topics
from trimtab.streams.settings import KafkaSettings

PARTITIONS = 1
START_S = 120.0
LOOK_S = 0.01
RELEASE = """
apiVersion: trimtab.dev/v1
kind: Release
metadata: {name: checkout}
spec:
  baseline: v1
  variants: [{name: v1}, {name: v2}]
  strategy: {type: bandit}
"""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Event(NamedTuple):
    """One event of a stream."""

    name: str
    id: str
    data: Any


class ApiServer:
    """One running `trimtab serve`."""

    def __init__(
        self, log: Path, kafka: str, redis: str, *settings: str, listen: str = "127.0.0.1:0", code: str = ""
    ) -> None:
        """`settings` are `NAME=VALUE`; `code` is a program to run in place of `trimtab`."""
        program = ["-c", code] if code else ["-m", "trimtab.control.cli"]
        command = [sys.executable, *program, "serve", "--kafka", kafka, "--redis", redis]
        self.program = Program(log, "/usr/bin/env", *settings, *command, "--listen", listen)
        try:
            self._await_start(time.monotonic() + START_S)
        except BaseException:
            self.program.end(signal.SIGKILL)
            raise

    def _await_start(self, end_s: float) -> None:
        while not (found := re.search(r"http://[\w.\[\]:]+:(\d+)", self.program.output)):
            assert self.program.is_running, self.program.output
            assert time.monotonic() < end_s, self.program.output
            time.sleep(LOOK_S)  # between two looks, not instead of one
        self.port = int(found[1])
        while self.get("/readyz").status != 200:
            assert time.monotonic() < end_s, self.program.output
            time.sleep(LOOK_S)  # between two looks, not instead of one

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: object, **headers: str) -> Answer:
        return self.ask("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers})

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            names = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def events(self, path: str, **headers: str) -> Iterator[Event]:
        """Gives the events of a stream, until it ends; the connection ends with the iterator."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            assert (response.status, response.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
            fields: dict[str, str] = {}
            while line := response.readline():
                text = line.decode().rstrip("\n")
                if not text and "data" in fields:
                    yield Event(fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"]))
                name, _, value = text.partition(": ")
                fields = {**fields, name: value} if text else {}
        finally:
            connection.close()

    def end(self) -> int:
        return self.program.end(signal.SIGTERM)


class ApiRig:
    """Kafka and Redis, into which the test writes what a worker would."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._servers = 0

    def __enter__(self) -> Self:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="trimtab-")))
        topics = embedded_topics(KafkaSettings(evidence_partitions=PARTITIONS, telemetry_partitions=1))
        self.kafka = self._stack.enter_context(EmbeddedKafka(topics)).bootstrap
        self.redis = self._stack.enter_context(EmbeddedRedis()).url
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def serve(self, *settings: str, listen: str = "127.0.0.1:0", code: str = "") -> ApiServer:
        self._servers += 1
        log = self.folder / f"serve-{self._servers}.log"
        server = ApiServer(log, self.kafka, self.redis, *settings, listen=listen, code=code)
        self._stack.callback(lambda: server.program.is_running and server.program.end(signal.SIGKILL))
        return server

    def decide(self, *made: Decision, document: str = RELEASE, is_shown: bool = True) -> None:
        """Writes decisions into their topic, and the last one of each release into Redis."""
        producer = Producer({"bootstrap.servers": self.kafka})
        for one in made:
            partition = evidence_partition(one.release, PARTITIONS)
            producer.produce(DECISIONS, decisions.encode(one), key=one.release, partition=partition)
        assert producer.flush(60) == 0
        if is_shown:
            self.show(*made, document=document)

    def show(self, *made: Decision, document: str = RELEASE) -> None:
        """Writes decisions into Redis."""
        with Redis.from_url(self.redis) as client:
            for one in made:
                text = document.replace("checkout", one.release)
                spec = release_file.load(text, "document")[0].document()
                client.sadd(RELEASES, one.release)
                client.hset(weights_key(one.release), mapping={"decision": decisions.encode(one), "spec": spec})


def chain(first: int, last: int, release: str = "checkout", era: int = 7, **changes: object) -> list[Decision]:
    """Gives decisions of rising revisions, each of which replaces the one before."""
    return [
        decision(
            release=release, era=era, revision=number, replaces=(era, number - 1) if number > 1 else (0, 0),
            time_ms=1_700_000_000_000 + number * 1_000, **changes,
        )
        for number in range(first, last + 1)
    ]  # fmt: skip


def ids(made: object) -> list[tuple[int, int]]:
    """Gives the revisions of decisions as JSON has them."""
    return [(one.era, one.revision) for one in msgspec.convert(made, list[Decision])]
