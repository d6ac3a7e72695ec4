"""The protocol without our code: the examples in shell and in Node publish what we read, and read what we publish."""

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from client.test_weights import announce, write
from conftest import Eventually
from sidecar.kafka_events import read_to_end
from sidecar.program import Program
from sidecar.weights import ERA, weights
from trimtab.schemas.decision import encode
from trimtab.schemas.telemetry import Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies]

EXAMPLES = Path(__file__).parents[2] / "examples" / "protocol"
ABSENT = [name for name in ("kcat", "redis-cli", "jq") if shutil.which(name) is None]


@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
def test_the_shop_in_shell_routes_by_the_weights_and_tells_of_it(redis: EmbeddedRedis, kafka: EmbeddedKafka) -> None:
    write(redis, encode(weights(revision=7, v1=5_000, v2=5_000)))
    environment = {"PATH": os.environ["PATH"], "KAFKA": kafka.bootstrap, "REDIS": redis.url}  # noqa: TID251 - as a user
    subprocess.run([EXAMPLES / "shop.sh", "40"], env=environment, timeout=60, check=True)
    events = read_to_end(kafka.bootstrap)
    kinds = Counter(event.kind for event in events)
    assert kinds == {Kind.REQUEST: 40, Kind.RESPONSE: 40}
    assert {(event.key.release, event.key.era, event.key.revision) for event in events} == {("checkout", ERA, 7)}
    assert {event.key.variant for event in events} == {"v1", "v2"}
    assert {event.status for event in events if event.kind is Kind.RESPONSE} == {200}


@pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)}")
def test_the_shop_in_shell_says_that_there_are_no_weights(redis: EmbeddedRedis) -> None:
    environment = {"PATH": os.environ["PATH"], "KAFKA": "127.0.0.1:1", "REDIS": redis.url}  # noqa: TID251 - as a user
    done = subprocess.run(
        [EXAMPLES / "shop.sh"], env=environment, timeout=60, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "there are no weights of checkout\n")


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(EXAMPLES / "follow.mjs", folder)
    (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    command = [npm, "install", "--no-audit", "--no-fund", "kafkajs@2.2.4"]
    done = subprocess.run(command, cwd=folder, timeout=100, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm cannot install kafkajs: {done.stderr[-200:]}")
    return folder


def test_the_follower_in_node_takes_each_newer_revision_once(
    node_folder: Path, redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    write(redis, encode(weights(revision=1, v1=9_000, v2=1_000)))
    at, node = urlsplit(redis.url), shutil.which("node")
    assert node is not None
    env = ["/usr/bin/env", f"KAFKA={kafka.bootstrap}", f"REDIS={at.hostname}:{at.port}"]
    follower = Program(node_folder / "log", *env, node, node_folder / "follow.mjs", "checkout")
    try:
        eventually(lambda: follower.output.count("\n") == 1, what="the weights at the start")
        for revision in (2, 2, 1, 3):
            announce(redis, encode(weights(revision=revision, v1=5_000, v2=5_000)))
        eventually(lambda: follower.output.count("\n") == 3, what="two newer ones")
        told = [json.loads(line) for line in follower.output.splitlines()]
        assert [(one["era"], one["revision"]) for one in told] == [(ERA, 1), (ERA, 2), (ERA, 3)]
        assert told[-1]["weights"] == {"v1": 5_000, "v2": 5_000}
        eventually(lambda: len(read_to_end(kafka.bootstrap)) == 3, what="outcomes")
        events = read_to_end(kafka.bootstrap)
        assert [event.kind for event in events] == [Kind.OUTCOME] * 3
        assert {(event.key.variant, event.key.revision) for event in events} == {("v1", 1), ("v1", 2), ("v1", 3)}
    finally:
        follower.end()
