"""A real HAProxy routes by the weights, whatever happens to them, to it and to the sidecar."""

import json
import random
from collections import Counter

import pytest

from conftest import Eventually
from sidecar.haproxy_rig import HAProxyRig, needs_haproxy, release
from sidecar.weights import ERA, claim, weights
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies, needs_haproxy]


def test_no_request_fails_through_a_thousand_changes_under_load(redis: EmbeddedRedis, eventually: Eventually) -> None:
    draw = random.Random(1)
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.start_sidecar()
        with rig.world.visit(rig.port) as visit:
            for revision in range(1, 1_001):
                # Every second one is all or nothing, where a moment of 0/0 would show.
                share = draw.choice([0, 10_000]) if revision % 2 else draw.randrange(10_001)
                record = weights(revision=revision, v1=share, v2=10_000 - share)
                rig.publish(record)
                eventually(lambda: rig.has(record), what=f"revision {revision}")  # noqa: B023 - called in this turn
        assert [answer for answer in visit.answers if not answer.is_good] == []
        assert len(visit.answers) > 1_000
        assert rig.report().refusals == 0


@pytest.mark.parametrize(
    ("v2", "of_server"),
    [(1_000, {"at-v1": 252, "at-v2": 28}), (5_000, {"at-v1": 256, "at-v2": 256}), (10, {"at-v1": 256, "at-v2": 1})],
)
def test_the_share_reported_is_the_share_routed(
    redis: EmbeddedRedis, eventually: Eventually, v2: int, of_server: dict[str, int]
) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(v1=10_000 - v2, v2=v2))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        assert rig.weights() == of_server
        # HAProxy goes round, so nothing is left to chance; a change of weights costs a request or two of a round.
        rounds = 4
        answers = rig.ask(rounds * sum(of_server.values()))
        assert abs(Counter(answer.service for answer in answers)["v2"] - rounds * of_server["at-v2"]) <= 2
        share = 10_000 * of_server["at-v2"] / sum(of_server.values())
        eventually(lambda: rig.report().shares.get("v2") == pytest.approx(share, abs=0.01), what="it in the report")


def test_several_servers_of_a_variant_share_its_weight(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url, servers=("at-v1.1", "at-v1.2", "at-v1.3", "at-v2")) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(v1=9_987, v2=13))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        assert rig.weights() == {"at-v1.1": 256, "at-v1.2": 256, "at-v1.3": 256, "at-v2": 1}
        assert 1 <= Counter(answer.variant for answer in rig.ask(2 * 769))["v2"] <= 3


def test_the_baseline_takes_everything_until_there_are_weights(redis: EmbeddedRedis) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        answers = rig.ask(50)
        assert {(answer.service, answer.revision) for answer in answers} == {("v1", "0.0")}


def test_a_response_names_release_variant_and_revision(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(revision=57, v1=0, v2=10_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        (answer,) = rig.ask(1)
        assert (answer.release, answer.variant, answer.revision) == ("checkout", "v2", f"{ERA}.57")


def test_a_reload_keeps_weights_and_revision_and_fails_no_request(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        haproxy = rig.start_haproxy()
        rig.publish(record := weights(revision=9, v1=3_000, v2=7_000))
        sidecar = rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        eventually(lambda: "9" in rig.files.map.read_text(), what="the state on disk")
        before = rig.weights()
        sidecar.end()  # so that what is there after the reload was kept, not put back
        with rig.world.visit(rig.port) as visit:
            eventually(lambda: len(visit.answers) > 50, what="the first requests")
            rig.reload(haproxy)
            count = len(visit.answers)
            eventually(lambda: len(visit.answers) > count + 200, what="requests to the new process")
        assert rig.weights() == before
        assert rig.has(record)
        assert [answer for answer in visit.answers if not answer.is_good] == []


def test_a_haproxy_that_lost_its_state_gets_the_weights_again(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        haproxy = rig.start_haproxy()
        rig.publish(record := weights(v1=3_000, v2=7_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        haproxy.end()
        eventually(
            lambda: "No such file" in rig.report().refused or "refused" in rig.report().refused, what="its absence told"
        )
        assert rig.report().in_force == (0, 0)
        rig.files.servers.unlink()
        rig.files.map.write_text("")
        rig.start_haproxy()
        eventually(lambda: rig.has(record), what="the weights again")
        eventually(lambda: rig.report().in_force == (ERA, 1), what="them in the report")
        assert rig.report().refused == ""


def test_what_somebody_else_sets_is_put_back(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(v1=9_000, v2=1_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        rig.tell("set server checkout/at-v2 weight 200")
        eventually(lambda: rig.weights() == {"at-v1": 252, "at-v2": 28}, what="our weights")


def test_a_server_that_is_down_has_no_share(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(weights(v1=5_000, v2=5_000))
        rig.start_sidecar()
        eventually(lambda: rig.report().shares == {"v1": 5_000, "v2": 5_000}, what="both")
        rig.tell("set server checkout/at-v2 state maint")
        eventually(lambda: rig.report().shares == {"v1": 10_000, "v2": 0}, what="the one that is left")
        assert {answer.service for answer in rig.ask(20)} == {"v1"}


def test_weights_never_go_back(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(revision=9, v1=3_000, v2=7_000))
        sidecar = rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        sidecar.end()
        rig.publish(weights(revision=8, v1=10_000, v2=0))  # an older Redis came back
        rig.start_sidecar()
        eventually(lambda: rig.report().offered == (ERA, 8), what="the older one")
        assert rig.has(record)
        assert rig.report().in_force == (ERA, 9)


CONDITIONS = release(
    route={"condition": "not has header X-Robot"},
    variants=[
        {"name": "v1", "target": "at-v1"},
        {"name": "v2", "target": "at-v2", "condition": "has header X-Canary"},
    ],
    segments=[{"name": "mobile", "condition": "user-agent = Android"}, {"name": "vip"}],
)
ROUTING = {
    "condition": "not has header X-Robot",
    "baseline": "v1",
    "claims": [claim("v2", "has header X-Canary")],
    "segment_conditions": {"mobile": "user-agent = Android"},
    "segments": {"mobile": {"v1": 0, "v2": 10_000}, "vip": {"v1": 0, "v2": 10_000}},
}


def test_segments_claims_and_outsiders_go_where_they_belong(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url, releases=(CONDITIONS,), segment_key="req.hdr(x-customer)") as rig:
        rig.files.segments("checkout").write_text("acme vip\n")
        rig.start_haproxy()
        rig.publish(record := weights(v1=10_000, v2=0, routing=ROUTING))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        told = {
            name: {(answer.service, answer.variant, answer.revision) for answer in rig.ask(10, **headers)}
            for name, headers in {
                "all": {}, "mobile": {"user_agent": "X Android 15"}, "mapped": {"x_customer": "acme"},
                "claimed": {"x_canary": "1"}, "outside": {"x_robot": "1", "x_canary": "1"},
            }.items()
        }  # fmt: skip
        stamp = f"{ERA}.1"
        assert told == {
            "all": {("v1", "v1", stamp)},
            "mobile": {("v2", "v2", stamp)},
            "mapped": {("v2", "v2", stamp)},
            "claimed": {("v2", "v2", "0.0")},
            "outside": {("v1", "", "")},
        }
        eventually(
            lambda: rig.report().segment_shares == {"mobile": {"v1": 0, "v2": 10_000}, "vip": {"v1": 0, "v2": 10_000}},
            what="the segments' shares",
        )


def test_a_claim_is_as_strong_as_the_weights_say(redis: EmbeddedRedis, eventually: Eventually) -> None:
    routing = {**ROUTING, "claims": [claim("v2", "has header X-Canary", 3_000)]}
    with HAProxyRig(redis=redis.url, releases=(CONDITIONS,), segment_key="req.hdr(x-customer)") as rig:
        rig.start_haproxy()
        rig.publish(record := weights(v1=10_000, v2=0, routing=routing))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        taken = Counter(answer.service for answer in rig.ask(1_000, x_canary="1"))["v2"]
        # HAProxy's draws cannot be seeded: five standard deviations fail once in two million runs.
        assert abs(taken - 300) < 5 * (1_000 * 0.3 * 0.7) ** 0.5
        rig.publish(record := weights(revision=2, v1=10_000, v2=0, routing={**ROUTING, "claims": []}))
        eventually(lambda: rig.has(record), what="the claim's end")
        assert {answer.service for answer in rig.ask(50, x_canary="1")} == {"v1"}


def test_visitors_with_a_cookie_stay_until_their_variant_gets_nothing(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url, sticky=True) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(v1=9_000, v2=1_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights")
        kept = rig.ask(50, cookie="trimtab-checkout=at-v2")
        assert {(answer.service, answer.revision) for answer in kept} == {("v2", "0.0")}
        fresh = rig.ask(280, cookie="other=1")
        assert abs(Counter(answer.service for answer in fresh)["v2"] - 28) <= 2
        assert {answer.revision for answer in fresh} == {f"{ERA}.1"}
        # HAProxy itself would go on sending them to a server of weight 0.
        rig.publish(record := weights(revision=2, v1=10_000, v2=0))
        eventually(lambda: rig.has(record), what="the end of v2")
        moved = rig.ask(50, cookie="trimtab-checkout=at-v2")
        assert {(answer.service, answer.revision) for answer in moved} == {("v1", f"{ERA}.2")}


def test_two_releases_are_routed_by_their_prefixes(redis: EmbeddedRedis, eventually: Eventually) -> None:
    both = (release("all"), release("shop.2", route={"prefix": "/shop"}))
    with HAProxyRig(redis=redis.url, releases=both) as rig:
        rig.start_haproxy()
        rig.publish(everything := weights("all", v1=10_000, v2=0))
        rig.publish(shop := weights("shop.2", prefix="/shop", v1=0, v2=10_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(everything) and rig.has(shop), what="both")
        assert {(a.release, a.service) for a in rig.ask(5, "/shop/cart")} == {("shop.2", "v2")}
        assert {(a.release, a.service) for a in rig.ask(5, "/other")} == {("all", "v1")}


def test_weights_are_in_force_with_redis_away(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(v1=3_000, v2=7_000))
        sidecar = rig.start_sidecar(cache=rig.folder / "cache")
        eventually(lambda: rig.has(record), what="the weights")
        sidecar.end()
        redis.stop()
        rig.tell("set server checkout/at-v2 weight 0")
        rig.start_sidecar(cache=rig.folder / "cache")
        eventually(lambda: rig.weights()["at-v2"] > 0, what="the weights of the cache")
        assert json.loads((rig.folder / "cache" / "checkout.json").read_text())["revision"] == 1
