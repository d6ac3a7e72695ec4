"""Weights reach an HTTPRoute and a VirtualService, those of the right backend, whatever else happens to the object."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml

from conftest import Eventually
from sidecar.follower_rig import FollowerRig
from sidecar.kube_server import KubeServer, Object, Refusal
from sidecar.program import Program
from sidecar.weights import ERA, weights
from trimtab.sidecar.follower import NotTaken
from trimtab.sidecar.kubernetes.shapes import HTTP_ROUTE, VIRTUAL_SERVICE, patch_of, scaled
from trimtab.streams.embedded import EmbeddedRedis

DEPLOY = Path(__file__).parents[2] / "deploy" / "kubernetes"
ROUTE = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/checkout"
SERVICE = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/checkout"

Test = TypeVar("Test", bound=Callable[..., None])


def integration(test: Test) -> Test:
    """What needs servers; with all other proxies it waits for `./test --all`."""
    marked: Test = pytest.mark.integration(pytest.mark.proxies(test))
    return marked


def backend(name: str, weight: int | None = None) -> Object:
    return {"name": name, "port": 80} | ({} if weight is None else {"weight": weight})


def route(*backends: Object) -> Object:
    rules = [
        {"matches": [{"path": {"value": "/other"}}], "backendRefs": [backend("other", 1)]},
        {"filters": [{"type": "X"}], "backendRefs": list(backends)},
    ]
    metadata = {"name": "checkout", "namespace": "shop", "resourceVersion": "1"}
    return {"kind": "HTTPRoute", "metadata": metadata, "spec": {"rules": rules}}


def destination(host: str, subset: str | None = None, weight: int | None = None) -> Object:
    to = {"host": host} | ({"subset": subset} if subset else {})
    return {"destination": to} | ({} if weight is None else {"weight": weight})


def virtual_service(*routes: Object) -> Object:
    metadata = {"name": "checkout", "namespace": "shop", "resourceVersion": "1"}
    return {"kind": "VirtualService", "metadata": metadata, "spec": {"http": [{"route": list(routes)}]}}


def weights_in(server: KubeServer) -> dict[str, Any]:
    return {one["name"]: one.get("weight") for one in server.objects[ROUTE]["spec"]["rules"][1]["backendRefs"]}


@contextmanager
def cluster(rig: FollowerRig) -> Iterator[KubeServer]:
    server = KubeServer()
    rig.world.call(server.start())
    try:
        yield server
    finally:
        rig.world.call(server.stop())


def start(
    rig: FollowerRig, server: KubeServer, kind: str = "HTTPRoute", total: int = 10_000, **options: Any
) -> Program:
    told = {"kind": kind, "kubeconfig": str(server.kubeconfig(rig.folder)), "total": total}
    return rig.start_sidecar(kubernetes=told, proxy="kubernetes", again_s=0.5, **options)


@integration
def test_backend_refs_follow_the_weights_and_nothing_else_changes(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = route(backend("at-v1"), backend("at-v2", 7))
        rig.publish(weights(revision=1, v1=9_000, v2=1_000))
        start(rig, server)
        eventually(lambda: weights_in(server) == {"at-v1": 9_000, "at-v2": 1_000}, what="the weights")
        rig.publish(weights(revision=2, v1=0, v2=10_000))
        eventually(lambda: weights_in(server) == {"at-v1": 0, "at-v2": 10_000}, what="the next weights")
        eventually(lambda: rig.report().in_force == (ERA, 2), what="the report")
        expected = route(backend("at-v1", 0), backend("at-v2", 10_000))
        expected["metadata"]["resourceVersion"] = "3"
        assert server.objects[ROUTE] == expected
        for patch in server.patches:
            assert [one["op"] for one in patch] == ["test", "add"] * 2
        assert len(server.patches) == 2


@integration
def test_a_list_that_is_reordered_meanwhile_never_gets_anothers_weight(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    def reorder(held: Object) -> None:
        held["spec"]["rules"][1]["backendRefs"].reverse()

    def conflict(_: Object) -> None:
        raise Refusal(409, "Conflict", "the object has been modified")

    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = route(backend("at-v1"), backend("at-v2"))
        server.before_patch = [reorder, conflict]
        rig.publish(weights(v1=9_000, v2=1_000))
        start(rig, server)
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the report")
        assert weights_in(server) == {"at-v1": 9_000, "at-v2": 1_000}
        assert list(weights_in(server)) == ["at-v2", "at-v1"]
        assert rig.report().refusals == 0


@integration
def test_what_somebody_else_sets_is_set_back(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = route(backend("at-v1"), backend("at-v2"))
        rig.publish(weights(v1=9_000, v2=1_000))
        start(rig, server)
        eventually(lambda: weights_in(server)["at-v2"] == 1_000, what="the weights")
        server.objects[ROUTE] = route(backend("at-v1", 5), backend("at-v2", 5))
        eventually(lambda: weights_in(server) == {"at-v1": 9_000, "at-v2": 1_000}, what="them again")


@integration
@pytest.mark.parametrize(
    ("verbs", "words"),
    [
        ({"get"}, 'HTTPRoute shop/checkout: 403 httproutes "checkout" is forbidden: User "trimtab" cannot patch'),
        (set(), 'HTTPRoute shop/checkout: 403 httproutes "checkout" is forbidden: User "trimtab" cannot get'),
    ],
)
def test_what_the_api_server_refuses_is_shown_in_its_words_and_tried_again(
    verbs: set[str], words: str, redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = route(backend("at-v1", 10_000), backend("at-v2", 0))
        server.verbs = verbs
        rig.publish(weights())
        start(rig, server)
        eventually(lambda: rig.report().refused.startswith(words), what="the report")
        assert weights_in(server) == {"at-v1": 10_000, "at-v2": 0}
        server.verbs = {"get", "patch"}
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the next try")


@integration
def test_an_object_that_is_not_there_and_a_server_that_is_away_are_told(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        rig.publish(weights())
        start(rig, server)
        eventually(lambda: rig.report().refused.endswith('404 httproutes "checkout" not found'), what="the report")
        port = server.port
        rig.world.call(server.stop())
        eventually(lambda: "the API server does not answer" in rig.report().refused, what="the next report")
        assert "Max retries" not in rig.report().refused  # the sidecar tries again, its library does not
        server.objects[ROUTE] = route(backend("at-v1"), backend("at-v2"))
        rig.world.call(server.start(port))
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the weights")


@integration
def test_a_release_that_waits_for_another_leaves_the_object_alone(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = route(backend("at-v1", 9_500), backend("at-v2", 500))
        rig.publish(weights("checkout.2", v1=10_000, v2=0, routing={"queued_behind": "checkout"}))
        start(rig, server, releases=["checkout.2"])
        eventually(lambda: rig.report("checkout.2").in_force == (ERA, 1), what="the report")
        assert server.patches == []
        rig.publish(weights("checkout.2", 2, v1=9_900, v2=100, routing={"began": (ERA, 2)}))
        eventually(lambda: weights_in(server) == {"at-v1": 9_900, "at-v2": 100}, what="its weights")


@integration
def test_an_answer_that_is_no_object_is_shown_and_ends_nothing(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = {"kind": "LoginPage"}
        rig.publish(weights())
        start(rig, server)
        words = "HTTPRoute shop/checkout: expected an object with a spec, got \"{'kind': 'LoginPage'}\""
        eventually(lambda: rig.report().refused == words, what="the report")
        server.objects[ROUTE] = route(backend("at-v1"), backend("at-v2"))
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the weights")


@integration
def test_a_backend_that_is_not_there_is_said_before_any_weight_moves(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[ROUTE] = route(backend("at-v1", 1), backend("elsewhere", 1))
        rig.publish(weights())
        start(rig, server)
        eventually(lambda: rig.report().refused, what="the report")
        assert rig.report().refused == (
            "HTTPRoute shop/checkout: no rule has at-v1, at-v2; its rules have other; at-v1, elsewhere"
        )
        assert server.patches == []


@integration
def test_a_virtual_service_gets_weights_that_sum_to_what_it_takes(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with FollowerRig(redis.url) as rig, cluster(rig) as server:
        server.objects[SERVICE] = virtual_service(destination("checkout", "v1"), destination("checkout", "v2"))
        at = {"v1": "checkout/v1", "v2": "checkout/v2"}
        rig.publish(weights(v1=8_750, v2=1_250, at=at))
        start(rig, server, "VirtualService", total=100)
        eventually(lambda: rig.report().in_force == (ERA, 1), what="the report")
        [rule] = server.objects[SERVICE]["spec"]["http"]
        assert [one["weight"] for one in rule["route"]] == [88, 12]


def test_an_object_that_has_its_weights_is_left_alone() -> None:
    assert patch_of(HTTP_ROUTE, route(backend("a", 1), backend("b", 2)), {"b": 2, "a": 1}) == []


def test_every_rule_that_has_the_targets_gets_the_weights() -> None:
    found = route(backend("a"), backend("b"))
    found["spec"]["rules"].append({"backendRefs": [backend("b"), backend("a")]})
    patch = patch_of(HTTP_ROUTE, found, {"a": 1, "b": 2})
    assert [one["value"] for one in patch if one["op"] == "add"] == [1, 2, 2, 1]
    assert [one["path"] for one in patch][-1] == "/spec/rules/2/backendRefs/1/weight"


def test_a_rule_with_other_backends_is_refused() -> None:
    with pytest.raises(NotTaken, match="rule 1 has other backends than the release: canary"):
        patch_of(HTTP_ROUTE, route(backend("a"), backend("b"), backend("canary")), {"a": 1, "b": 2})
    with pytest.raises(NotTaken, match="rule 1 has other backends than the release: one of them twice"):
        patch_of(HTTP_ROUTE, route(backend("a"), backend("b"), backend("b")), {"a": 1, "b": 2})


@pytest.mark.parametrize("found", [{}, {"spec": {}}, {"spec": {"rules": None}}, {"spec": {"rules": [{}]}}])
def test_an_object_without_rules_is_refused(found: Object) -> None:
    with pytest.raises(NotTaken, match=r"no rule has a, b; (its rules have none|it has no rules)"):
        patch_of(HTTP_ROUTE, found, {"a": 1, "b": 2})


def test_destinations_are_known_by_host_or_by_host_and_subset() -> None:
    by_host = patch_of(VIRTUAL_SERVICE, virtual_service(destination("a"), destination("b")), {"a": 1, "b": 2})
    assert [one["value"] for one in by_host] == ["a", 1, "b", 2]
    found = virtual_service(destination("a", "x"), destination("a", "y"))
    by_subset = patch_of(VIRTUAL_SERVICE, found, {"a/x": 1, "a/y": 2})
    assert [one["value"] for one in by_subset] == ["a", "x", 1, "a", "y", 2]


@pytest.mark.parametrize("total", [1, 7, 100, 10_000, 1_000_000])
def test_weights_are_scaled_without_loss(total: int) -> None:
    given = scaled({"a": 9_999, "b": 1, "c": 0}, total)
    assert sum(given.values()) == total
    assert given["c"] == 0
    assert abs(given["a"] - total * 0.9999) <= 1
    assert given["b"] > 0 or total == 1


CLUSTERS = """
apiVersion: v1
kind: Config
current-context: x
contexts: [{name: x, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: t}}]
clusters: [{name: c, cluster: {server: %s}}]
"""


@integration
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "expected what kubectl reads, got something else: while parsing"),
        ("[1, 2]", "expected what kubectl reads"),
        ("hello", "expected what kubectl reads"),
        ("{}", "Expected key current-context"),
        (CLUSTERS % "3", "expected what kubectl reads"),
        (CLUSTERS % "https://k:1, certificate-authority: /nowhere/ca", "File does not exist: /nowhere/ca"),
        ("\0", "expected what kubectl reads"),
    ],
)
def test_a_kubeconfig_that_is_none_is_named(text: str, words: str, tmp_path: Path) -> None:
    from trimtab.sidecar.kubernetes.patcher import Patcher  # noqa: PLC0415 - it takes long, and only here

    file = tmp_path / "kubeconfig"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"^kubeconfig.*{re.escape(words)}"):
        Patcher(HTTP_ROUTE, "shop", "checkout", kubeconfig=file, total=10_000)
    with pytest.raises(ValueError, match="kubeconfig: "):
        Patcher(HTTP_ROUTE, "shop", "checkout", kubeconfig=tmp_path / "nowhere", total=10_000)


@pytest.mark.parametrize(
    ("file", "group"), [("gateway-api.yaml", "gateway.networking.k8s.io"), ("istio.yaml", "networking.istio.io")]
)
def test_the_manifest_lets_it_read_and_patch_its_object_and_nothing_else(file: str, group: str) -> None:
    documents = list(yaml.safe_load_all((DEPLOY / file).read_text()))
    [role] = [one for one in documents if one["kind"] == "Role"]
    [rule] = role["rules"]
    assert (rule["apiGroups"], rule["verbs"], rule["resourceNames"]) == ([group], ["get", "patch"], ["checkout"])
    assert {one["kind"] for one in documents} == {"ServiceAccount", "Role", "RoleBinding", "Deployment"}
    [deployment] = [one for one in documents if one["kind"] == "Deployment"]
    assert deployment["spec"]["replicas"] == 1
