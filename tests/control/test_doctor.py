"""What the doctor sees, on real servers as far as that tells more than the clock of a test."""

import json
import time

import msgspec
import pytest
from redis import Redis
from typer.testing import CliRunner

from control.test_cli import publish
from trimtab.control import doctor
from trimtab.control.cli import app
from trimtab.control.finding import Finding
from trimtab.schemas import sidecar, worker
from trimtab.schemas.redis_keys import sidecar_key, worker_key
from trimtab.schemas.sidecar import SidecarReport
from trimtab.schemas.worker import WorkerReport
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis
from trimtab.streams.layout import embedded_topics
from trimtab.streams.settings import RedisSettings, Settings

pytestmark = pytest.mark.integration

NOBODY = "127.0.0.1:1"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def put(redis: EmbeddedRedis, key: str, value: bytes) -> None:
    with Redis.from_url(redis.url) as client:
        client.set(key, value)


def report(**changes: object) -> bytes:
    made = WorkerReport(worker="host-1", events=9, refused={}, decisions=3, written=3, time_ms=now_ms())
    return worker.encode(msgspec.structs.replace(made, **changes))


def by_subject(found: list[Finding]) -> dict[str, Finding]:
    return {one.subject: one for one in found}


def in_redis(redis: EmbeddedRedis) -> dict[str, Finding]:
    return by_subject(list(doctor.redis(Settings(redis=RedisSettings(url=redis.url)), 2.0)))


def in_releases(redis: EmbeddedRedis) -> dict[str, Finding]:
    return by_subject(list(doctor.releases(Settings(redis=RedisSettings(url=redis.url)))))


def test_no_worker_is_a_fault(redis: EmbeddedRedis) -> None:
    found = in_redis(redis)
    assert (found["workers"].health, found["workers"].advice) == ("fail", "start one: trimtab worker")
    assert found["redis"].health == "ok"
    assert found["clock of Redis"].health == "ok"


def test_a_worker_that_is_silent_or_refuses_events_is_told_apart_from_one_that_works(redis: EmbeddedRedis) -> None:
    put(redis, worker_key("works"), report())
    put(redis, worker_key("silent"), report(time_ms=now_ms() - 60_000))
    put(redis, worker_key("refuses"), report(refused={"future": 5}))
    put(redis, worker_key("strange"), b"{")
    found = in_redis(redis)
    assert found["worker works"].health == "ok"
    assert "silent for 60 s" in found["worker silent"].said
    assert found["worker refuses"].said == "refused events: future 5"
    assert found["worker strange"].health == "warn"
    assert "workers" not in found


def test_a_redis_that_may_drop_weights_is_told(redis: EmbeddedRedis) -> None:
    with Redis.from_url(redis.url) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
    assert "allkeys-lru" in in_redis(redis)["redis memory"].said


def put_report(redis: EmbeddedRedis, name: str, **changes: object) -> None:
    made = SidecarReport(sidecar=name, proxy="envoy", release="checkout", in_force=(7, 42), offered=(7, 42))
    put(redis, sidecar_key("checkout", name), sidecar.encode(msgspec.structs.replace(made, **changes)))


def test_a_sidecar_that_is_stuck_refused_or_losing_events_is_told(redis: EmbeddedRedis) -> None:
    publish(redis)
    assert in_releases(redis)["sidecars of checkout"].said == "none reports"
    put_report(redis, "well")
    put_report(redis, "stuck", in_force=(7, 40))
    put_report(redis, "refused", refused="unknown cluster 'v2'")
    put_report(redis, "losing", dropped=3)
    put_report(redis, "old", stale=True, age_s=312.5)
    found = in_releases(redis)
    assert found["release checkout"].said == "progressing, revision 42"
    assert found["sidecar well of checkout"].health == "ok"
    assert found["sidecar stuck of checkout"].said == "stuck at revision 40, the newest is 42"
    assert found["sidecar refused of checkout"].said == "refuses revision 42: unknown cluster 'v2'"
    assert found["sidecar losing of checkout"].health == "warn"
    assert found["sidecar old of checkout"].said == "its weights are 312 s old, past the age that the release file says"


@pytest.mark.parametrize(
    ("theirs_ms", "health", "said"),
    [
        (1_050.0, "ok", "within 1 ms of the one here"),
        (1_400.0, "ok", "within 300 ms of the one here"),
        (4_100.0, "warn", "3.0 s ahead of the one here"),
        (-1_000.0, "warn", "2.0 s behind the one here"),
    ],
)
def test_clocks_are_compared_with_the_two_instants_around_an_answer(theirs_ms: float, health: str, said: str) -> None:
    found = doctor._skew("clock", theirs_ms, 1_000.0, 1_100.0)
    assert (found.health, found.said) == (health, said)


def test_the_doctor_looks_at_kafka_and_says_what_is_missing(redis: EmbeddedRedis) -> None:
    layout = embedded_topics()
    with EmbeddedKafka(layout) as whole, EmbeddedKafka({}) as empty:
        servers = ["--redis", redis.url, "-o", "json", "--kafka"]
        done = CliRunner().invoke(app, ["doctor", *servers, whole.bootstrap])
        found = {one["subject"]: one for one in json.loads(done.stdout)}
        assert found["topics"]["said"] == f"all {len(layout)} are as the settings say"
        assert found["clock of Kafka"]["health"] == "ok"
        assert (found["workers"]["health"], done.exit_code) == ("fail", 1)
        done = CliRunner().invoke(app, ["doctor", *servers, empty.bootstrap])
        found = {one["subject"]: one for one in json.loads(done.stdout)}
        assert found["topics"]["said"].startswith("missing: trimtab.telemetry, ")
        assert "trimtab topics create" in found["topics"]["advice"]
        done = CliRunner().invoke(app, ["topics", "check", "--kafka", whole.bootstrap])
        assert (done.exit_code, done.stdout.count(" ok\n")) == (0, len(layout))
        done = CliRunner().invoke(app, ["topics", "check", "--kafka", empty.bootstrap])
        assert (done.exit_code, done.stdout.count(" missing\n")) == (1, len(layout))
        assert "run: trimtab topics create" in done.stderr


def test_servers_that_are_away_are_findings_and_code_3() -> None:
    done = CliRunner().invoke(app, ["doctor", "--kafka", NOBODY, "--redis", f"redis://{NOBODY}", "--wait", "0.5"])
    assert done.exit_code == 3
    assert "fail  kafka: kafka at 127.0.0.1:1" in done.stdout
    assert "fail  redis: redis at 127.0.0.1:1" in done.stdout
