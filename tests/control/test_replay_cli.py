"""`trimtab explain` and `trimtab replay` as a person or a script meets them, on logs that no worker wrote."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from redis import Redis

from control.memory_log import MemoryLog, log_of
from engine.builders import release, response
from engine.evidence_rig import EvidenceRig
from trimtab.control.evidence_log import save
from trimtab.schemas.redis_keys import RELEASES, weights_key
from trimtab.schemas.release_file import dump
from trimtab.schemas.topics import DECISIONS, EVIDENCE, evidence_partition
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.long

NOBODY = "127.0.0.1:1"
PARTITIONS = 2
HOME = evidence_partition("checkout", PARTITIONS)
APPLIED = release(limits={"maxStep": 700})


def trimtab(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trimtab.control.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def running_log() -> MemoryLog:
    rig = EvidenceRig()
    rig.apply(APPLIED)
    for _ in range(6):
        rig.now_ms += 1_000
        rig.bring(*[response(variant, rig.now_ms) for variant in ("stable", "canary") for _ in range(20)])
    rig.wait(1_000)
    return log_of(rig)


def newest_to(redis: EmbeddedRedis, log: MemoryLog) -> None:
    with Redis.from_url(redis.url) as client:
        client.hset(weights_key("checkout"), mapping={"decision": log.recorded[-1], "spec": APPLIED.document()})
        client.sadd(RELEASES, "checkout")


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedKafka]:
    """A broker whose partition HOME holds `running_log()` with its decisions, for tests that only read."""
    log = running_log()
    with EmbeddedKafka({EVIDENCE: PARTITIONS, DECISIONS: PARTITIONS}) as server:
        producer = Producer({"bootstrap.servers": server.bootstrap})
        for entry in log.entries:
            producer.produce(EVIDENCE, entry.value, partition=HOME, timestamp=entry.time_ms)
        for payload in log.recorded:
            producer.produce(DECISIONS, payload, partition=HOME)
        assert producer.flush(60) == 0
        yield server


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "checkout.log"
    save(running_log(), path)
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    path = tmp_path / "other.yaml"
    path.write_text(dump(release(limits={"maxStep": 10_000})))
    return path


def test_the_newest_decision_is_explained_with_what_it_replaced(broker: EmbeddedKafka, redis: EmbeddedRedis) -> None:
    newest_to(redis, running_log())
    told = trimtab("explain", "checkout", "--kafka", broker.bootstrap, "--redis", redis.url)
    assert (told.returncode, told.stderr) == (0, "")
    assert re.search(
        r"Weights, in basis points\n  the strategy wanted stable \S+, canary \S+, before limits\n  stable: ",
        told.stdout,
    )
    assert "not known here" not in told.stdout
    assert "a weight moves by at most 700 in one decision" in told.stdout


def test_without_kafka_the_newest_is_explained_but_for_its_move(redis: EmbeddedRedis) -> None:
    newest_to(redis, running_log())
    told = trimtab("explain", "checkout", "--kafka", NOBODY, "--redis", redis.url, "--wait", "0.5")
    assert told.returncode == 0
    assert "is not known here" in told.stdout
    assert f"the decision before it is not shown: kafka at {NOBODY}" in told.stderr


def test_an_older_decision_is_found_in_kafka_alone(broker: EmbeddedKafka) -> None:
    wanted = msgspec.json.decode(running_log().recorded[3])
    for revision in (f"{wanted['revision']}", f"{wanted['era']}.{wanted['revision']}"):
        told = trimtab("explain", "checkout", "--revision", revision, "--kafka", broker.bootstrap, "-o", "json")
        found = json.loads(told.stdout)
        assert found["decision"] == wanted
        assert [found["replaced"]["era"], found["replaced"]["revision"]] == wanted["replaces"]
        assert found["explanation"][0].startswith(f"checkout: revision {wanted['era']}.{wanted['revision']}")


def test_the_first_decision_has_none_before_it(broker: EmbeddedKafka) -> None:
    told = trimtab("explain", "checkout", "--revision", "1", "--kafka", broker.bootstrap)
    assert "replaces nothing: it is the first" in told.stdout


@pytest.mark.parametrize(
    ("revision", "code", "words"),
    [
        ("999", 1, "release checkout: no decision of revision 999"),
        ("1.1", 1, "no decision of revision 1 any more: those from 1700000000.1 on are kept"),
        ("0", 2, "--revision: expected a number above 0, or ERA.N, got '0'"),
        ("newest", 2, "--revision: expected a number above 0, or ERA.N, got 'newest'"),
    ],
)
def test_a_revision_that_is_not_there_is_told(broker: EmbeddedKafka, revision: str, code: int, words: str) -> None:
    refused = trimtab("explain", "checkout", "--revision", revision, "--kafka", broker.bootstrap)
    assert (refused.returncode, refused.stdout) == (code, "")
    assert words in refused.stderr


def test_a_release_that_nobody_knows_is_not_explained(redis: EmbeddedRedis) -> None:
    refused = trimtab("explain", "checkout", "--redis", redis.url)
    assert (refused.returncode, refused.stderr) == (1, "trimtab: no release 'checkout'\n")


def test_a_decision_that_cannot_be_read_is_not_explained(redis: EmbeddedRedis) -> None:
    log = running_log()
    log.recorded = [b"{}"]
    newest_to(redis, log)
    refused = trimtab("explain", "checkout", "--redis", redis.url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("trimtab: release checkout: not a decision: ")


def test_a_topic_replays_to_the_last_bit(broker: EmbeddedKafka) -> None:
    for which in ((), ("--release", "checkout"), ("--partition", str(HOME))):
        told = trimtab("replay", "--kafka", broker.bootstrap, *which)
        assert told.returncode == 0, told.stderr
        assert f"partition {HOME}: 8 records from offset 0 on" in told.stdout
        assert "identical to the last bit" in told.stdout


def test_a_partition_without_anything_is_nothing_to_compare(broker: EmbeddedKafka) -> None:
    told = trimtab("replay", "--kafka", broker.bootstrap, "--partition", str(1 - HOME))
    assert told.returncode == 1
    assert "nothing to compare" in told.stdout


def test_what_is_saved_replays_as_the_topic_does(broker: EmbeddedKafka, tmp_path: Path) -> None:
    path = tmp_path / "saved.log"
    done = trimtab("replay", "--kafka", broker.bootstrap, "--release", "checkout", "--save", path)
    log = running_log()
    words = f"{path}: {len(log.entries)} records and {len(log.recorded)} decisions of partition {HOME}\n"
    assert (done.returncode, done.stdout) == (0, words)
    (found,) = json.loads(trimtab("replay", "--file", path, "-o", "json").stdout)
    assert (found["identical"], found["differing"], found["first"]) == (len(log.recorded), 0, None)


def test_a_difference_is_told_by_its_field_and_by_the_exit_code(tmp_path: Path) -> None:
    log = running_log()
    log.recorded[2] = msgspec.json.encode(msgspec.json.decode(log.recorded[2]) | {"rule": "otherwise"})
    save(log, tmp_path / "log")
    told = trimtab("replay", "--file", tmp_path / "log")
    assert told.returncode == 1
    assert "1 differ, first revision 1700000000.3 of checkout:" in told.stdout
    assert 'rule: recorded "otherwise", replayed "bandit' in told.stdout
    (found,) = json.loads(trimtab("replay", "--file", tmp_path / "log", "-o", "json").stdout)
    assert found["first"]["field"] == "rule"
    assert trimtab("replay", "--file", tmp_path / "log", "--until", "2").returncode == 0
    assert trimtab("replay", "--file", tmp_path / "log", "--until", "2023-11-14T22:13:21").returncode == 0


def test_another_file_is_told_side_by_side(saved: Path, other: Path) -> None:
    told = trimtab("replay", "--file", saved, "--with", other)
    assert told.returncode == 0
    assert "7 decisions were made, 7 would have been" in told.stdout
    assert " was   stable=9300 canary=700: " in told.stdout
    assert "What this can know" in told.stdout
    (found,) = json.loads(trimtab("replay", "--file", saved, "--with", other, "-o", "json").stdout)
    assert found["release"] == "checkout"


def test_another_file_is_told_from_a_topic_too(broker: EmbeddedKafka, other: Path) -> None:
    told = trimtab("replay", "--kafka", broker.bootstrap, "--with", other)
    assert "7 decisions were made, 7 would have been" in told.stdout


def test_another_file_of_a_release_that_is_not_in_the_log_fails(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(dump(release("search")))
    assert trimtab("replay", "--file", saved, "--with", tmp_path / "search.yaml").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--file", "LOG", "--partition", "1"), "--file: holds one partition"),
        (("--save", "FILE", "--until", "7"), "--save: writes all of a partition and no more"),
        (("--save", "FILE", "--with", "OTHER"), "--save: writes all of a partition and no more"),
        (("--file", "nowhere.log"), "nowhere.log: No such file or directory"),
        (("--file", "OTHER"), "not a saved evidence log"),
        (("--file", "LOG", "--until", "soon"), "--until: expected a revision or an instant"),
        (("--file", "LOG", "--with", "LOG"), "LOG:1: "),
        (("--file", "LOG", "--with", "OTHER", "--release", "search"), "is of checkout, expected release 'search'"),
    ],
)
def test_wrong_usage_is_told(arguments: tuple[str, ...], words: str, saved: Path, other: Path) -> None:
    files = {"LOG": saved, "OTHER": other}
    refused = trimtab("replay", *[files.get(argument, argument) for argument in arguments])
    assert (refused.returncode, refused.stdout) == (2, "")
    assert words.replace("LOG", str(saved)) in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--partition", "7"), "--partition: trimtab.evidence has 2, counted from 0; got 7"),
        (("--partition", str(1 - HOME), "--release", "checkout"), f"checkout lives in [{HOME}], got {1 - HOME}"),
        (("--save", "FILE"), "--save: a file holds one partition"),
        (("--release", "checkout", "--save", "/nowhere/log"), "/nowhere/log.part: No such file"),
    ],
)
def test_a_part_of_a_topic_that_cannot_be_is_told(
    arguments: tuple[str, ...], words: str, broker: EmbeddedKafka, tmp_path: Path
) -> None:
    placed = [tmp_path / "log" if argument == "FILE" else argument for argument in arguments]
    refused = trimtab("replay", "--kafka", broker.bootstrap, *placed)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert words in refused.stderr


def test_a_broker_that_is_away_is_named() -> None:
    refused = trimtab("replay", "--kafka", NOBODY, "--wait", "0.5")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert f"kafka at {NOBODY}" in refused.stderr


def test_other_commands_do_not_wait_for_the_engine() -> None:
    program = (
        "import sys; from trimtab.control import cli;"
        "print(sorted({'numpy', 'scipy', 'numba', 'faust', 'trimtab.engine.ledger'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "[]\n"
