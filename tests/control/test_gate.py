"""What pipelines go by: a file without a mistake, and how a release ends."""

import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis import Redis

from control.decisions import arm, decision
from sidecar.weights import ERA
from trimtab.schemas import decision as decisions
from trimtab.schemas import sidecar
from trimtab.schemas.decision import Phase
from trimtab.schemas.redis_keys import RELEASES, sidecar_key, weights_key
from trimtab.schemas.sidecar import SidecarReport
from trimtab.streams.embedded import EmbeddedRedis

EXAMPLES = Path(__file__).parents[2] / "examples"


def trimtab(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "trimtab.control.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_all_examples_are_without_a_mistake() -> None:
    files = sorted(file for file in EXAMPLES.glob("*.yaml") if "\nkind: Release\n" in file.read_text())
    assert len(files) > 1
    done = trimtab("lint", *(part for file in files for part in ("-f", file)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count(" ok\n") == len(files)


def test_a_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text((EXAMPLES / "checkout-canary.yaml").read_text().replace("max: 0.05", "max: 5%"))
    done = trimtab("lint", "-f", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{file}:" in done.stderr


def write(redis: EmbeddedRedis, phase: Phase, excluded: str = "", refused: str = "") -> None:
    made = decision(phase=phase, arms=[arm("v1"), arm(excluded=excluded)])
    with Redis.from_url(redis.url) as client:
        client.sadd(RELEASES, made.release)
        client.hset(weights_key(made.release), mapping={"decision": decisions.encode(made), "spec": "{}"})
        report = SidecarReport(sidecar="edge", proxy="envoy", release=made.release, in_force=(ERA, 1), refused=refused)
        client.set(sidecar_key(made.release, "edge"), sidecar.encode(report))


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
