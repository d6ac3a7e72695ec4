from pathlib import Path

import pytest

from trimtab.schemas.errors import Unreachable
from trimtab.streams.local import LocalKafka
from trimtab.streams.local.jars import find_program, kafka_jars


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without Java and Maven, and a home without jars."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


@pytest.mark.usefixtures("path")
def test_a_program_that_is_missing_is_told_with_its_package() -> None:
    with pytest.raises(Unreachable, match=r"java: not on the PATH, .*apt install openjdk-17-jre-headless"):
        find_program("java", "openjdk-17-jre-headless")


@pytest.mark.usefixtures("path")
def test_kafka_without_java_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    with pytest.raises(Unreachable, match="java: not on the PATH"), LocalKafka():
        pass
    assert list(folder.iterdir()) == []


@pytest.mark.usefixtures("path")
def test_jars_without_maven_say_so() -> None:
    with pytest.raises(Unreachable, match=r"mvn: not on the PATH, .*apt install maven"):
        kafka_jars()


def test_a_maven_that_fails_is_told_in_its_words_and_leaves_no_half_of_the_jars(path: Path, tmp_path: Path) -> None:
    program(path, "mvn", "echo no network here; exit 1")
    with pytest.raises(Unreachable, match="the jars of Kafka did not come: no network here"):
        kafka_jars()
    assert [found.name for found in (tmp_path / ".cache" / "trimtab").iterdir()] == ["kafka.lock"]


def test_jars_are_brought_once(path: Path, tmp_path: Path) -> None:
    wanted = 'for word; do case $word in -DoutputDirectory=*) folder=${word#*=}; esac; done; /bin/mkdir -p "$folder"'
    program(path, "mvn", f'{wanted}; echo brought >> "{tmp_path}/calls"')
    first, second = kafka_jars(), kafka_jars()
    assert first == second
    assert first.is_dir()
    assert (tmp_path / "calls").read_text() == "brought\n"
