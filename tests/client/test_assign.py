"""A service that picks variants comes to the weights, to the same variant for the same key, and to conditions."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from trimtab.client import Assign, Phase, Request, RoutingKey, Unreachable, WeightsRecord
from trimtab.client.board import Board
from trimtab.schemas.decision import Claim, Sticky
from trimtab.schemas.fallback import on_baseline

USERS = [f"user-{number}" for number in range(5_000)]


def record(v2: int = 1_000, **more: Any) -> WeightsRecord:
    return WeightsRecord(
        release="checkout", era=9, revision=7, time_ms=0, phase=Phase.PROGRESSING,
        weights={"v1": 10_000 - v2, "v2": v2}, targets={"v1": "at-v1", "v2": "at-v2"}, baseline="v1", **more,
    )  # fmt: skip


class Known:
    def __init__(self, held: WeightsRecord | None) -> None:
        self.held = held

    def get(self, release: str) -> WeightsRecord | None:
        return self.held if release == "checkout" else None


def assign(held: WeightsRecord, draw: Callable[[], float] = lambda: 0.5) -> Assign:
    return Assign(Known(held), draw=draw)


def picked(held: WeightsRecord, keys: list[str] = USERS) -> list[str]:
    by = assign(held)
    return [by.pick("checkout", key).variant for key in keys]


@pytest.mark.parametrize("v2", [0, 100, 1_000, 5_000, 10_000])
def test_the_share_of_keys_is_within_a_point_of_the_weight(v2: int) -> None:
    assert abs(Counter(picked(record(v2)))["v2"] / len(USERS) - v2 / 10_000) <= 0.01


def test_no_key_moves_but_those_that_weights_take() -> None:
    before, after = picked(record(1_000)), picked(record(1_500))
    assert {(old, new) for old, new in zip(before, after, strict=True) if old != new} == {("v1", "v2")}


def test_ranges_that_are_published_are_kept_to() -> None:
    sticky = record(3_000, sticky=Sticky(seed="s", cookie="c"), ranges={"": [("v2", 3_000), ("v1", 7_000)]})
    turned = record(3_000, sticky=Sticky(seed="s", cookie="c"), ranges={"": [("v1", 7_000), ("v2", 3_000)]})
    assert 0.5 < sum(a != b for a, b in zip(picked(sticky), picked(turned), strict=True)) / len(USERS) < 0.7


def test_without_a_key_each_request_is_drawn_for() -> None:
    drawn = iter([0.0, 0.8999, 0.9, 0.9999])
    by = assign(record(), draw=lambda: next(drawn))
    assert [by.pick("checkout").variant for _ in range(4)] == ["v1", "v1", "v2", "v2"]


def test_what_is_picked_names_where_it_was_routed() -> None:
    got = assign(record(10_000)).pick("checkout", segment="eu", request_id="r-1")
    assert (got.variant, got.target, got.takes_part, got.request) == ("v2", "at-v2", True, "r-1")
    assert got.key == RoutingKey("checkout", "v2", "eu", 9, 7)
    others = {assign(record()).pick("checkout").request for _ in range(50)}
    assert len(others) == 50


def test_a_segment_with_weights_of_its_own_has_them() -> None:
    held = record(0, segments={"eu": {"v1": 0, "v2": 10_000}}, ranges={"": [("v1", 10_000)], "eu": [("v2", 10_000)]})
    by = assign(held)
    assert [by.pick("checkout", "ann", segment=name).variant for name in ("eu", "us", "")] == ["v2", "v1", "v1"]
    assert assign(replace(held, ranges={})).pick("checkout", "ann", segment="eu").variant == "v2"


def request(*headers: tuple[str, str], target: str = "/") -> Request:
    return Request(target, headers)


def test_a_request_that_takes_no_part_gets_the_baseline_and_is_nobodys_evidence() -> None:
    by = assign(record(10_000, condition="host = shop.example"))
    inside = by.pick("checkout", request=request(("host", "shop.example")))
    outside = by.pick("checkout", request=request(("host", "other.example")))
    assert (inside.variant, inside.takes_part) == ("v2", True)
    assert (outside.variant, outside.takes_part) == ("v1", False)
    assert by.pick("checkout").takes_part


def test_a_claim_takes_its_share_and_carries_no_revision() -> None:
    claims = [Claim(variant="v2", condition="has header X-Canary", strength=4_000)]
    canary = request(("X-Canary", "1"))
    taken = assign(record(0, claims=claims), draw=lambda: 0.39).pick("checkout", request=canary, segment="eu")
    left = assign(record(0, claims=claims), draw=lambda: 0.40).pick("checkout", request=canary)
    assert (taken.variant, taken.key) == ("v2", RoutingKey("checkout", "v2", "", 0, 0))
    assert (left.variant, left.key.revision) == ("v1", 7)
    assert assign(record(0, claims=claims), draw=lambda: 0.0).pick("checkout", request=request()).variant == "v1"


def test_past_their_age_weights_make_way_for_the_baseline_and_no_revision_is_named() -> None:
    held = record(
        9_000, segments={"eu": {"v1": 0, "v2": 10_000}}, sticky=Sticky(cookie="visitor", seed="s"),
        ranges={"": [("v1", 1_000), ("v2", 9_000)]},
        claims=[Claim(variant="v2", condition="has header X", strength=10_000)],
    )  # fmt: skip
    by, asked = assign(on_baseline(held)), request(("X", "1"))
    got = [by.pick("checkout", key, request=asked, segment=of).key for key in ("ann", "pat", None) for of in ("", "eu")]
    assert {(key.variant, key.era, key.revision) for key in got} == {("v1", 0, 0)}
    assert assign(held).pick("checkout", "ann", request=asked).variant == "v2"


def test_a_condition_tells_the_segment_before_the_service_does() -> None:
    by = assign(record(segment_conditions={"mobile": "user-agent = Android", "eu": "host = eu.example"}))
    both = request(("user-agent", "Android"), ("host", "eu.example"))
    assert by.pick("checkout", request=both, segment="told").key.segment == "mobile"
    assert by.pick("checkout", request=request(("host", "eu.example"))).key.segment == "eu"
    assert by.pick("checkout", request=request(), segment="told").key.segment == "told"


def test_before_any_weights_there_is_the_default_or_an_error() -> None:
    got = Assign(Known(None), default={"checkout": "v1"}).pick("checkout", "ann")
    assert (got.variant, got.target, got.key) == ("v1", "v1", RoutingKey("checkout", "v1", "", 0, 0))
    with pytest.raises(Unreachable, match="release checkout: no weights yet, and no default variant"):
        Assign(Known(None)).pick("checkout")


@pytest.mark.parametrize("key", [17, b"17"])
def test_a_key_that_is_no_text_is_told(key: Any) -> None:
    with pytest.raises(TypeError, match=f"release checkout: key: expected text, got {type(key).__name__}"):
        Assign(Board([]), default={"checkout": "v1"}).pick("checkout", key)
