"""A compose file as far as ours uses the format: anything else in it is refused, so that a typo cannot pass."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

Duration = Annotated[str, Field(pattern=r"^(\d+(ms|s|m|h))+$")]
Size = Annotated[str, Field(pattern=r"^\d+[bkmg]$")]
Image = Annotated[str, Field(pattern=r"^[a-z0-9./-]+:[\w.-]+$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Healthcheck(_Part):
    """How to find out whether a container does its work."""

    test: list[str] = Field(min_length=2)
    interval: Duration
    timeout: Duration
    retries: int
    start_period: Duration
    start_interval: Duration


class Dependency(_Part):
    """What has to be before a service starts."""

    condition: Literal["service_healthy", "service_completed_successfully"]


class Build(_Part):
    """How an image is made."""

    context: str
    dockerfile: str


class Service(_Part):
    """One service, in the long forms alone."""

    image: Image
    build: Build | None = None
    profiles: list[str] = []
    entrypoint: list[str] = []
    command: list[str] = []
    environment: dict[str, str] = {}
    user: str = ""
    ports: list[str] = []
    volumes: list[str] = []
    depends_on: dict[str, Dependency] = {}
    healthcheck: Healthcheck | None = None
    restart: Annotated[str, Field(pattern=r"^(no|always|unless-stopped|on-failure(:\d+)?)$")]
    stop_grace_period: Duration | None = None
    mem_limit: Size

    @property
    def ends(self) -> bool:
        """Whether it is done at some time."""
        return self.restart == "no" or self.restart.startswith("on-failure")

    def mounts(self) -> Iterator[tuple[str, str]]:
        """Gives (source, target) of each mount."""
        for mount in self.volumes:
            source, target, *_ = mount.split(":")
            yield source, target


class ComposeFile(_Part):
    """The file as a whole, extensions left out."""

    name: str
    services: dict[str, Service]
    volumes: dict[str, dict[str, str]]

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, tree: dict[str, Any]) -> dict[str, Any]:
        return {name: part for name, part in tree.items() if not name.startswith("x-")}

    @classmethod
    def load(cls, text: str) -> "ComposeFile":
        """Reads a file. Raises pydantic's `ValidationError`."""
        return cls.model_validate(yaml.safe_load(text))


def problems(file: ComposeFile, folder: Path) -> list[str]:
    """Gives a line for each thing that would go wrong, or be unsafe; `folder` is where the file lies."""
    return [
        f"{name}: {line}"
        for name, service in file.services.items()
        for check in (_image, _ports, _waits, _life, _mounts)
        for line in check(file, service, folder)
    ]


def _image(_file: ComposeFile, service: Service, folder: Path) -> Iterator[str]:
    if not re.search(r":v?\d+\.\d+\.\d+", service.image):
        yield f"image {service.image}: expected a whole version"
    if service.build and not (folder / service.build.context / service.build.dockerfile).is_file():
        yield f"no file {service.build.dockerfile}"


def _ports(_file: ComposeFile, service: Service, _folder: Path) -> Iterator[str]:
    for port in service.ports:
        if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port):
            yield f"port {port}: expected 127.0.0.1:PORT:PORT"


def _waits(file: ComposeFile, service: Service, _folder: Path) -> Iterator[str]:
    for name, dependency in service.depends_on.items():
        other = file.services.get(name)
        if other is None:
            yield f"depends on {name}, which is no service"
        elif dependency.condition == "service_healthy" and other.healthcheck is None:
            yield f"waits for {name} to be healthy, which has no healthcheck"
        elif dependency.condition == "service_completed_successfully" and not other.ends:
            yield f"waits for {name} to end, which starts again for ever"
        elif other.profiles and not service.profiles:
            yield f"depends on {name}, which is of a profile"


def _life(_file: ComposeFile, service: Service, _folder: Path) -> Iterator[str]:
    if not service.ends and service.healthcheck is None:
        yield "runs for ever without a healthcheck"


def _mounts(file: ComposeFile, service: Service, folder: Path) -> Iterator[str]:
    for source, target in service.mounts():
        if not source.startswith("."):
            if source not in file.volumes:
                yield f"volume {source} is not declared"
        elif not (folder / source).exists():
            yield f"mounts {source}, which does not exist"
        elif f"{source}:{target}:ro" not in service.volumes:
            yield f"mounts {source} so that it can be written"
