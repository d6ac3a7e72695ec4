from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.schemas import redis_keys, topics
from trimtab.schemas.ids import NO_REVISION, is_name, is_release_name, service_of


@pytest.mark.parametrize("text", ["a", "1", "checkout", "checkout-7", "a" * 63, "0-0", "a--b"])
def test_a_dns_label_is_a_name(text: str) -> None:
    assert is_name(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "-a",
        "a-",
        "A",
        "a.b",
        "a_b",
        "a b",
        "a/b",
        "../a",
        "a" * 64,
        "a\n",
        "\na",
        "a\nb",
        "é",
        "a\0",
        "a:b",
        "{a}",
    ],
)
def test_anything_else_is_not_a_name(text: str) -> None:
    assert not is_name(text)


@given(st.text())
def test_a_name_is_safe_in_keys_and_paths(text: str) -> None:
    if is_name(text):
        assert 1 <= len(text) <= 63
        assert not set(text) & set("{}:/.*?[]\\ \n\0")


def test_redis_keys_keep_to_their_grammar() -> None:
    assert redis_keys.weights_key("checkout") == "trimtab:{checkout}:weights"
    assert redis_keys.weights_channel("checkout") == "trimtab:{checkout}:weights"
    assert redis_keys.sidecar_key("checkout", "edge-1") == "trimtab:{checkout}:sidecar:edge-1"
    assert redis_keys.sidecar_pattern("checkout") == "trimtab:{checkout}:sidecar:*"
    assert redis_keys.RELEASES == "trimtab:releases"


def test_all_keys_of_a_release_have_its_name_as_hash_tag() -> None:
    for key in (redis_keys.weights_key("a"), redis_keys.sidecar_key("a", "{b}")):
        assert key[key.index("{") + 1 : key.index("}")] == "a"


@given(st.text(min_size=1), st.integers(1, 1_000))
def test_a_release_lives_in_one_of_the_partitions(release: str, partitions: int) -> None:
    place = topics.evidence_partition(release, partitions)
    assert 0 <= place < partitions
    assert place == crc32(release.partition(".")[0].encode()) % partitions


def test_releases_of_one_service_live_together() -> None:
    names = ("checkout", "checkout.2", "checkout.search")
    assert {topics.evidence_partition(name, 1_000) for name in names} == {topics.evidence_partition("checkout", 1_000)}
    assert {service_of(name) for name in names} == {"checkout"}


@pytest.mark.parametrize("text", ["a", "a.b", "checkout.2", "a" * 63 + "." + "b" * 63])
def test_a_release_is_named_by_its_service_and_one_more_name_at_most(text: str) -> None:
    assert is_release_name(text)


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", "a.b.c", "a/b", "A.b", "a.b\n", "a" * 64 + ".b", "a. b"])
def test_anything_else_names_no_release(text: str) -> None:
    assert not is_release_name(text)


def test_the_place_of_a_release_is_the_same_for_ever() -> None:
    check_value = 0xCBF43926  # of "123456789", by which implementations of CRC-32 are told apart
    assert [topics.evidence_partition("123456789", n) for n in (1, 16, 1_000)] == [0, 6, check_value % 1_000]


def test_topics_are_named_apart() -> None:
    names = [topics.TELEMETRY, topics.EVIDENCE, topics.DECISIONS, topics.WEIGHTS, topics.DEAD_LETTERS, topics.AUDIT]
    expected = ("telemetry", "evidence", "decisions", "weights", "dead-letters", "audit")
    assert names == [f"trimtab.{name}" for name in expected]


def test_every_published_revision_is_newer_than_none() -> None:
    assert NO_REVISION < (0, 1) < (0, 2) < (1, 0) < (1, 1)
