"""Buckets are those of public SDKs, even and unlike from seed to seed; ranges say whose they are."""

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.records import DECISION, WEIGHTS
from schemas.test_routing import release
from trimtab.schemas.decision import Sticky
from trimtab.schemas.errors import InvalidRelease
from trimtab.schemas.routing import routed
from trimtab.schemas.stickiness import bucket_of, ranges_of, variant_at

# What SDKs that know the hash as their version 2 hold themselves to.
KNOWN = [
    ("seed", "a", 505), ("seed", "b", 2_696), ("foo", "ab", 2_575), ("foo", "def", 2_019),
    ("90850943850283058242805", "123", 7_516), ("()**(%$##$%#$#", '___)((*":&', 128),
]  # fmt: skip


@pytest.mark.parametrize(("seed", "key", "bucket"), KNOWN)
def test_a_bucket_is_that_of_other_sdks(seed: str, key: str, bucket: int) -> None:
    assert bucket_of(seed, key) == bucket


def test_keys_spread_evenly_over_the_buckets() -> None:
    tenths = Counter(bucket_of("checkout", f"visitor-{number}") // 1_000 for number in range(20_000))
    assert sorted(tenths) == list(range(10))
    assert max(abs(count - 2_000) for count in tenths.values()) < 200


def test_seeds_that_are_alike_do_not_sort_keys_alike() -> None:
    keys = [f"visitor-{number}" for number in range(4_000)]
    both = sum(bucket_of("checkout-1", key) < 5_000 and bucket_of("checkout-2", key) < 5_000 for key in keys)
    assert 900 < both < 1_100


def test_a_key_may_be_any_text() -> None:
    assert 0 <= bucket_of("", "") < 10_000
    assert bucket_of("", "Zo\u00eb") != bucket_of("", "Zoe")


def test_each_bucket_belongs_to_the_variant_of_its_range() -> None:
    ranges = [("v1", 4_000), ("v2", 1_000), ("v1", 5_000)]
    owners = [variant_at(ranges, bucket) for bucket in (0, 3_999, 4_000, 4_999, 5_000, 9_999)]
    assert owners == ["v1", "v1", "v2", "v2", "v1", "v1"]
    with pytest.raises(ValueError, match="bucket 10000: expected one below 10000"):
        variant_at(ranges, 10_000)


def test_who_keeps_no_ranges_has_one_a_variant() -> None:
    assert ranges_of({"v1": 9_000, "v2": 0, "v3": 1_000}) == [("v1", 9_000), ("v3", 1_000)]


def test_sidecars_are_told_by_what_to_recognise_visitors() -> None:
    by_cookie = release(stickiness={"cookie": "visitor"}).document()
    assert routed(WEIGHTS, DECISION, by_cookie).sticky == Sticky(seed="checkout", cookie="visitor")
    by_header = release(stickiness={"header": "X-User", "seed": "both"}).document()
    assert routed(WEIGHTS, DECISION, by_header) == replace(
        WEIGHTS, baseline="v1", sticky=Sticky(seed="both", header="X-User")
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "expected either a cookie or a header"),
    ({"cookie": "a", "header": "b"}, "expected either a cookie or a header"),
    ({"cookie": "a b"}, "expected a name of letters, digits and"),
    ({"header": "X-Request-Id"}, "expected a header that the client sends, not the proxy"),
    ({"header": "Cookie"}, "expected the field `cookie NAME` in place of that header"),
    ({"cookie": "a", "seed": "\n"}, "seed"),
]


@pytest.mark.parametrize(("told", "words"), WRONG, ids=[str(told) for told, _ in WRONG])
def test_what_nobody_can_be_recognised_by_is_refused(told: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRelease) as refused:
        release(stickiness=told)
    assert "stickiness" in str(refused.value)
    assert words in str(refused.value)
