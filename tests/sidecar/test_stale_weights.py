"""Weights past their age make way for the baseline at every proxy, and are in force again once somebody vouches."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Eventually
from sidecar.follower_rig import FollowerRig
from sidecar.haproxy_rig import HAProxyRig, needs_haproxy, release
from sidecar.kafka_events import read_events
from sidecar.rig import Rig
from sidecar.test_kubernetes import ROUTE, backend, cluster, route, start, weights_in
from sidecar.voucher import vouching
from sidecar.weights import ERA, claim, weights
from sidecar.world import Visit
from trimtab.schemas.decision import Sticky, WeightsRecord
from trimtab.schemas.sidecar import SidecarReport
from trimtab.streams.embedded import EmbeddedKafka, EmbeddedRedis

pytestmark = pytest.mark.integration

LIMIT_MS = 2_000
STAMP = f"{ERA}.3"


def ageing(revision: int = 3, **routing: Any) -> WeightsRecord:
    """All weight on v2; the baseline is v1."""
    of_age = {"stale_after_ms": LIMIT_MS, "stale_then": "baseline", "baseline": "v1"}
    return weights(revision=revision, v1=0, v2=10_000, routing={**of_age, **routing})


def grows_old_and_young_again(
    redis: EmbeddedRedis, record: WeightsRecord, visit: Visit, report: Callable[[], SidecarReport], wait: Eventually
) -> None:
    """The worker is there, goes, and comes back: what visitors and the report see."""
    with vouching(redis.url, record):
        wait(lambda: visit.answers and visit.answers[-1].revision == STAMP, what="the weights")
        since_s = time.monotonic()
        wait(lambda: visit.answers[-1].sent_s > since_s + LIMIT_MS / 1_000, what="longer than their age")
        assert {answer.service for answer in visit.since(since_s)} == {"v2"}
        assert (report().stale, report().fallback, report().in_force) == (False, "", (ERA, 3))
    wait(lambda: visit.answers[-1].service == "v1", what="the baseline")
    wait(lambda: report().fallback == "baseline", what="the report of it")
    aged = report()
    assert aged.age_s is not None
    assert aged.age_s > LIMIT_MS / 1_000
    assert (aged.stale, aged.in_force, aged.refused) == (True, (ERA, 3), "")
    with vouching(redis.url, record):
        wait(lambda: visit.answers[-1].revision == STAMP, what="the weights again")
        wait(lambda: not report().fallback and not report().stale, what="the report of that")
        assert visit.answers[-1].service == "v2"


@pytest.mark.long
def test_envoy_goes_to_the_baseline_and_back(redis: EmbeddedRedis, eventually: Eventually) -> None:
    record = ageing()
    with Rig(redis=redis.url) as rig:
        with vouching(redis.url, record):
            sidecar = rig.start_sidecar()
            envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            grows_old_and_young_again(redis, record, visit, rig.report, eventually)
        assert [answer for answer in visit.answers if not answer.is_good] == [], sidecar.output
        assert {(answer.service, answer.revision) for answer in visit.answers} == {("v1", "0.0"), ("v2", STAMP)}


@pytest.mark.proxies
def test_what_goes_to_the_baseline_past_their_age_is_told_of_without_a_revision(
    redis: EmbeddedRedis, kafka: EmbeddedKafka, eventually: Eventually
) -> None:
    record = ageing(
        claims=[claim("v2", "has header X-Canary")], segment_conditions={"mobile": "has header X-Mobile"},
        segments={"mobile": {"v1": 0, "v2": 10_000}},
    )  # fmt: skip
    with Rig(redis=redis.url, kafka=kafka.bootstrap) as rig:
        with vouching(redis.url, record):
            rig.start_sidecar()
            envoy = rig.start_envoy()
            eventually(lambda: rig.report().in_force == (ERA, 3) and not rig.report().fallback, what="the weights")
            assert [(a.service, a.revision) for a in rig.ask(envoy, 1)] == [("v2", STAMP)]
        eventually(lambda: rig.report().fallback == "baseline", what="the baseline")
        for headers in ({}, {"x-canary": "1"}, {"x-mobile": "1"}):
            assert [(a.service, a.revision) for a in rig.ask(envoy, 1, **headers)] == [("v1", "0.0")]
        keys = [event.key for event in read_events(kafka.bootstrap, 8)]
    told = Counter((key.variant, key.segment, key.era, key.revision) for key in keys)
    assert told == {("v2", "", ERA, 3): 2, ("v1", "", 0, 0): 4, ("v1", "mobile", 0, 0): 2}


@pytest.mark.proxies
def test_a_sidecar_that_is_killed_while_all_goes_to_the_baseline_never_goes_back(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(ageing())
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        eventually(lambda: rig.report().fallback == "baseline", what="the baseline")
        sidecar.end(by=signal.SIGKILL)
        rig.publish(ageing(2))
        rig.start_sidecar()
        eventually(lambda: rig.report().age_s is not None, what="its successor")
        eventually(lambda: rig.report().in_force == (ERA, 3), what="what Envoy has")
        assert rig.report().fallback == "baseline"
        assert rig.ask(envoy, 1)[0].service == "v1"
        rig.publish(weights(revision=4, v1=0, v2=10_000))
        eventually(lambda: rig.ask(envoy, 1)[0].service == "v2", what="newer weights")
        eventually(lambda: rig.report().fallback == "", what="the report")


BY_HEADER = Sticky(seed="s", header="X-User")
STICKY: dict[str, Any] = {"sticky": BY_HEADER, "ranges": {"": [("v2", 10_000)]}}


@pytest.mark.proxies
@needs_haproxy
@pytest.mark.parametrize("is_sticky", [False, True], ids=["by weight", "kept by a header"])
def test_haproxy_goes_to_the_baseline_and_back(
    redis: EmbeddedRedis, eventually: Eventually, *, is_sticky: bool
) -> None:
    record = ageing(**(STICKY if is_sticky else {}))
    releases = (release(stickiness={"header": "X-User", "seed": "s"}),) if is_sticky else ()
    with HAProxyRig(redis=redis.url, releases=releases) as rig:
        haproxy = rig.start_haproxy()
        with vouching(redis.url, record):
            rig.start_sidecar()
            eventually(lambda: rig.has(record), what="the weights")
        with rig.world.visit(rig.port) as visit:
            grows_old_and_young_again(redis, record, visit, rig.report, eventually)
            eventually(lambda: rig.report().fallback == "baseline", what="the baseline once more")
            assert [(a.service, a.revision) for a in rig.ask(1, x_user="ann")] == [("v1", "0.0")]
            eventually(lambda: rig.report().shares == {"v1": 10_000, "v2": 0}, what="its share")
            rig.reload(haproxy)
            eventually(lambda: rig.report().in_force == (ERA, 3), what="an answer after the reload")
            assert {answer.service for answer in rig.ask(10)} == {"v1"}
        assert [answer for answer in visit.answers if not answer.is_good] == []
        # In the midst of a change requests carry no revision, wherever they go.
        assert {a.revision for a in visit.answers if a.service == "v1"} == {"0.0"}
        assert {a.revision for a in visit.answers if a.service == "v2"} <= {"0.0", STAMP}


@pytest.mark.proxies
@needs_haproxy
def test_haproxy_never_goes_back_behind_a_fallback(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(ageing())
        sidecar = rig.start_sidecar()
        eventually(lambda: rig.report().fallback == "baseline", what="the baseline")
        sidecar.end()
        rig.publish(ageing(2))  # an older Redis came back
        rig.start_sidecar()
        eventually(lambda: rig.report().offered == (ERA, 2), what="the older one")
        assert (rig.report().in_force, rig.report().fallback) == ((ERA, 3), "baseline")
        assert {answer.service for answer in rig.ask(10)} == {"v1"}


def told_in(file: Path) -> tuple[Any, ...]:
    held = json.loads(file.read_text())["releases"]["checkout"] if file.exists() else {}
    return held.get("revision"), held.get("fallback"), held.get("weights")


@pytest.mark.proxies
def test_a_file_has_the_baseline_and_the_weights_again(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        file, record = rig.folder / "weights.json", ageing()
        with vouching(redis.url, record):
            rig.start_sidecar(path=file)
            eventually(lambda: told_in(file) == (3, "", {"v1": 0, "v2": 10_000}), what="the weights")
        eventually(lambda: told_in(file) == (3, "baseline", {"v1": 10_000, "v2": 0}), what="the baseline")
        eventually(lambda: rig.report().fallback == "baseline", what="the report")
        assert (rig.report().stale, rig.report().in_force) == (True, (ERA, 3))
        with vouching(redis.url, record):
            eventually(lambda: told_in(file) == (3, "", {"v1": 0, "v2": 10_000}), what="the weights again")
            eventually(lambda: (rig.report().stale, rig.report().fallback) == (False, ""), what="the report of that")


@pytest.mark.proxies
def test_an_http_route_goes_to_the_baseline_and_back(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = route(backend("at-v1"), backend("at-v2"))
        record = ageing()
        with vouching(redis.url, record):
            start(rig, server)
            eventually(lambda: weights_in(server) == {"at-v1": 0, "at-v2": 10_000}, what="the weights")
        eventually(lambda: weights_in(server) == {"at-v1": 10_000, "at-v2": 0}, what="the baseline")
        with vouching(redis.url, record):
            eventually(lambda: weights_in(server) == {"at-v1": 0, "at-v2": 10_000}, what="the weights again")
