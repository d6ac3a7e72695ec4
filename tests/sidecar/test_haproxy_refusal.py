"""What HAProxy has not, or refuses, is told in its own words, and the old weights stay."""

import pytest

from conftest import Eventually
from sidecar.haproxy_rig import HAProxyRig, needs_haproxy, release
from sidecar.weights import ERA, claim, weights
from trimtab.streams.embedded import EmbeddedRedis

pytestmark = [pytest.mark.integration, pytest.mark.proxies, needs_haproxy]

FIRST = {"at-v1": 256, "at-v2": 0}


def test_an_algorithm_without_weights_is_refused_in_haproxys_words_and_tried_again(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        haproxy = rig.start_haproxy(rig.config().replace("balance roundrobin", "balance static-rr"))
        rig.publish(record := weights(v1=9_000, v2=1_000))
        sidecar = rig.start_sidecar()
        words = "Backend is using a static LB algorithm and only accepts weights '0%' and '100%'."
        eventually(lambda: words in rig.report().refused, what="HAProxy's words")
        assert (rig.report().in_force, rig.report().offered) == ((0, 0), (ERA, 1))
        assert rig.weights() == FIRST
        eventually(lambda: rig.report().refusals >= 2, what="another try")
        assert sidecar.output.count("weights_refused") == 1  # the same words are not told again and again
        (rig.folder / "haproxy.cfg").write_text(rig.config())
        rig.reload(haproxy)
        eventually(lambda: rig.has(record), what="the weights, once HAProxy can take them")
        eventually(lambda: rig.report().refused == "", what="no refusal any more")


def test_a_server_that_is_not_there_is_told_before_any_weight_moves(
    redis: EmbeddedRedis, eventually: Eventually
) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy()
        rig.publish(record := weights(v1=9_000, v2=1_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the first weights")
        rig.publish(weights(revision=2, v1=5_000, v2=5_000, at={"v2": "at-w2"}))
        eventually(lambda: rig.report().refused, what="a refusal")
        assert rig.report().refused == (
            "release checkout, variant v2: haproxy has no server 'at-w2' in backend 'checkout', it has at-v1, at-v2;"
            " did you mean at-v2?"
        )
        assert rig.weights() == {"at-v1": 252, "at-v2": 28}
        assert (rig.report().in_force, rig.report().offered) == ((ERA, 1), (ERA, 2))


def test_a_release_that_haproxy_does_not_know_holds_up_no_other(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url, releases=(release("other"), release())) as rig:
        known = HAProxyRig(redis=redis.url)
        known.__dict__.update({**rig.__dict__, "releases": (release(),)})
        rig.start_haproxy(known.config())
        rig.publish(weights("other", v1=5_000, v2=5_000))
        rig.publish(record := weights(v1=9_000, v2=1_000))
        rig.start_sidecar()
        eventually(lambda: rig.has(record), what="the weights of the one")
        eventually(lambda: "haproxy has no backend 'other'" in rig.report("other").refused, what="the other's refusal")


def test_a_condition_that_is_not_in_its_configuration_is_told(redis: EmbeddedRedis, eventually: Eventually) -> None:
    variants = [{"name": "v1", "target": "at-v1"}, {"name": "v2", "target": "at-v2", "condition": "has header A"}]
    with HAProxyRig(redis=redis.url, releases=(release(variants=variants),)) as rig:
        rig.start_haproxy()
        routing = {"claims": [claim("v2", "has header B")]}
        rig.publish(weights(v1=5_000, v2=5_000, routing=routing))
        rig.start_sidecar()
        eventually(lambda: "variant v2: condition 'has header B'" in rig.report().refused, what="a refusal")
        assert rig.weights() == FIRST


def test_a_socket_that_may_not_change_anything_is_told(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        rig.start_haproxy(rig.config().replace("level admin", "level operator"))
        rig.publish(weights())
        rig.start_sidecar()
        eventually(lambda: "Permission denied" in rig.report().refused, what="HAProxy's words")
        assert rig.weights() == FIRST


def test_a_map_that_haproxy_has_not_is_told(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        other = rig.folder / "other.map"
        other.touch()
        rig.start_haproxy(rig.config().replace(str(rig.files.map), str(other)))
        rig.publish(weights())
        rig.start_sidecar()
        eventually(lambda: "Unknown map identifier" in rig.report().refused, what="HAProxy's words")
        assert rig.weights() == FIRST


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ({"state": "relative"}, "state: 'relative': expected an absolute path"),
        ({"state": "/var/a b"}, "expected a path without spaces"),
        ({"kafka": "nonsense:"}, "kafka"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(redis: EmbeddedRedis, option: dict[str, str], expected: str) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        sidecar = rig.start_sidecar(**option)
        assert sidecar.wait() == 2
        assert expected in sidecar.output
        assert "Traceback" not in sidecar.output


def test_a_log_that_is_no_file_is_one_line_and_exit_1(redis: EmbeddedRedis) -> None:
    with HAProxyRig(redis=redis.url) as rig:
        sidecar = rig.start_sidecar(log=rig.folder)
        assert sidecar.wait() == 1
        assert "expected a file, found something else" in sidecar.output
        assert "Traceback" not in sidecar.output


def test_a_second_sidecar_in_the_folder_gives_way(redis: EmbeddedRedis, eventually: Eventually) -> None:
    with HAProxyRig(redis=redis.url, file_mode=True) as rig:
        rig.start_haproxy()
        rig.start_sidecar()
        eventually(lambda: rig.report().time_ms, what="the first one")
        second = rig.start_sidecar()
        assert second.wait() == 1
        assert "another process uses it" in second.output
