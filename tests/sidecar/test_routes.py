"""Routes are a function of the weights alone, and of nothing else about them."""

from itertools import permutations

from envoy.config.core.v3.base_pb2 import HeaderValueOption
from envoy.config.route.v3.route_components_pb2 import Route
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.weights import ERA, claim, fallen_back, weights
from trimtab.schemas.decision import Sticky, WeightsRecord
from trimtab.schemas.fallback import on_baseline
from trimtab.schemas.stamp import read_stamp
from trimtab.schemas.telemetry import RoutingKey
from trimtab.sidecar.edition import Edition
from trimtab.sidecar.envoy.routes import editions, route_configuration, version
from trimtab.sidecar.envoy.sticky_filter import HEADER_BUCKET

names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?", fullmatch=True)


def routes(*records: WeightsRecord, closed: tuple[WeightsRecord, ...] = ()) -> list[Route]:
    return list(route_configuration(records, closed=closed).virtual_hosts[0].routes)


def headers(options: list[HeaderValueOption]) -> dict[str, str]:
    return {option.header.key: option.header.value for option in options}


def test_each_variant_gets_its_weight_at_its_cluster() -> None:
    (route,) = routes(weights(v1=9_500, v2=500))
    clusters = route.route.weighted_clusters.clusters
    assert [(share.name, share.weight.value) for share in clusters] == [("at-v1", 9_500), ("at-v2", 500)]


def test_a_variant_of_weight_zero_stays_in_the_table() -> None:
    (route,) = routes(weights(v1=10_000, v2=0))
    assert [share.weight.value for share in route.route.weighted_clusters.clusters] == [10_000, 0]


def test_unknown_clusters_are_refused_as_a_whole() -> None:
    assert route_configuration([weights()]).validate_clusters.value


def test_the_longest_prefix_comes_first() -> None:
    records = [weights("shop", prefix="/shop"), weights("all", prefix="/"), weights("cart", prefix="/shop/cart")]
    assert [route.name for route in routes(*records)] == ["cart", "shop", "all"]


def test_of_two_releases_with_one_prefix_the_first_by_name_routes() -> None:
    assert [route.name for route in routes(weights("b"), weights("a"))] == ["a", "b"]


def test_of_releases_of_one_service_with_one_prefix_the_one_that_began_last_routes() -> None:
    first = replace(weights("shop"), began=(ERA, 3))
    second = replace(weights("shop.2"), began=(ERA, 12))
    assert [route.name for route in routes(first, second)] == ["shop.2", "shop"]
    again = replace(first, began=(ERA, 30))
    assert [route.name for route in routes(again, second)] == ["shop", "shop.2"]


def test_a_release_that_waits_and_never_had_traffic_has_no_route() -> None:
    first, waiting = replace(weights("shop.2"), began=(ERA, 3)), replace(weights("shop"), queued_behind="shop.2")
    assert [route.name for route in routes(first, waiting)] == ["shop.2"]
    assert [route.name for route in routes(first, closed=(waiting,))] == ["shop.2"]
    had_traffic = replace(waiting, began=(ERA, 1))
    assert [route.name for route in routes(first, had_traffic)] == ["shop.2", "shop"]


def test_the_order_of_the_releases_changes_nothing() -> None:
    records = [weights("b", prefix="/b"), weights("a", prefix="/a"), weights("c", prefix="/")]
    tables = {route_configuration(order).SerializeToString(deterministic=True) for order in permutations(records)}
    assert len(tables) == 1


def test_a_response_says_its_release_variant_and_revision() -> None:
    (route,) = routes(weights(revision=57))
    assert headers(list(route.response_headers_to_add)) == {
        "x-trimtab-release": "checkout",
        "x-trimtab-revision": f"{ERA}.57",
    }
    shares = route.route.weighted_clusters.clusters
    assert [headers(list(share.response_headers_to_add)) for share in shares] == [
        {"x-trimtab-variant": "v1"},
        {"x-trimtab-variant": "v2"},
    ]


def test_a_service_cannot_claim_to_be_another_variant() -> None:
    (route,) = routes(weights())
    added = [*route.response_headers_to_add, *route.route.weighted_clusters.clusters[0].response_headers_to_add]
    assert {option.append_action for option in added} == {HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD}


def test_where_it_is_not_asked_for_a_response_says_nothing_and_no_service_does() -> None:
    record = replace(weights(), condition="has header X", baseline="v1", claims=(claim("v2", "has header Y"),))
    table = route_configuration([record, weights("shut", prefix="/shut")], closed=[], headers=False)
    taken = ["x-trimtab-release", "x-trimtab-variant", "x-trimtab-revision", "x-trimtab-segment"]
    assert len(table.virtual_hosts[0].routes) == 4
    for route in table.virtual_hosts[0].routes:
        assert list(route.response_headers_to_remove) == taken
        shares = route.route.weighted_clusters.clusters
        assert not [*route.response_headers_to_add, *(one for share in shares for one in share.response_headers_to_add)]


def test_the_metadata_names_release_and_revision() -> None:
    (route,) = routes(weights(revision=57))
    metadata = route.metadata.filter_metadata["trimtab"]
    assert (metadata["release"], metadata["era"], metadata["revision"]) == ("checkout", str(ERA), "57")


def test_the_stamp_leads_from_each_cluster_to_its_routing_key() -> None:
    (route,) = routes(weights(revision=57))
    assert read_stamp(route.metadata.filter_metadata["trimtab"]["stamp"]).keys == {
        "at-v1": RoutingKey("checkout", "v1", "", ERA, 57),
        "at-v2": RoutingKey("checkout", "v2", "", ERA, 57),
    }


def test_a_fallback_sends_all_that_takes_part_to_the_baseline_and_names_no_revision() -> None:
    routing = {
        "condition": "host = a", "baseline": "v1", "claims": [claim("v2", "has header X")], "mirror": {"v2": 500},
        "segment_conditions": {"m": "has header M"}, "segments": {"m": {"v1": 0, "v2": 10_000}},
    }  # fmt: skip
    segment, whole, outside = routes(on_baseline(weights(routing=routing, v1=0, v2=10_000)))
    for route in (segment, whole):
        shares = route.route.weighted_clusters.clusters
        assert [(share.name, share.weight.value) for share in shares] == [("at-v1", 10_000)]
        assert headers(list(route.response_headers_to_add))["x-trimtab-revision"] == "0.0"
        stamped = read_stamp(route.metadata.filter_metadata["trimtab"]["stamp"])
        assert stamped.keys["at-v1"] == RoutingKey("checkout", "v1", "m" if route is segment else "", 0, 0)
        assert not route.route.request_mirror_policies
    assert outside.route.cluster == "at-v1"


def test_visitors_stay_recognised_while_all_goes_to_the_baseline() -> None:
    routing = {
        "sticky": Sticky(seed="s", cookie="visitor"), "baseline": "v1", "ranges": {"": [("v2", 3_000), ("v1", 7_000)]},
    }  # fmt: skip
    (route,) = routes(on_baseline(weights(routing=routing, v1=7_000, v2=3_000)))
    assert route.route.weighted_clusters.header_name == HEADER_BUCKET
    assert [share.weight.value for share in route.route.weighted_clusters.clusters] == [10_000]


def test_a_closed_prefix_answers_503_ahead_of_shorter_ones() -> None:
    closed, open_ = routes(weights("all", prefix="/"), closed=(weights("shop", prefix="/shop"),))
    assert (closed.name, closed.direct_response.status) == ("shop", 503)
    assert open_.name == "all"


def test_a_closed_prefix_carries_no_stamp() -> None:
    (closed,) = routes(closed=(weights("shop", prefix="/shop"),))
    assert not closed.metadata.filter_metadata


def test_the_version_names_every_revision() -> None:
    assert version([weights("b", 2), fallen_back("a", 1)]) == f"a@{ERA}.1+baseline,b@{ERA}.2"


@given(st.dictionaries(names, st.tuples(st.integers(0, 2**53), st.booleans())))
def test_a_version_is_read_back_as_the_editions_it_names(numbers: dict[str, tuple[int, bool]]) -> None:
    records = [
        fallen_back(name, revision) if is_old else weights(name, revision)
        for name, (revision, is_old) in numbers.items()
    ]
    assert editions(version(records)) == {record.release: Edition.of(record) for record in records}


@given(st.text())
def test_a_version_of_another_control_plane_is_no_mistake(text: str) -> None:
    assert all(len(edition.revision) == 2 for edition in editions(text).values())
