"""The files for supervisors hold what the program understands."""

import configparser
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from trimtab.control.cli import app
from trimtab.schemas.address import Address
from trimtab.streams.setting_table import ENTRIES
from trimtab.streams.worker import EXIT_SETTINGS

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
UNIT = DEPLOY / "systemd/trimtab-worker.service"
STATEFUL_SET = DEPLOY / "kubernetes/worker.yaml"
VARIABLES = {"TRIMTAB_" + "__".join(path).upper() for path in ENTRIES}
STOP_S = 5


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Gives the options as `trimtab` reads them; raises where it would refuse them."""
    command, left = typer.main.get_command(app), list(arguments)
    context = command.make_context("trimtab", [left[0], "--help"], resilient_parsing=True)
    while hasattr(command, "get_command"):  # a group
        name = left.pop(0)
        command = command.get_command(context, name)
        given = [left[0], "--help"] if hasattr(command, "get_command") else left
        context = command.make_context(name, given, parent=context, resilient_parsing="--help" in given)
    return dict(context.params)


def unit(file: Path = UNIT) -> configparser.ConfigParser:
    reader = configparser.ConfigParser(strict=True, interpolation=None, comment_prefixes=("#",))
    reader.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their capitals
    reader.read_string(file.read_text())
    return reader


def container() -> dict[str, Any]:
    [document] = yaml.safe_load_all(STATEFUL_SET.read_text())
    found: dict[str, Any] = document["spec"]["template"]["spec"]["containers"][0]
    return found


@pytest.mark.parametrize("file", UNITS, ids=[file.stem for file in UNITS])
def test_every_unit_starts_a_command_with_options_that_exist_and_is_started_again(file: Path) -> None:
    service = unit(file)["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert Path(program).name == "trimtab"
    parsed(arguments)
    assert (service["Restart"], int(service["RestartPreventExitStatus"])) == ("always", EXIT_SETTINGS)
    assert unit(file)["Unit"]["StartLimitIntervalSec"] == "0"
    assert file.stem in file.read_text().splitlines()[0]


def test_an_option_that_does_not_exist_would_be_seen() -> None:
    with pytest.raises(Exception, match="No such option: --until"):
        parsed(["models", "follow", "--until", "tomorrow"])


def test_the_unit_starts_a_worker_with_options_that_exist() -> None:
    program, *arguments = shlex.split(unit()["Service"]["ExecStart"])
    assert Path(program).name == "trimtab"
    assert arguments[0] == "worker"
    assert Address.parse(parsed(arguments)["health"]).host == "127.0.0.1"


def test_the_unit_waits_for_a_worker_to_stop() -> None:
    service = unit()["Service"]
    assert int(service["TimeoutStopSec"]) > STOP_S


def test_the_unit_sets_variables_that_exist() -> None:
    name, _, _ = unit()["Service"]["Environment"].partition("=")
    assert name in VARIABLES


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("file", UNITS, ids=[file.stem for file in UNITS])
def test_systemd_finds_nothing_wrong_with_a_unit(tmp_path: Path, file: Path) -> None:
    copy = tmp_path / file.name
    command = unit(file)["Service"]["ExecStart"].split()[0]
    copy.write_text(file.read_text().replace(command, "/bin/true"))
    program = str(shutil.which("systemd-analyze"))
    done = subprocess.run([program, "verify", copy], capture_output=True, text=True, timeout=60, check=False)
    assert [line for line in (done.stdout + done.stderr).splitlines() if file.name in line] == []


def test_the_stateful_set_starts_a_worker_with_options_that_exist() -> None:
    options = parsed(container()["args"])
    assert Address.parse(options["health"]).port == container()["ports"][0]["containerPort"]


def test_the_stateful_set_sets_variables_that_exist_and_names_each_worker_by_its_pod() -> None:
    variables = {entry["name"]: entry for entry in container()["env"]}
    assert variables.keys() <= VARIABLES
    assert variables["TRIMTAB_KAFKA__INSTANCE"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"


def test_probes_ask_what_the_worker_answers() -> None:
    asked = {name: container()[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startupProbe": "/livez", "livenessProbe": "/livez", "readinessProbe": "/readyz",
    }  # fmt: skip
    assert {probe["port"] for probe in asked.values()} == {container()["ports"][0]["name"]}


def test_kubernetes_waits_for_a_start_as_long_as_the_worker_waits_for_servers() -> None:
    probe = container()["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] > parsed(container()["args"])["wait"]
