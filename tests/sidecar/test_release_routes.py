"""Routes of a release whose file has conditions: who goes where, and what is told of it."""

import pytest
from envoy.config.route.v3.route_components_pb2 import Route
from envoy.type.v3.percent_pb2 import FractionalPercent

from sidecar.weights import ERA, claim, weights
from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.stamp import OUTSIDE, read_stamp
from trimtab.schemas.telemetry import RoutingKey
from trimtab.sidecar.envoy.release_routes import outside, participating
from trimtab.sidecar.envoy.routes import route_configuration

MOBILE = {"mobile": "user-agent = Android"}


def routes(*records: WeightsRecord, closed: tuple[WeightsRecord, ...] = ()) -> list[Route]:
    return list(route_configuration(records, closed=closed).virtual_hosts[0].routes)


def headers_of(route: Route) -> list[str]:
    return [header.name for header in route.match.headers]


def added(route: Route) -> dict[str, str]:
    return {option.header.key: option.header.value for option in route.response_headers_to_add}


def stamped(route: Route) -> str:
    text: str = route.metadata.filter_metadata["trimtab"]["stamp"]
    return text


def shares(route: Route) -> dict[str, int]:
    return {share.name: share.weight.value for share in route.route.weighted_clusters.clusters}


def test_a_release_without_conditions_has_one_route() -> None:
    (route,) = routes(weights(routing={"baseline": "v1"}))
    assert (route.name, headers_of(route)) == ("checkout", [])


def test_a_segment_with_a_condition_is_routed_by_its_own_weights() -> None:
    of_segments = {"mobile": {"v1": 4_000, "v2": 6_000}}
    mobile, rest = routes(weights(routing={"segment_conditions": MOBILE, "segments": of_segments}))
    assert (headers_of(mobile), shares(mobile)) == (["user-agent"], {"at-v1": 4_000, "at-v2": 6_000})
    assert (headers_of(rest), shares(rest)) == ([], {"at-v1": 9_000, "at-v2": 1_000})


def test_a_segment_without_weights_of_its_own_is_routed_by_those_of_the_whole() -> None:
    mobile, rest = routes(weights(routing={"segment_conditions": MOBILE}))
    assert shares(mobile) == shares(rest) == {"at-v1": 9_000, "at-v2": 1_000}


def test_what_is_of_a_segment_says_so() -> None:
    mobile, rest = routes(weights(revision=57, routing={"segment_conditions": MOBILE}))
    assert read_stamp(stamped(mobile)).keys["at-v2"] == RoutingKey("checkout", "v2", "mobile", ERA, 57)
    assert read_stamp(stamped(rest)).keys["at-v2"] == RoutingKey("checkout", "v2", "", ERA, 57)
    assert added(mobile)["x-trimtab-segment"] == "mobile"
    assert "x-trimtab-segment" not in added(rest)


def test_a_condition_of_several_ways_makes_a_route_of_each() -> None:
    either = {"mobile": "user-agent = Android or has header X-Mobile"}
    found = routes(weights(routing={"segment_conditions": either}))
    assert [headers_of(route) for route in found] == [["user-agent"], ["x-mobile"], []]


def test_what_a_variant_claims_goes_to_it_whatever_its_weight() -> None:
    claimed, rest = routes(weights(v1=10_000, v2=0, routing={"claims": [claim("v2", "has header X-Canary")]}))
    assert (headers_of(claimed), shares(claimed)) == (["x-canary"], {"at-v2": 10_000})
    assert not claimed.match.HasField("runtime_fraction")
    assert shares(rest) == {"at-v1": 10_000, "at-v2": 0}


def test_what_is_claimed_is_of_no_revision() -> None:
    claimed, _ = routes(weights(revision=57, routing={"claims": [claim("v2", "has header X-Canary")]}))
    assert read_stamp(stamped(claimed)).keys == {"at-v2": RoutingKey("checkout", "v2", "", 0, 0)}
    assert added(claimed)["x-trimtab-revision"] == "0.0"


def test_the_strength_of_a_claim_is_a_share_of_what_meets_its_condition() -> None:
    claimed, _ = routes(weights(routing={"claims": [claim("v2", "has header X-Canary", 2_500)]}))
    drawn = claimed.match.runtime_fraction.default_value
    assert (drawn.numerator, drawn.denominator) == (250_000, FractionalPercent.MILLION)


def test_what_takes_no_part_goes_to_the_baseline_and_nothing_tells_of_it() -> None:
    inside, out = routes(weights(routing={"condition": "host = shop.example", "baseline": "v1"}))
    assert (headers_of(inside), shares(inside)) == ([":authority"], {"at-v1": 9_000, "at-v2": 1_000})
    assert (headers_of(out), out.route.cluster, stamped(out)) == ([], "at-v1", OUTSIDE)
    assert not out.response_headers_to_add
    removed = {"x-trimtab-release", "x-trimtab-variant", "x-trimtab-revision", "x-trimtab-segment"}
    assert set(out.response_headers_to_remove) == removed


def test_claims_and_segments_are_within_what_takes_part() -> None:
    routing = {
        "condition": "host = shop.example", "baseline": "v1", "segment_conditions": MOBILE,
        "claims": [claim("v2", "has header X-Canary")],
    }  # fmt: skip
    found = routes(weights(prefix="/shop", routing=routing))
    assert [headers_of(route) for route in found] == [
        [":authority", "x-canary"],
        [":authority", "user-agent"],
        [":authority"],
        [],
    ]
    assert {route.match.prefix for route in found} == {"/shop"}


def test_releases_of_several_services_share_a_prefix_by_their_conditions() -> None:
    shop = weights("shop", routing={"condition": "host = shop.example", "baseline": "v1"})
    blog = weights("blog", routing={"condition": "host = blog.example", "baseline": "v1"})
    rest = weights("all")
    assert [route.name for route in routes(shop, rest, blog)] == ["blog", "shop", "all", "blog/outside", "shop/outside"]


def test_a_closed_release_answers_503_to_what_takes_part_and_to_what_does_not() -> None:
    shop = weights("shop", routing={"condition": "host = shop.example", "baseline": "v1"})
    inside, out = routes(closed=(shop,))
    assert [headers_of(route) for route in (inside, out)] == [[":authority"], []]
    assert {route.direct_response.status for route in (inside, out)} == {503}


@pytest.mark.parametrize("condition", ["", "host = shop.example"])
def test_there_is_an_outside_only_of_what_has_a_condition(condition: str) -> None:
    record = weights(routing={"condition": condition, "baseline": "v1"})
    assert len(list(outside(record))) == bool(condition)
    assert len(list(participating(record))) == 1
