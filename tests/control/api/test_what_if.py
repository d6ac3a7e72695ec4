"""What-if over the API: beside each other, and bounded."""

import time
from collections.abc import Iterator

import pytest

from control.api.api_rig import ApiServer
from control.api.sums import crash, fail, say, sleep_on
from integration.worker_rig import WorkerRig
from trimtab.control.api.apart import Failed, TookTooLong, apart
from trimtab.schemas.telemetry import Response
from trimtab.schemas.telemetry_columns import pack
from trimtab.schemas.telemetry_message import encode
from trimtab.schemas.topics import TELEMETRY

PATH = "/api/v1/releases/checkout/what-if"


def test_a_sum_apart_is_done_or_told_why_not() -> None:
    assert apart(say, "done", within_s=100) == b"done"
    with pytest.raises(Failed, match="kafka is away"):
        apart(fail, "kafka is away", within_s=100)
    with pytest.raises(RuntimeError, match="the process of crash ended with exit code 3"):
        apart(crash, "", within_s=100)
    with pytest.raises(TookTooLong, match=r"not done within 0\.5 s"):
        apart(sleep_on, "", within_s=0.5)


@pytest.fixture(scope="module")
def rig() -> Iterator[WorkerRig]:
    with WorkerRig() as rig:
        rig.start_worker()
        rig.apply()
        rig.await_counted(0)
        now_ms = time.time_ns() // 1_000_000
        events = [
            Response(release="checkout", variant=variant, time_ms=now_ms, duration_ms=10.0, status=status)
            for variant, status in (("v1", 200), ("v2", 500))
            for _ in range(100)
        ]
        rig.publish(TELEMETRY, encode(pack(events, publisher="test", seq=1, sent_ms=now_ms)))
        rig.await_counted(200)
        yield rig


@pytest.fixture(scope="module")
def api(rig: WorkerRig) -> Iterator[ApiServer]:
    server = ApiServer(rig.folder / "serve.log", rig.kafka, rig.redis)
    yield server
    assert server.end() == 0


@pytest.mark.integration
def test_what_was_decided_stands_beside_what_would_have_been(api: ApiServer) -> None:
    found = api.post(PATH, {"limits": {"minWeight": 3_000}, "policy": {"type": "uniform"}})
    assert found.status == 200, found.body
    items = found.json["items"]
    assert items[0]["actual"]["weights"] == items[0]["other"]["weights"] == {"v1": 10_000, "v2": 0}
    assert items[-1]["actual"]["weights"] != items[-1]["other"]["weights"]
    assert min(items[-1]["other"]["weights"].values()) >= 3_000
    assert found.json["truncated"] is False
    assert found.json["lines"][0].startswith("checkout: ")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ({"limits": {"minWeight": 10_001}}, "spec.limits.minWeight"),
        ({"policy": {"type": "thomson"}}, "spec.strategy.policy"),
        ({"baselin": "v1"}, "spec.baselin"),
        ({"baseline": None}, "spec.baseline"),
        ({}, "(body)"),
        ([], "(body)"),
        ({"policy": {"type": "uniform"}, "strategy": 7}, "(body)"),
        ({"policy": {"type": "uniform"}, "strategy": {"policy": {"type": "uniform"}}}, "(body)"),
    ],
)
def test_what_breaks_a_rule_is_told(api: ApiServer, patch: object, field: str) -> None:
    found = api.post(PATH, patch)
    assert found.status == 422
    assert field in found.json["errors"][0]["field"]


@pytest.mark.integration
def test_a_what_if_of_nothing_is_not_found_and_their_rate_bounded(api: ApiServer) -> None:
    statuses = [api.post("/api/v1/releases/ghost/what-if", {"limits": {}}).status for _ in range(11)]
    assert set(statuses) == {404, 429}
    assert statuses[-1] == 429
