"""Commands that people wait for import what they need, and nothing else: time is not told apart on a shared machine."""

import re
import subprocess
import sys

import pytest

from control.test_cli import publish
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = pytest.mark.integration

NEVER = {
    "numpy",
    "scipy",
    "faust",
    "aiokafka",
    "river",
    "numba",
    "fastapi",
    "aiohttp",
    "prometheus_client",
    "structlog",
    "opentelemetry.sdk.metrics._internal",
}
OF_RELEASE_FILES = {"trimtab.schemas.release", "trimtab.schemas.policy", "trimtab.schemas.guardrail", "yaml"}


def imported(*words: str) -> set[str]:
    """What a command imports: whole names, and those of their packages."""
    command = [sys.executable, "-X", "importtime", "-m", "trimtab.control.cli", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    names = {match[1] for match in re.finditer(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE)}
    return names | {name.partition(".")[0] for name in names}


@pytest.mark.parametrize(
    ("words", "more"),
    [
        (("get", "release", "checkout"), {"confluent_kafka"}),
        (("get", "releases", "-o", "json"), {"confluent_kafka", "rich"}),
        (("status", "checkout"), {"confluent_kafka", "rich"}),
        (("explain", "checkout", "--kafka", "127.0.0.1:1", "--wait", "0"), {"rich"}),
    ],
    ids=lambda value: "-".join(value[:2]) if isinstance(value, tuple) else "",
)
def test_a_quick_command_imports_little(redis: EmbeddedRedis, words: tuple[str, ...], more: set[str]) -> None:
    publish(redis)
    found = imported(*words, "--redis", redis.url)
    assert found & (NEVER | OF_RELEASE_FILES | more) == set()


def test_the_version_needs_no_schemas_at_all() -> None:
    assert (
        imported("version") & (NEVER | OF_RELEASE_FILES | {"redis", "msgspec", "trimtab.schemas.redis_connection"})
        == set()
    )
