"""What pipelines go by: a file without a mistake, and how a release ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis import Redis

from control.decisions import arm, decision
from sidecar.weights import ERA
from trimtab.control.lint import check
from trimtab.schemas import decision as decisions
from trimtab.schemas import sidecar, worker
from trimtab.schemas.decision import Phase
from trimtab.schemas.errors import InvalidFile
from trimtab.schemas.redis_keys import RELEASES, sidecar_key, weights_channel, weights_key, worker_key
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.worker import WorkerReport
from trimtab.streams.embedded import EmbeddedRedis

EXAMPLES = Path(__file__).parents[2] / "examples"


def trimtab(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trimtab.control.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_all_examples_are_without_a_mistake() -> None:
    files = sorted(EXAMPLES.glob("*.yaml"))
    assert len(files) > 1
    done = trimtab("lint", *(part for file in files for part in ("-f", file)))
    assert (done.returncode, done.stderr) == (0, "")
    nodes = [line for line in done.stdout.splitlines() if "/" in line]
    assert done.stdout.count(" ok\n") == len(files) - 1 + len(nodes)
    assert "model/digits:2 ok" in nodes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: ModelGraph\nspec: {}", ":1: apiVersion: expected a value, found none"),
        ("kind: model\nname: digits", ":1: version: expected a value, found none"),
        ("kind: model\nname: a\nversion: '1'\n---\nkind: Release", ":5: kind: expected one of 'project'"),
        ("kind: modle", ":1: kind: expected 'Release', got 'modle'"),
        ("kind: [model", "(document): not YAML"),
        ("", ":1: (document): expected a release, found an empty file"),
    ],
)
def test_a_file_is_held_to_the_kind_that_it_says_it_is(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(text)
    with pytest.raises(InvalidFile) as caught:
        check([file])
    assert any(told in str(problem) for problem in caught.value.problems), caught.value


def test_the_mistakes_of_all_files_are_told_whatever_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("kind: dataset\nname: a b")
    (tmp_path / "b.yaml").write_text("kind: Release")
    with pytest.raises(InvalidFile) as caught:
        check([tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "none.yaml"])
    assert {Path(problem.file).name for problem in caught.value.problems} == {"a.yaml", "b.yaml", "none.yaml"}


def test_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text((EXAMPLES / "checkout-canary.yaml").read_text().replace("max: 0.05", "max: 5%"))
    done = trimtab("lint", "-f", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file}:" in done.stderr


WORKER = WorkerReport(worker="w", events=0, refused={}, decisions=0, written=0, time_ms=0)


def write(redis: EmbeddedRedis, phase: Phase, excluded: str = "", refused: str = "") -> None:
    made = decision(phase=phase, arms=[arm("v1"), arm(excluded=excluded)])
    with Redis.from_url(redis.url) as client:
        client.set(worker_key("w"), worker.encode(WORKER))
        client.sadd(RELEASES, made.release)
        client.hset(weights_key(made.release), mapping={"decision": decisions.encode(made), "spec": "{}"})
        report = SidecarReport(sidecar="edge", proxy="envoy", release=made.release, in_force=(ERA, 1), refused=refused)
        client.set(sidecar_key(made.release, "edge"), sidecar.encode(report))
        client.publish(weights_channel(made.release), "")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("phase", "excluded", "refused", "code", "said"),
    [
        (Phase.PROGRESSING, "", "", 0, ""),
        (Phase.PROMOTED, "", "", 0, ""),
        (Phase.COMPLETED, "", "", 0, ""),
        (Phase.ROLLED_BACK, "", "", 1, "rolled back: "),
        (Phase.PROGRESSING, "error_rate", "", 1, "takes no traffic: error_rate"),
        (Phase.PROGRESSING, "", "no such cluster", 1, "sidecar edge: refused: no such cluster"),
    ],
)
def test_the_exit_code_says_whether_a_release_does_well(  # noqa: PLR0913, PLR0917 - a case
    redis: EmbeddedRedis, phase: Phase, excluded: str, refused: str, code: int, said: str
) -> None:
    write(redis, phase, excluded, refused)
    done = trimtab("status", "checkout", "--redis", redis.url)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert f" {phase} " in done.stdout


@pytest.mark.integration
@pytest.mark.parametrize(
    ("phase", "fallback", "code", "said"),
    [
        (Phase.PROGRESSING, "baseline", 1, "has stood behind its weights for 312 s: all goes to the baseline"),
        (Phase.PROGRESSING, "", 1, "sidecar edge: nobody has stood behind its weights for 312 s: they stay in force"),
        (Phase.FROZEN, "", 1, "they stay in force"),
        (Phase.PROMOTED, "", 0, ""),
    ],
)
def test_weights_past_their_age_are_a_problem_while_a_release_goes_on(
    redis: EmbeddedRedis, phase: Phase, fallback: str, code: int, said: str
) -> None:
    write(redis, phase)
    with Redis.from_url(redis.url) as client:
        key = sidecar_key("checkout", "edge")
        aged = replace(sidecar.decode(client.get(key) or b""), age_s=312.4, stale=True, fallback=fallback)
        client.set(key, sidecar.encode(aged))
    done = trimtab("status", "checkout", "--redis", redis.url)
    assert (done.returncode, said in done.stderr) == (code, True)


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize(("phase", "code"), [(Phase.PROGRESSING, 1), (Phase.PROMOTED, 0)])
def test_a_release_that_nobody_decides_on_does_not_do_well(redis: EmbeddedRedis, phase: Phase, code: int) -> None:
    write(redis, phase)
    with Redis.from_url(redis.url) as client:
        client.delete(worker_key("w"))
    done = trimtab("status", "checkout", "--redis", redis.url)
    assert (done.returncode, "no worker reports: nobody decides on it" in done.stderr) == (code, bool(code))


@pytest.mark.long
@pytest.mark.integration
def test_programs_are_told_the_same_as_json(redis: EmbeddedRedis) -> None:
    write(redis, Phase.ROLLED_BACK)
    done = trimtab("status", "checkout", "-o", "json", "--redis", redis.url)
    told = json.loads(done.stdout)
    assert (done.returncode, told["phase"], told["over"], told["healthy"]) == (1, "rolled_back", True, False)
    assert told["problems"] == ["rolled back: bandit: weights follow P(best)"]
    assert told["weights"] == {"v1": 7_500, "v2": 2_500}


@pytest.mark.long
@pytest.mark.integration
def test_who_watches_is_told_of_changes_before_the_end(redis: EmbeddedRedis) -> None:
    write(redis, Phase.PROGRESSING)
    command = [sys.executable, "-m", "trimtab.control.cli", "status", "checkout", "-w", "--redis", redis.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stderr is not None
        for phase in (Phase.PROGRESSING, Phase.PAUSED):
            write(redis, phase)
            assert f" {phase} v1=7500 " in watching.stderr.readline()
        write(redis, Phase.PROMOTED)
        out, err = watching.communicate(timeout=60)
    assert (watching.returncode, err, " promoted " in out) == (0, "", True)


@pytest.mark.integration
def test_watching_ends_with_the_release_or_with_the_time(redis: EmbeddedRedis) -> None:
    write(redis, Phase.PROGRESSING)
    done = trimtab("status", "checkout", "--watch", "--timeout", "1", "--redis", redis.url)
    assert done.returncode == 4
    assert "release checkout: not over within 1 s" in done.stderr
    write(redis, Phase.ROLLED_BACK)
    assert trimtab("status", "checkout", "--watch", "--redis", redis.url).returncode == 1
    write(redis, Phase.PROMOTED)
    assert trimtab("status", "checkout", "-w", "--timeout", "60", "--redis", redis.url).returncode == 0


@pytest.mark.integration
def test_no_release_and_no_redis_are_told_apart(redis: EmbeddedRedis) -> None:
    done = trimtab("status", "ghost", "--redis", redis.url)
    assert (done.returncode, done.stderr) == (1, "trimtab: no release 'ghost'\n")
    assert trimtab("status", "ghost", "--redis", "redis://127.0.0.1:1").returncode == 3
