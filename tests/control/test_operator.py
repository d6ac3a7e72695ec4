"""The commands that read what became of a release, and go back: on a worker that decides."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec.structs import replace
from redis import Redis
from typer.testing import CliRunner, Result

from conftest import Eventually
from control.decisions import assessment
from control.test_cli import publish
from integration.worker_rig import WorkerRig
from sidecar.program import Program
from trimtab.control.cli import PANELS, app
from trimtab.schemas import decision as decisions
from trimtab.schemas.redis_keys import RELEASES, weights_key
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.long]

ORDERS = (
    ("pause", "checkout", "--reason", "a sale: big"),
    ("set-weights", "checkout", "v1=60%", "v2=40%", "--reason", "a look"),
    ("resume", "checkout"),
)


@pytest.fixture(scope="module")
def rig() -> Iterator[WorkerRig]:
    with WorkerRig() as rig:
        rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        for words in ORDERS:
            assert trimtab(rig, *words).exit_code == 0
        yield rig


def trimtab(rig: WorkerRig, *words: str) -> Result:
    takes_redis = words[0] in ("diff", "describe", "undo", "apply", "get")
    servers = ["--kafka", rig.kafka] if words[0] not in ("diff", "get") else []
    return CliRunner().invoke(app, [*words, *servers, *(["--redis", rig.redis] if takes_redis else [])])


def turns(rig: WorkerRig) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(trimtab(rig, "history", "checkout", "-o", "json").stdout)
    return found


def test_history_tells_what_changed_who_ordered_it_and_why(rig: WorkerRig) -> None:
    found = turns(rig)[:4]
    assert [(one["phase"], one["reason"]) for one in found] == [
        ("progressing", ""), ("paused", "a sale: big"), ("paused", "a look"), ("progressing", ""),
    ]  # fmt: skip
    assert found[0]["actor"] == ""
    assert found[1]["actor"] == found[3]["actor"] != ""
    assert found[2]["weights"] == {"v1": 6_000, "v2": 4_000}
    table = trimtab(rig, "history", "checkout").stdout
    assert "a sale: big" in table
    assert "v1=6000 v2=4000" in table
    assert trimtab(rig, "history", "checkout", "-o", "name").stdout.count("\n") == len(turns(rig))


def test_the_audit_log_tells_who_asked_for_what(rig: WorkerRig) -> None:
    found = json.loads(trimtab(rig, "audit", "checkout", "-o", "json").stdout)
    assert [(one["action"], one["reason"], one["outcome"]) for one in found[:4]] == [
        ("apply", "", "done"), ("pause", "a sale: big", "done"), ("set-weights", "a look", "done"),
        ("resume", "", "done"),
    ]  # fmt: skip
    assert {one["source"] for one in found} == {"cli"}
    assert "a sale: big" in trimtab(rig, "audit").stdout
    assert trimtab(rig, "audit", "ghost").stdout == "nothing was asked for in this time\n"


def test_decisions_are_listed_one_a_line(rig: WorkerRig) -> None:
    lines = trimtab(rig, "decisions", "checkout", "--since", "1h").stdout.splitlines()
    assert "pause by " in lines[1]
    as_json = [json.loads(line) for line in trimtab(rig, "decisions", "checkout", "-o", "json").stdout.splitlines()]
    assert [one["phase"] for one in as_json[:3]] == ["progressing", "paused", "paused"]
    assert [one["revision"] for one in as_json] == sorted({one["revision"] for one in as_json})


def test_decisions_are_followed_until_ctrl_c(rig: WorkerRig, eventually: Eventually) -> None:
    command = [sys.executable, "-u", "-m", "trimtab.control.cli", "decisions", "checkout", "-f", "--kafka", rig.kafka]
    # What a shell starts in the background ignores Ctrl-C, and so does all that it starts.
    following = Program(rig.folder / "decisions.log", "/usr/bin/env", "--default-signal=INT", *command)
    try:
        eventually(lambda: "resume by" in following.output, what="what was there")
        assert trimtab(rig, "pause", "checkout", "--reason", "seen at once").exit_code == 0
        eventually(lambda: "seen at once" in following.output, what="what came")
    finally:
        assert following.end(by=signal.SIGINT) == 130
    assert "Traceback" not in following.output
    assert trimtab(rig, "resume", "checkout").exit_code == 0


def test_nothing_in_a_time_is_said_with_code_1(rig: WorkerRig) -> None:
    done = trimtab(rig, "history", "ghost")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "release ghost: no decisions since 24h" in done.stderr


def test_describe_tells_standing_guardrails_sidecars_and_changes(rig: WorkerRig) -> None:
    told = trimtab(rig, "describe", "checkout").stdout
    assert "Release    checkout" in told
    assert "Phase      progressing: " in told
    assert "bandit: policy adaptive, chosen anew every 200ms" in told
    assert "v1, the baseline: " in told
    assert "none reports: nobody is known to route by these weights" in told
    assert "set-weights by " in told
    assert trimtab(rig, "describe", "ghost").exit_code == 1


def test_diff_tells_what_applying_would_change(rig: WorkerRig) -> None:
    file = rig.folder / "checkout.yaml"
    same = trimtab(rig, "diff", "-f", str(file))
    assert (same.exit_code, same.stdout) == (0, "checkout unchanged\n")
    other = rig.folder / "other.yaml"
    other.write_text(file.read_text().replace("interval: 200ms", "interval: 1s"))
    done = trimtab(rig, "diff", "-f", str(other))
    assert done.exit_code == 1
    assert "-    interval: 200ms\n+    interval: 1s\n" in done.stdout
    (found,) = json.loads(trimtab(rig, "diff", "-f", str(other), "-o", "json").stdout)
    assert found["fields"] == [{"path": "spec.strategy.interval", "before": "200ms", "after": "1s"}]
    broken = rig.folder / "broken.yaml"
    broken.write_text(file.read_text().replace("baseline: v1", "baseline: v9"))
    assert trimtab(rig, "diff", "-f", str(broken)).exit_code == 2


def test_undo_goes_back_to_the_file_and_the_weights_of_a_revision(rig: WorkerRig) -> None:
    to = next(one for one in turns(rig) if one["reason"] == "a look")
    file = rig.folder / "checkout.yaml"
    original = file.read_text()
    file.write_text(original.replace("interval: 200ms", "interval: 2s"))
    assert trimtab(rig, "apply", "-f", str(file)).exit_code == 0
    rig.await_rule("applied")
    planned = trimtab(rig, "undo", "checkout", "--to-revision", str(to["revision"]), "--reason", "x", "--dry-run")
    assert planned.exit_code == 0, planned.stderr
    assert "applies the release file of then" in planned.stdout
    assert rig.decision().phase == "progressing"  # type: ignore[union-attr]  # it is there
    done = trimtab(rig, "undo", "checkout", "--to-revision", str(to["revision"]), "--reason", "it was better")
    assert done.exit_code == 0, done.stderr
    made = rig.decision()
    assert made is not None
    assert (made.phase, made.weights) == ("paused", {"v1": 6_000, "v2": 4_000})
    assert f"undo to revision {to['revision']}: it was better" in made.rule
    file.write_text(original)
    assert trimtab(rig, "diff", "-f", str(file)).exit_code == 0
    over = trimtab(rig, "abort", "checkout", "--reason", "to see it end")
    assert over.exit_code == 0
    again = trimtab(rig, "undo", "checkout", "--reason", "too early")
    assert again.exit_code == 0, again.stderr
    assert "begins anew, for it is over" in again.stdout
    assert rig.decision().weights == {"v1": 6_000, "v2": 4_000}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("undo", "checkout"), 2, "--reason: expected why"),
        (("undo", "ghost", "--reason", "x"), 1, "no release 'ghost'"),
        (("undo", "checkout", "--to-revision", "999999", "--reason", "x"), 1, "no decision of revision 999999"),
        (("history", "checkout", "--since", "soon"), 2, "--since: expected a time"),
    ],
)
def test_what_cannot_be_done_is_told(rig: WorkerRig, words: tuple[str, ...], code: int, said: str) -> None:
    done = trimtab(rig, *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert said in done.stderr


@pytest.mark.parametrize("command", ["history", "decisions"])
def test_a_kafka_that_is_away_is_code_3(command: str) -> None:
    done = CliRunner().invoke(app, [command, "checkout", "--kafka", "127.0.0.1:1", "--wait", "0.5"])
    assert done.exit_code == 3
    assert "127.0.0.1:1" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_a_shell(shell: str) -> None:
    done = CliRunner().invoke(app, ["completion", shell])
    assert done.exit_code == 0
    assert "_TRIMTAB_COMPLETE" in done.stdout


def completed(typed: str, folder: Path, redis: str = "") -> tuple[set[str], str]:
    """What bash is told to complete `typed` with, and what came on standard error."""
    command = [sys.executable, "-c", "from trimtab.control.cli import app; app(prog_name='trimtab')"]
    told = {**os.environ, "_TRIMTAB_COMPLETE": "complete_bash", "COMP_WORDS": typed,  # noqa: TID251 - as bash does
            "COMP_CWORD": str(typed.count(" ")), **({"TRIMTAB_REDIS__URL": redis} if redis else {})}  # fmt: skip
    done = subprocess.run(command, env=told, capture_output=True, text=True, timeout=60, check=False, cwd=folder)
    return set(done.stdout.split()), done.stderr


def test_bash_completes_commands_and_those_of_groups(tmp_path: Path) -> None:
    for typed, expected in (("trimtab hist", {"history"}), ("trimtab topics c", {"check", "create"})):
        assert completed(typed, tmp_path) == (expected, "")


def test_bash_completes_names_of_releases_where_redis_knows_them(redis: EmbeddedRedis, tmp_path: Path) -> None:
    with Redis.from_url(redis.url) as client:
        client.sadd(RELEASES, "checkout", "checkin", "search")
    assert completed("trimtab abort che", tmp_path, redis.url) == ({"checkout", "checkin"}, "")
    assert completed("trimtab get release s", tmp_path, redis.url) == ({"search"}, "")
    for away in ("redis://127.0.0.1:1", "no address"):
        assert completed("trimtab abort che", tmp_path, away) == (set(), "")


def at_a_terminal(*words: str, **variables: str) -> str:
    """What a command prints at a terminal of 100 columns."""
    ours, theirs = pty.openpty()
    known = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}  # noqa: TID251 - as a shell does
    known |= {"TERM": "xterm-256color", "COLUMNS": "100", **variables}
    command = [sys.executable, "-m", "trimtab.control.cli", *words]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=known, text=True) as running:
        os.close(theirs)
        told = b""
        with suppress(OSError):  # so says the terminal once nobody writes to it any more
            while part := os.read(ours, 1 << 16):
                told += part
        assert running.wait(60) == 0
    os.close(ours)
    return told.decode()


def test_tables_have_colours_at_a_terminal_alone_and_there_unless_no_color_is_set(redis: EmbeddedRedis) -> None:
    publish(redis)
    with Redis.from_url(redis.url) as client:
        made = decisions.decode_decision(client.hget(weights_key("checkout"), "decision") or b"")
        client.hset(weights_key("checkout"), "decision", decisions.encode(replace(made, assessments=[assessment()])))
    words = ("get", "release", "checkout", "--redis", redis.url)
    colour = re.compile("\x1b\\[[0-9;]*3[1-7]")
    assert colour.search(at_a_terminal(*words))
    assert not colour.search(at_a_terminal(*words, NO_COLOR="1"))
    piped = subprocess.run(
        [sys.executable, "-m", "trimtab.control.cli", *words], capture_output=True, text=True, timeout=60, check=True
    )
    assert "fail" in piped.stdout
    assert "\x1b" not in piped.stdout


def test_help_lists_every_command_under_a_heading() -> None:
    group: Any = typer.main.get_command(app)
    assert [name for commands in PANELS.values() for name in commands] == group.list_commands(None)
    told = CliRunner().invoke(app, ["--help"]).stdout
    assert [line.strip("╭╮─ ") for line in told.splitlines() if line.startswith("╭")] == ["Options", *PANELS]
