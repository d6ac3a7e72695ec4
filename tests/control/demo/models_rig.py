"""The demo's system with its models, in a folder with a short name, and what its topics have in the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis
from rich.console import Console

from streams.topic_log import read_topic
from trimtab.control.demo import DemoOptions, Scenario
from trimtab.control.demo.models.acts import RELEASE
from trimtab.control.demo.models.session import cast
from trimtab.control.demo.system import System
from trimtab.schemas import sidecar
from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.redis_keys import sidecar_key
from trimtab.schemas.topics import DECISIONS
from trimtab.streams.backend import Backend


def options(**given: float) -> DemoOptions:
    rps, duration_s = int(given.get("rps", 150)), given.get("duration_s", 180.0)
    return DemoOptions(
        scenario=Scenario.MODELS, duration_s=duration_s, rps=rps, plain=True, backend=Backend.EMBEDDED
    )  # fmt: skip


@contextmanager
def models_system(chosen: DemoOptions, text: str, console: Console) -> Iterator[System]:
    with (
        tempfile.TemporaryDirectory(prefix="tt-", dir="/tmp") as folder,
        System(chosen, cast(text), Path(folder), console, lambda: None) as system,
    ):
        system.start()
        yield system


def answers(redis: str) -> dict[str, int]:
    """What the models' answers said of their version, as the sidecar reports it."""
    with Redis.from_url(redis) as client:
        keys = list(client.scan_iter(sidecar_key(RELEASE, "*")))
        reports = [sidecar.decode(payload) for payload in map(client.get, keys) if isinstance(payload, bytes)]
    return reports[0].answers


def decisions(kafka: str) -> list[Decision]:
    """Every decision, in the order of the topic."""
    return list(map(decode_decision, read_topic(kafka, DECISIONS)))
