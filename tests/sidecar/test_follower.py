"""Weights reach a command or a file: the newest, one at a time, and again where they were not taken."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import Eventually
from sidecar.follower_rig import FollowerRig
from sidecar.weights import ERA, weights
from trimtab.sidecar.command import Command
from trimtab.sidecar.follower import FollowerOptions
from trimtab.sidecar.weights_file import WeightsFile
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies]

APPEND = "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
"""Writes one line a change."""
TAKE_WHERE_TOLD = """
import pathlib, sys
told = pathlib.Path(sys.argv[1])
if not told.exists():
    print("this is about nothing")
    sys.exit("no such backend: checkout-v2")
"""
HANG = "import time; time.sleep(600)"
LEAVE_A_CHILD = """
import subprocess, sys
while_it_is_there = "import pathlib, sys, time\\nwhile pathlib.Path(sys.argv[1]).exists(): time.sleep(0.1)"
subprocess.Popen([sys.executable, "-c", while_it_is_there, sys.argv[1]])
"""


def lines(file: Path) -> list[Any]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_command_finds_each_change_on_its_standard_input(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        taken = rig.folder / "taken"
        rig.publish(weights(revision=1, v1=9_000, v2=1_000))
        rig.start_sidecar(sys.executable, "-c", APPEND, taken)
        eventually(lambda: len(lines(taken)) == 1, what="the weights at the start")
        rig.publish(weights(revision=2, v1=5_000, v2=5_000))
        eventually(lambda: len(lines(taken)) == 2, what="the change")
        first, second = (document["releases"]["checkout"] for document in lines(taken))
        assert (first["weights"], first["targets"]) == ({"v1": 9_000, "v2": 1_000}, {"v1": "at-v1", "v2": "at-v2"})
        assert (second["era"], second["revision"], second["weights"]["v2"]) == (ERA, 2, 5_000)
        eventually(lambda: rig.report().in_force == (ERA, 2), what="the report")
        assert (rig.report().proxy, rig.report().refused, rig.report().refusals) == ("exec", "", 0)


def test_nothing_is_brought_before_every_release_has_weights(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        taken = rig.folder / "taken"
        rig.publish(weights("checkout", 1))
        rig.start_sidecar(sys.executable, "-c", APPEND, taken, releases=["search", "checkout"])
        eventually(lambda: rig.report("search").time_ms, what="a report")
        assert not taken.exists()
        rig.publish(weights("search", 7, prefix="/search"))
        eventually(lambda: len(lines(taken)) == 1, what="both")
        assert list(lines(taken)[0]["releases"]) == ["search", "checkout"]


def test_what_comes_while_it_runs_is_in_the_next_try_and_only_the_newest(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with FollowerRig(redis.url) as rig:
        taken = rig.folder / "taken"
        rig.publish(weights(revision=1))
        rig.start_sidecar(sys.executable, "-c", APPEND, taken, interval_s=1.0)
        eventually(lambda: len(lines(taken)) == 1, what="the first")
        for revision in range(2, 50):
            rig.publish(weights(revision=revision))
        eventually(lambda: lines(taken)[-1]["releases"]["checkout"]["revision"] == 49, what="the newest")
        assert len(lines(taken)) < 10  # a second each: two, or some more where publishing them takes long


def test_the_last_line_of_a_command_that_fails_is_shown_and_it_is_tried_again(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with FollowerRig(redis.url) as rig:
        told = rig.folder / "told"
        rig.publish(weights(revision=1))
        sidecar = rig.start_sidecar(sys.executable, "-c", TAKE_WHERE_TOLD, told)
        eventually(lambda: rig.report().refusals == 2, what="a second try")
        said = rig.report()
        assert said.refused == f"{sys.executable}: exit code 1: no such backend: checkout-v2"
        assert (said.in_force, said.offered) == ((0, 0), (ERA, 1))
        told.touch()
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the next try")
        assert rig.report().refused == ""
        assert sidecar.output.count("weights_refused") == 1
        assert "weights_taken_again" in sidecar.output


def test_a_command_that_hangs_is_ended_by_force(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights())
        rig.start_sidecar(sys.executable, "-c", HANG, timeout_s=0.5)
        eventually(lambda: "ended by force after 0.5 s" in rig.report().refused, what="the report")


def test_a_child_that_a_command_leaves_behind_holds_up_nobody(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights())
        rig.start_sidecar(sys.executable, "-c", LEAVE_A_CHILD, rig.folder)
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the report")


@pytest.mark.parametrize("command", ["/nowhere/at-all", "/etc"])
def test_a_command_that_cannot_be_started_is_said(command: str, redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights())
        rig.start_sidecar(command)
        eventually(lambda: f"cannot run {command}: " in rig.report().refused, what="the report")


def test_a_file_is_whole_whenever_somebody_reads_it(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        path, seen = rig.folder / "weights.json", set[int]()
        rig.publish(weights(revision=1))
        rig.start_sidecar(path=path)
        eventually(path.exists, what="the file")
        revision = 1
        while revision < 299 or len(seen) < 2:
            revision += 1
            rig.publish(weights(revision=revision))
            [document] = lines(path)
            seen.add(document["releases"]["checkout"]["revision"])
        eventually(lambda: rig.report().in_force == (ERA, revision), what="the newest")
        assert lines(path)[0]["releases"]["checkout"]["revision"] == revision
        assert path.stat().st_mode & 0o777 == 0o644
        assert [file.name for file in rig.folder.iterdir() if file.suffix not in (".log", ".json")] == []


def test_a_file_that_cannot_be_written_is_said_and_written_later(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        folder = rig.folder / "there"
        folder.mkdir()
        rig.publish(weights(revision=1))
        rig.start_sidecar(path=folder / "weights.json")
        eventually((folder / "weights.json").exists, what="the file")
        folder.rename(rig.folder / "gone")
        rig.publish(weights(revision=2))
        eventually(lambda: "No such file or directory" in rig.report().refused, what="the report")
        folder.mkdir()
        eventually(lambda: rig.report().in_force == (ERA, 2), what="the next try")


def test_a_signal_ends_it_and_a_new_one_goes_on_from_the_cache(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        taken, cache = rig.folder / "taken", str(rig.folder / "cache")
        rig.publish(weights(revision=3))
        first = rig.start_sidecar(sys.executable, "-c", APPEND, taken, cache=cache)
        eventually(lambda: len(lines(taken)) == 1, what="the first")
        assert first.end(by=signal.SIGTERM) == 0
        assert "Traceback" not in first.output
        redis.stop()
        rig.start_sidecar(sys.executable, "-c", APPEND, taken, cache=cache)
        eventually(lambda: len(lines(taken)) == 2, what="the cached ones")
        assert lines(taken)[1] == lines(taken)[0]


def test_a_cache_that_is_no_folder_is_one_line_and_exit_1(redis: EmbeddedRedis) -> None:
    with FollowerRig(redis.url) as rig:
        (rig.folder / "cache").write_text("a file")
        sidecar = rig.start_sidecar("true", cache=str(rig.folder / "cache"))
        assert sidecar.wait() == 1
        assert "sidecar_refused" in sidecar.output
        assert "Traceback" not in sidecar.output


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"releases": ()}, "releases: expected at least one"),
    ({"releases": ("Checkout",)}, "releases: 'Checkout': expected lower-case"),
    ({"releases": ("a", "a")}, "releases: 'a' stands twice"),
    ({"redis": "nowhere"}, "redis: "),
    ({"interval_s": -1.0}, "interval: expected 0 to 30 s, got -1"),
    ({"interval_s": float("nan")}, "interval: expected 0 to 30 s, got nan"),
]


@pytest.mark.parametrize(("told", "words"), WRONG, ids=[words for _, words in WRONG])
def test_options_that_cannot_be_followed_are_named(told: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FollowerOptions(**{"releases": ("a",), "redis": "redis://r", "id": "i", "proxy": "exec", **told})


def test_neither_a_command_nor_a_time_of_nothing_is_taken() -> None:
    with pytest.raises(ValueError, match="command: expected at least one word"):
        Command([], 1.0)
    with pytest.raises(ValueError, match="timeout: expected more than 0 s, got 0"):
        Command(["true"], 0.0)


def test_a_path_that_no_file_can_be_written_at_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not a folder that can be written to"):
        WeightsFile(tmp_path / "nowhere" / "file")
    with pytest.raises(ValueError, match="a folder"):
        WeightsFile(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe: expected a file, found something else"):
        WeightsFile(tmp_path / "pipe")
