"""What a sidecar tells Prometheus, by a real request where that matters."""

import re
import socket
import sys
from urllib.request import urlopen

import pytest
from msgspec.structs import replace

from conftest import Eventually
from sidecar.follower_rig import FollowerRig
from sidecar.weights import weights
from trimtab.schemas.address import Address
from trimtab.schemas.sidecar import SidecarReport
from trimtab.sidecar.metrics import SidecarMetrics, reason_of
from trimtab.streams.embedded import EmbeddedRedis


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("Only v1 is known: route: unknown cluster 'v2'", "missing"),
        ("HTTPRoute shop/checkout: 404 httproutes not found", "missing"),
        ("HTTPRoute shop/checkout: no rule has v1, v2; rules have v3", "missing"),
        ("HTTPRoute shop/checkout: 403 forbidden", "denied"),
        ("HTTPRoute shop/checkout: 409 the object has been modified", "conflict"),
        ("HTTPRoute shop/checkout: the API server does not answer: refused", "unreachable"),
        ("reload.sh: ended by force after 30 s", "timeout"),
        ("reload.sh: ended by SIGKILL", "failed"),
        ("reload.sh: exit code 14030", "failed"),
        ("", "other"),
        ("14040 things", "other"),
    ],
)
def test_refusals_are_of_a_closed_set_of_reasons(words: str, reason: str) -> None:
    assert reason_of(words) == reason


def report(release: str = "checkout", refusals: int = 0, refused: str = "") -> SidecarReport:
    return SidecarReport(sidecar="edge", proxy="envoy", release=release, refusals=refusals, refused=refused, events=7)


def values(metrics: SidecarMetrics, name: str) -> dict[tuple[str, ...], float]:
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.collect()
        if family.name == name
        for sample in family.samples
    }


def test_refusals_count_by_the_words_that_stood_when_they_were_reported() -> None:
    metrics = SidecarMetrics()
    for refusals, words in ((0, ""), (2, "unknown cluster 'v2'"), (2, "unknown cluster 'v2'"), (3, "timed out")):
        metrics.take([report(refusals=refusals, refused=words)])
    assert values(metrics, "trimtab_sidecar_refusals") == {
        ("edge", "checkout", "missing"): 2, ("edge", "checkout", "timeout"): 1,
    }  # fmt: skip


def test_what_is_counted_once_a_sidecar_is_told_once() -> None:
    metrics = SidecarMetrics()
    metrics.take([report("checkout"), report("search")])
    assert values(metrics, "trimtab_sidecar_events") == {("edge",): 7}


def test_before_there_are_weights_there_is_no_age_of_them() -> None:
    metrics = SidecarMetrics()
    metrics.take([report()])
    assert values(metrics, "trimtab_sidecar_weights_age_seconds") == {}
    assert values(metrics, "trimtab_sidecar_redis_up") == {(): 0}


def test_weights_past_their_age_and_what_became_of_them_are_told() -> None:
    metrics = SidecarMetrics()
    metrics.take([replace(report(), age_s=312.5, stale=True, fallback="baseline"), replace(report("search"), age_s=2)])
    told = {
        name: {release: value for (_, _, release), value in values(metrics, f"trimtab_sidecar_{name}").items()}
        for name in ("weights_age_seconds", "weights_stale", "fallback")
    }
    assert told == {
        "weights_age_seconds": {"checkout": 312.5, "search": 2}, "weights_stale": {"checkout": 1, "search": 0},
        "fallback": {"checkout": 1, "search": 0},
    }  # fmt: skip


def test_an_address_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        SidecarMetrics(Address("127.0.0.1", taken.getsockname()[1]))


@pytest.mark.integration
def test_prometheus_is_answered_with_what_is_in_force(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig:
        rig.publish(weights("checkout", 3))
        arguments = ("sidecar", "file", "--release", "checkout", "--path", str(rig.folder / "weights.json"))
        sidecar = rig.start(
            "sidecar", sys.executable, "-m", "trimtab.control.cli", *arguments, "--redis", redis.url, "--id", "edge",
            "--metrics", "127.0.0.1:0",
        )  # fmt: skip
        eventually(lambda: "metrics_listening" in sidecar.output, what="an address")
        port = int(re.findall(r'"port": (\d+)', sidecar.output)[0])

        def told() -> str:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                assert answer.headers["Content-Type"].startswith("text/plain")
                return str(answer.read().decode())

        labels = '{proxy="file",release="checkout",sidecar="edge"}'
        eventually(lambda: f"trimtab_sidecar_revision{labels} 3.0" in told(), what="the revision in force")
        assert "trimtab_sidecar_redis_up 1.0" in told()
        assert f"trimtab_sidecar_weights_age_seconds{labels}" in told()
        assert sidecar.end() == 0
