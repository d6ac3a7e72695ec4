"""How long weights take to reach the traffic, and what a log entry costs. The numbers go into the test report.

What is asserted are counts and ratios within one run, which are the same on a slow machine.
"""

import time
from collections.abc import Callable
from statistics import median

import pytest
from envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsMessage
from google.protobuf.json_format import MessageToJson

from conftest import Eventually
from sidecar.entries import end, start
from sidecar.rig import Rig
from sidecar.weights import ERA, weights
from sidecar.world import Visit
from trimtab.client import Telemetry
from trimtab.sidecar.envoy.access_log import AccessLog
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration

Note = Callable[[str, object], None]

CHANGES = 30
ENTRIES = 40_000


def first_answer_s(visit: Visit, revision: str, since_s: float) -> float:
    """When the first answer that `revision` routed came in; 0 while there is none."""
    return min((answer.came_s for answer in visit.since(since_s - 1) if answer.revision == revision), default=0)


def test_a_change_of_weights_reaches_the_traffic_in_milliseconds(
    redis: EmbeddedRedis, eventually: Eventually, record_property: Note
) -> None:
    took_ms, old = list[float](), list[int]()
    with Rig(redis=redis.url) as rig:
        rig.publish(weights())
        rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            for revision in range(2, 2 + CHANGES):
                published_s = rig.publish(weights(revision=revision))
                name = f"{ERA}.{revision}"
                eventually(lambda: first_answer_s(visit, name, published_s), what=f"an answer by {name}")  # noqa: B023 - called in this turn
                took_ms.append(1000 * (first_answer_s(visit, name, published_s) - published_s))
                old.append(sum(answer.revision != name for answer in visit.since(published_s)))
    took_ms.sort()
    numbers = {"p50_ms": median(took_ms), "p99_ms": took_ms[-1], "n": CHANGES, "p50_requests": median(old)}
    record_property("publish_to_first_request", numbers)
    print(numbers)  # noqa: T201 - shown with -s
    # What these visitors send in a tenth of a second on an idle machine, where it is next to none.
    assert numbers["p50_requests"] < 50


def test_a_log_entry_costs_few_microseconds(kafka: EmbeddedKafka, record_property: Note) -> None:
    message = StreamAccessLogsMessage()
    now_s = int(time.time())
    for _ in range(100):
        for entry in (start(), end()):
            entry.common_properties.start_time.seconds = now_s
            message.http_logs.log_entry.append(entry)
    payload = message.SerializeToString()
    with Telemetry(kafka.bootstrap, publisher="speed") as telemetry:
        log = AccessLog(telemetry)
        began_s = time.process_time()
        for _ in range(ENTRIES // 200):
            log.publish(StreamAccessLogsMessage.FromString(payload).http_logs.log_entry)
        assert telemetry.flush(60)
        cost_us = 1e6 * (time.process_time() - began_s) / ENTRIES
        assert telemetry.stats.published == ENTRIES
    numbers = {"cpu_us_per_entry": cost_us, "cpu_us_as_json": json_us(payload)}
    record_property("cpu_us_per_entry", numbers)
    print(numbers)  # noqa: T201 - shown with -s
    # Five and 26 were measured on an idle machine.
    assert cost_us < numbers["cpu_us_as_json"]


def json_us(payload: bytes) -> float:
    """What it costs to make JSON of one of these entries, which is what an entry must not cost."""
    entries = StreamAccessLogsMessage.FromString(payload).http_logs.log_entry
    began_s = time.process_time()
    for _ in range(10):
        for entry in entries:
            MessageToJson(entry)
    return 1e6 * (time.process_time() - began_s) / (10 * len(entries))
