"""Weights that Envoy cannot take: the old ones stay, and everybody can see why."""

import pytest

from conftest import Eventually
from sidecar.rig import Rig
from sidecar.weights import ERA, weights
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = pytest.mark.integration

WORDS = "route: unknown weighted cluster 'nosuch'"


def test_the_old_weights_stay_and_the_report_says_why(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        sidecar = rig.start_sidecar()
        envoy = rig.start_envoy()
        with rig.world.visit(envoy.port) as visit:
            rig.publish(weights(revision=2, v1=0, v2=10_000, at={"v2": "nosuch"}))
            eventually(lambda: rig.report().refused, what="a refusal in the report")
        report = rig.report()
        assert (report.in_force, report.offered) == ((ERA, 1), (ERA, 2))
        assert (report.refused, report.refusals) == (WORDS, 1)
        assert {(answer.service, answer.is_good) for answer in visit.answers} == {("v1", True)}
        assert "weights_refused" in sidecar.output
        assert WORDS in sidecar.output


def test_the_next_newer_revision_is_taken_again(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.publish(weights(revision=2, at={"v2": "nosuch"}))
        eventually(lambda: rig.report().refused, what="a refusal in the report")
        rig.publish(weights(revision=3, v1=0, v2=10_000))
        eventually(lambda: rig.ask(envoy, 1)[0].service == "v2", what="the newer weights")
        eventually(lambda: rig.report().in_force == (ERA, 3), what="the newer revision in the report")
        assert (rig.report().refused, rig.report().refusals) == ("", 1)


def test_an_unknown_cluster_of_weight_zero_is_refused_before_traffic_depends_on_it(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with Rig(redis=redis.url) as rig:
        rig.publish(weights(revision=1, v1=10_000, v2=0))
        rig.start_sidecar()
        rig.start_envoy()
        rig.publish(weights(revision=2, v1=10_000, v2=0, at={"v2": "nosuch"}))
        eventually(lambda: rig.report().refused == WORDS, what="a refusal in the report")


def test_bad_weights_of_one_release_do_not_hold_up_another(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url, releases=("all", "shop")) as rig:
        rig.publish(weights("all", 1, v1=10_000, v2=0))
        rig.publish(weights("shop", 1, prefix="/shop", v1=10_000, v2=0))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.publish(weights("all", 2, v1=0, v2=10_000, at={"v2": "nosuch"}))
        rig.publish(weights("shop", 2, prefix="/shop", v1=0, v2=10_000))
        eventually(lambda: rig.ask(envoy, 1, "/shop")[0].service == "v2", what="the other's new weights")
        assert rig.ask(envoy, 1, "/")[0].service == "v1"
        eventually(lambda: rig.report("all").refused == WORDS, what="a refusal in the report")
        assert rig.report("shop").refused == ""


def test_a_bad_release_at_the_start_closes_its_own_prefix_only(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with Rig(redis=redis.url, releases=("all", "shop")) as rig:
        rig.publish(weights("all", 1, v1=10_000, v2=0))
        rig.publish(weights("shop", 1, prefix="/shop", at={"v1": "nosuch"}))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        # The first table that Envoy refuses opens its listener, so it may answer 404 for a moment.
        eventually(lambda: rig.ask(envoy, 1, "/other")[0].service == "v1", what="the release with good weights")
        assert rig.ask(envoy, 1, "/shop/cart")[0].status == 503


def test_after_a_restart_of_envoy_it_gets_the_last_weights_that_it_took(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with Rig(redis=redis.url, releases=("all", "shop")) as rig:
        rig.publish(weights("all", 1, v1=10_000, v2=0))
        rig.publish(weights("shop", 1, prefix="/shop", v1=0, v2=10_000))
        rig.start_sidecar()
        envoy = rig.start_envoy()
        rig.publish(weights("shop", 2, prefix="/shop", at={"v1": "nosuch"}))
        eventually(lambda: rig.report("shop").refused, what="a refusal in the report")
        envoy.kill()
        envoy = rig.start_envoy()
        eventually(lambda: rig.ask(envoy, 1, "/other")[0].service == "v1", what="the release with good weights")
        eventually(lambda: rig.ask(envoy, 1, "/shop")[0].service == "v2", what="the last weights that were taken")
