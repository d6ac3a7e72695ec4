"""`docs/client.md` has programs that run as they stand."""

import re
from pathlib import Path

import pytest

from client.test_weights import publish, weights_record
from sidecar.kafka_events import read_events
from trimtab.schemas.telemetry import Kind
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

TEXT = (Path(__file__).parents[2] / "docs" / "client.md").read_text()
PROGRAMS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.long
def test_its_programs_run(redis: EmbeddedRedis, kafka: EmbeddedKafka, capsys: pytest.CaptureFixture[str]) -> None:
    publish(redis, weights_record(3_000))
    assert len(PROGRAMS) == 3
    for program in PROGRAMS:
        told = program.replace("kafka:9092", kafka.bootstrap).replace("redis://redis", redis.url)
        exec(compile(told, "docs/client.md", "exec"), {"__name__": "program"})  # noqa: S102 - our own document
    assert capsys.readouterr().out == "3000 {'v1': 7000, 'v2': 3000}\n"
    kinds = [event.kind for event in read_events(kafka.bootstrap, 3)]
    assert sorted(kinds) == sorted([Kind.REQUEST, Kind.RESPONSE, Kind.OUTCOME])
