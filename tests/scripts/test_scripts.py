import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("sh", "sed", "grep", "head", "cat")
"""what .ci/servers itself runs"""


class Machine:
    """A PATH with just the programs that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir()
        for name in NEEDED:
            (folder / name).symlink_to(shutil.which(name) or f"no {name}")

    def add(self, name: str, script: str = "") -> None:
        path = self._folder / name
        path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
        path.chmod(0o755)

    def add_java(self, version: str) -> None:
        self.add("java", f"echo 'openjdk version \"{version}\" 2025-01-01' >&2")

    def add_apt(self, install: str) -> None:
        """An apt whose `install` runs that script, with the words of its command line."""
        log, bring = self._folder.parent / "apt.log", self._folder.parent / "bring"
        bring.write_text(install)
        self.add("apt-get", f'echo "$*" >> "{log}"; case $1 in install) . "{bring}" ;; esac')
        self.add("apt-cache")
        self.add("id", "echo 0")

    @property
    def apt(self) -> list[str]:
        return (self._folder.parent / "apt.log").read_text().splitlines()

    def run(self) -> "subprocess.CompletedProcess[str]":
        command: list[str | Path] = ["/usr/bin/env", "-i", f"PATH={self._folder}", "SBIN=", ROOT / ".ci" / "servers"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "bin")


def test_a_machine_that_has_everything_is_left_alone(machine: Machine) -> None:
    machine.add_java("17.0.15")
    machine.add("mvn")
    for program in ("redis-server", "kcat", "jq"):
        machine.add(program)
    machine.add("haproxy")
    machine.add("nginx")
    machine.add("promtool")
    machine.add("chromium")
    done = machine.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.22"])
def test_a_java_that_is_too_old_counts_as_missing(machine: Machine, version: str) -> None:
    machine.add_java(version)
    machine.add("mvn")
    done = machine.run()
    assert done.returncode == 3
    assert "Missing for ./test --all: java redis-server kcat jq haproxy nginx prometheus chromium\n" in done.stderr
    assert "There is no apt-get here" in done.stderr


def test_what_is_missing_is_installed_and_nothing_else(machine: Machine, tmp_path: Path) -> None:
    machine.add_java("21")
    for program in ("redis-server", "kcat", "jq"):
        machine.add(program)
    machine.add("haproxy")
    machine.add("nginx")
    machine.add("promtool")
    machine.add("chromium")
    machine.add_apt(f'echo "#!/bin/sh" > "{tmp_path}/bin/mvn"; {shutil.which("chmod")} +x "{tmp_path}/bin/mvn"')
    done = machine.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.apt == ["update -qq", "install -qq -y --no-install-recommends maven"]


def test_an_install_that_fails_is_told(machine: Machine) -> None:
    machine.add_apt("exit 100")
    done = machine.run()
    assert done.returncode == 3
    assert "apt-get install failed" in done.stderr
    everything = "openjdk-17-jre-headless maven redis-server kcat jq haproxy nginx prometheus chromium"
    assert machine.apt[-1].endswith(everything)


def test_an_install_that_brings_nothing_is_told(machine: Machine) -> None:
    machine.add_apt("")
    done = machine.run()
    assert done.returncode == 3
    assert "Installing did not bring it" in done.stderr


def test_who_may_not_install_is_told_what_to_install(machine: Machine) -> None:
    machine.add_apt("")
    machine.add("id", "echo 1000")
    done = machine.run()
    assert done.returncode == 3
    assert "Only root may install it" in done.stderr


def test_all_takes_no_other_arguments() -> None:
    command: list[str | Path] = [ROOT / "test", "--all", "-k", "canary"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr == "./test --all takes no other arguments; got: -k canary\n"
