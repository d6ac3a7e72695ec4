"""A route table of the user's keeps what it says; releases come first, after its model."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import Eventually
from sidecar.rig import Rig
from sidecar.weights import ERA, weights
from trimtab.sidecar.envoy.base_routes import BaseRoutes, read_base_routes
from trimtab.sidecar.envoy.routes import route_configuration
from trimtab.streams.embedded import EmbeddedRedis

MODEL = {"cluster": "at-v1", "timeout": "0.2s", "retry_policy": {"retry_on": "5xx", "num_retries": 2}}
TABLE = {
    "name": "of the user",
    "virtual_hosts": [
        {
            "name": "shop", "domains": ["*"],
            "routes": [
                {"match": {"path": "/ping"}, "direct_response": {"status": 200, "body": {"inline_string": "pong"}}},
                {"match": {"prefix": "/shop"}, "route": MODEL},
                {"match": {"prefix": "/"}, "direct_response": {"status": 418}},
            ],
        }
    ],
}  # fmt: skip


def merged(table: dict[str, Any] = TABLE, host: str = "") -> Any:
    record = weights(prefix="/shop", routing={"condition": "host = shop.example", "baseline": "v1"})
    return BaseRoutes(table, host).merged(route_configuration([record]))


def test_releases_come_first_and_all_else_stays() -> None:
    table = merged()
    assert (table.name, table.validate_clusters.value) == ("trimtab", True)
    ours, outside, *own = table.virtual_hosts[0].routes
    assert [route.match.prefix for route in (ours, outside)] == ["/shop", "/shop"]
    assert [share.weight.value for share in ours.route.weighted_clusters.clusters] == [9_000, 1_000]
    assert [route.match.WhichOneof("path_specifier") for route in own] == ["path", "prefix", "prefix"]


def test_routes_of_a_release_are_made_after_the_route_with_its_prefix() -> None:
    ours, outside, *own = merged().virtual_hosts[0].routes
    for route in (ours, outside):
        assert route.route.timeout.nanos == 200_000_000
        assert route.route.retry_policy.num_retries.value == 2
    assert ours.route.WhichOneof("cluster_specifier") == "weighted_clusters"
    assert outside.route.cluster == "at-v1"
    assert own[1].route.cluster == "at-v1"


def test_releases_go_into_the_virtual_host_that_is_named() -> None:
    two = {**TABLE, "virtual_hosts": [*TABLE["virtual_hosts"], {"name": "other", "domains": ["other.example"]}]}
    shop, other = merged(two, "other").virtual_hosts
    assert (len(shop.routes), len(other.routes)) == (3, 2)
    with pytest.raises(ValueError, match="routes: expected the name of a virtual host, it has shop, other"):
        merged(two)
    with pytest.raises(ValueError, match="routes: expected one virtual host 'cart', it has shop, other"):
        merged(two, "cart")


WRONG = [
    ("- a list", "expected a RouteConfiguration, got list"), ("a: [", "not YAML"),
    ("virtual_host: []", "not a RouteConfiguration: .*virtual_host"), ("{}", "expected the name of a virtual host"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[text for text, _ in WRONG])
def test_a_file_that_holds_no_table_is_named(text: str, words: str, tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"routes.yaml: {words}"):
        read_base_routes(file)


@pytest.mark.integration
@pytest.mark.proxies
def test_envoy_serves_both_and_keeps_the_users_timeout(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        file = rig.folder / "routes.yaml"
        file.write_text(yaml.safe_dump(TABLE))
        rig.publish(weights(revision=1, prefix="/shop", v1=0, v2=10_000))
        rig.start_sidecar(routes=str(file))
        envoy = rig.start_envoy()
        assert [answer.service for answer in rig.ask(envoy, 1, "/ping")] == ["pong"]
        assert {answer.status for answer in rig.ask(envoy, 1, "/elsewhere")} == {418}
        assert {answer.service for answer in rig.ask(envoy, 5, "/shop")} == {"v2"}
        rig.publish(weights(revision=2, prefix="/slow", v1=0, v2=10_000))
        eventually(lambda: rig.report().in_force == (ERA, 2), what="the next weights")
        assert [answer.service for answer in rig.ask(envoy, 1, "/shop")] == ["v1"]


@pytest.mark.integration
def test_a_file_that_is_not_there_is_one_line_and_exit_1(redis: EmbeddedRedis) -> None:
    with Rig(redis=redis.url) as rig:
        sidecar = rig.start_sidecar(routes=str(rig.folder / "nowhere.yaml"))
        assert sidecar.wait() == 1
        assert "sidecar_refused" in sidecar.output
        assert "Traceback" not in sidecar.output
