"""What weights come to at a HAProxy: the commands, their order, and what is missing."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from sidecar.weights import ERA, claim, fallen_back, weights
from trimtab.schemas.decision import Sticky
from trimtab.schemas.fallback import on_baseline
from trimtab.sidecar.edition import Edition
from trimtab.sidecar.haproxy.names import (
    claim_backend,
    edition_in,
    outside_backend,
    place_of,
    revision_of,
    segment_backend,
    sticky_backend,
)
from trimtab.sidecar.haproxy.plan import MissingAtProxy, plan, shares_at, way_back
from trimtab.sidecar.haproxy.runtime import ProxyRefused, map_entries
from trimtab.sidecar.haproxy.servers import Server, Servers, servers_of

MAP = Path("/s/trimtab.map")
BY = Sticky(seed="s", cookie="visitor")


def at(v1: int, v2: int, backend: str = "checkout") -> Servers:
    return {backend: {"at-v1": Server(v1, is_up=True), "at-v2": Server(v2, is_up=True)}}


def commands(before: Servers, *, v1: int, v2: int) -> list[str]:
    entries = {"checkout": "1767225600.1", "checkout/at-v1": "1", "checkout/at-v2": "1"}
    return plan(weights(revision=2, v1=v1, v2=v2), before).commands(before, entries, MAP)


def test_weights_are_raised_before_they_are_lowered_and_stamped_only_then() -> None:
    assert commands(at(256, 1), v1=1, v2=9_999) == [
        "set map /s/trimtab.map checkout 0.0",
        "set server checkout/at-v2 weight 256",
        "set server checkout/at-v1 weight 1",
        "set map /s/trimtab.map checkout 1767225600.2",
    ]


def test_a_fallback_leaves_requests_without_a_revision_and_the_map_says_whose_it_is() -> None:
    entries = {"checkout": "1767225600.2", "checkout/at-v1": "1", "checkout/at-v2": "1"}
    old, before = plan(fallen_back(revision=2, v1=1, v2=9_999), at(1, 256)), at(1, 256)
    assert old.commands(before, entries, MAP) == [
        "set map /s/trimtab.map checkout 0.0",
        "set map /s/trimtab.map checkout/at-v2 0",
        "add map /s/trimtab.map checkout:fallback 1767225600.2",
        "set server checkout/at-v1 weight 256",
        "set server checkout/at-v2 weight 0",
        "set map /s/trimtab.map checkout 0.0",
    ]
    entries |= {"checkout": "0.0", "checkout/at-v2": "0", "checkout:fallback": "1767225600.2"}
    assert old.commands(at(256, 0), entries, MAP) == []
    assert edition_in(entries, "checkout") == Edition((ERA, 2), "baseline")
    assert plan(weights(revision=2, v1=1, v2=9_999), at(256, 0)).commands(at(256, 0), entries, MAP) == [
        "set map /s/trimtab.map checkout 0.0",
        "set map /s/trimtab.map checkout/at-v2 1",
        "set map /s/trimtab.map checkout:fallback -",
        "set server checkout/at-v2 weight 256",
        "set server checkout/at-v1 weight 1",
        "set map /s/trimtab.map checkout 1767225600.2",
    ]


@pytest.mark.parametrize(
    ("entries", "edition"),
    [
        ({}, Edition()),
        ({"checkout": "7.8"}, Edition((7, 8))),
        ({"checkout": "7.8", "checkout:fallback": "-"}, Edition((7, 8))),
        ({"checkout": "0.0", "checkout:fallback": "-"}, Edition()),
        ({"checkout": "0.0", "checkout:fallback": "7.8"}, Edition((7, 8), "baseline")),
        ({"checkout": "7.9", "checkout:fallback": "7.8"}, Edition((7, 9))),
        ({"checkout": "nonsense", "checkout:fallback": "7.8"}, Edition((7, 8), "baseline")),
    ],
)
def test_what_is_in_force_is_what_the_map_says(entries: dict[str, str], edition: Edition) -> None:
    assert edition_in(entries, "checkout") == edition


def test_cookies_are_void_before_the_weight_is_gone() -> None:
    assert commands(at(256, 28), v1=10_000, v2=0) == [
        "set map /s/trimtab.map checkout 0.0",
        "set map /s/trimtab.map checkout/at-v2 0",
        "set server checkout/at-v2 weight 0",
        "set map /s/trimtab.map checkout 1767225600.2",
    ]


def test_what_is_so_already_needs_no_command_and_a_new_revision_of_the_same_just_a_stamp() -> None:
    assert commands(at(256, 256), v1=5_000, v2=5_000) == ["set map /s/trimtab.map checkout 1767225600.2"]
    entries = {"checkout": "1767225600.1", "checkout/at-v1": "1", "checkout/at-v2": "1"}
    assert plan(weights(revision=1, v1=5_000, v2=5_000), at(1, 1)).commands(at(256, 256), entries, MAP) == []


def test_keys_that_the_map_has_not_are_added_once() -> None:
    found = plan(weights(v1=5_000, v2=5_000), at(256, 0)).commands(at(256, 0), {}, MAP)
    assert found == [
        "add map /s/trimtab.map checkout 0.0",
        "add map /s/trimtab.map checkout/at-v1 1",
        "add map /s/trimtab.map checkout/at-v2 1",
        "set server checkout/at-v2 weight 256",
        "set map /s/trimtab.map checkout 1767225600.1",
    ]


@pytest.mark.parametrize("before", [(256, 0), (0, 256), (1, 256), (28, 252)])
@pytest.mark.parametrize("share", [0, 1, 5_000, 9_999, 10_000])
def test_at_no_step_are_all_weights_zero(before: tuple[int, int], share: int) -> None:
    now = {"at-v1": before[0], "at-v2": before[1]}
    for command in commands(at(*before), v1=share, v2=10_000 - share):
        if command.startswith("set server"):
            name, _, weight = command.removeprefix("set server checkout/").split(" ")
            now[name] = int(weight)
        assert sum(now.values()) > 0


def test_a_server_of_no_variant_gets_nothing() -> None:
    servers = {"checkout": {**at(256, 0)["checkout"], "left-over": Server(100, is_up=True)}}
    assert plan(weights(v1=10_000, v2=0), servers).weights["checkout"]["left-over"] == 0


def test_a_segment_of_its_own_weights_has_them_and_another_those_of_the_whole() -> None:
    beta, gamma = segment_backend("checkout", "beta"), segment_backend("checkout", "gamma", "", "has header G")
    servers = {**at(256, 0), **at(256, 0, beta), **at(256, 0, gamma), **at(7, 7, "other")}
    routing = {"segments": {"beta": {"v1": 0, "v2": 10_000}}, "segment_conditions": {"gamma": "has header G"}}
    found = plan(weights(v1=10_000, v2=0, routing=routing), servers).weights
    assert found == {
        "checkout": {"at-v1": 256, "at-v2": 0},
        beta: {"at-v1": 0, "at-v2": 256},
        gamma: {"at-v1": 256, "at-v2": 0},
    }


def test_claims_that_are_none_any_more_are_switched_off() -> None:
    of_v2 = claim_backend("checkout", "v2", "", "has header B")
    servers = {**at(256, 0), of_v2: {"at-v2": Server(1, is_up=True)}}
    on = plan(weights(routing={"claims": [claim("v2", "has header B", 2_500)]}), servers)
    assert (on.entries[of_v2], plan(weights(), servers).entries[of_v2]) == ("2500", "0")


@pytest.mark.parametrize(
    ("servers", "routing", "words"),
    [
        ({}, {}, "release checkout: haproxy has no backend 'checkout', it has none of this release"),
        ({"checkout": {"at-v1": Server(1, is_up=True)}}, {}, "variant v2: haproxy has no server 'at-v2'"),
        (at(1, 1), {"claims": [claim("v2", "has header B")]}, "variant v2: condition 'has header B'"),
        (at(1, 1), {"segment_conditions": {"m": "has header M"}}, "segment m: condition 'has header M'"),
        (at(1, 1), {"sticky": BY}, "release checkout: stickiness: haproxy has no backend 'checkout:sticky:"),
        (at(1, 1), {"condition": "has header R", "baseline": "v1"}, "route.condition 'has header R'"),
    ],
)
def test_what_is_missing_is_named_with_what_there_is(servers: Servers, routing: dict[str, object], words: str) -> None:
    with pytest.raises(MissingAtProxy) as refusal:
        plan(weights(routing=routing), servers)
    assert words in str(refusal.value)


def test_the_way_back_raises_first_too() -> None:
    assert way_back(at(256, 0), at(1, 256)) == [
        "set server checkout/at-v1 weight 256",
        "set server checkout/at-v2 weight 0",
    ]


def test_a_server_that_is_down_counts_for_nothing() -> None:
    servers = {
        "at-v1": Server(100, is_up=True),
        "at-v2.1": Server(100, is_up=True),
        "at-v2.2": Server(100, is_up=False),
    }
    assert shares_at(weights(), servers, "") == {"v1": 5_000.0, "v2": 5_000.0}


def test_buckets_of_visitors_change_over_as_one_value() -> None:
    beta, nobody = segment_backend("checkout", "beta"), sticky_backend("checkout", BY)
    servers = {**at(256, 0), **at(256, 0, beta), nobody: {"none": Server(1, is_up=False)}}
    routing = {
        "sticky": BY, "segments": {"beta": {"v1": 0, "v2": 10_000}},
        "ranges": {"": [("v1", 400), ("v2", 1_000), ("v1", 8_600)], "beta": [("v2", 10_000)]},
    }  # fmt: skip
    record = weights(revision=7, routing=routing, v1=9_000, v2=1_000)
    entries = plan(record, servers).entries
    assert entries["checkout:ranges"] == "1767225600.7|400=at-v1|1000=at-v2|8600=at-v1"
    assert entries[f"{beta}:ranges"] == "1767225600.7|10000=at-v2"
    assert shares_at(record, servers["checkout"], "beta") == {"v1": 0.0, "v2": 10_000.0}
    aged = plan(on_baseline(replace(record, baseline="v1")), servers).entries
    assert aged["checkout:ranges"] == aged[f"{beta}:ranges"] == "0.0|10000=at-v1"
    assert plan(weights(), servers).entries["checkout:ranges"] == "-"
    assert "checkout:ranges" not in plan(weights(), at(256, 0)).entries


@pytest.mark.parametrize("text", ["", "Permission denied", "2\n# be_name\n", "1\n# be_name srv_name\n"])
def test_an_answer_that_is_no_table_of_servers_is_told(text: str) -> None:
    with pytest.raises(ProxyRefused, match="show servers state"):
        servers_of(text)


def test_an_answer_that_is_no_map_is_told_in_haproxys_words() -> None:
    assert map_entries("0x55f8 checkout 7.8\n\n") == {"checkout": "7.8"}
    with pytest.raises(ProxyRefused, match="Unknown map identifier"):
        map_entries("Unknown map identifier. Please use #<id> or <file>.\n\n")


def test_a_name_of_a_backend_says_what_it_is_for() -> None:
    assert place_of(segment_backend("shop.2", "mobile", "", "has header A")) == ("shop.2", "segment", "mobile")
    assert place_of(claim_backend("shop", "v2", "", "has header A")) == ("shop", "claim", "v2")
    assert place_of(outside_backend("shop", "has header A")) == ("shop", "outside", "")
    assert place_of("shop") == ("shop", "", "")


@pytest.mark.parametrize("text", ["", "-", "1", "1.", ".1", "a.b", "1.2.3", "-1.2", "\u0661.1"])
def test_what_is_no_revision_is_none(text: str) -> None:
    assert revision_of(text) is None
