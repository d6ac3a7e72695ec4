"""A copy of a request says whose answer it will be; nothing else does."""

import pytest

from trimtab.client import RoutingKey, copied
from trimtab.schemas.stamp import HEADER_SHADOW_CLUSTER, HEADER_SHADOW_STAMP, stamp

STAMP = stamp("digits", (7, 42), {"v1": "digits-1", "v2": "digits-2"}, "phones")


def test_a_copy_is_of_the_variant_that_it_was_copied_to() -> None:
    headers = {HEADER_SHADOW_STAMP: STAMP, HEADER_SHADOW_CLUSTER: "digits-2", "host": "models.example"}
    assert copied(headers) == RoutingKey("digits", "v2", "phones", 7, 42)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {HEADER_SHADOW_CLUSTER: "digits-2"},
        {HEADER_SHADOW_STAMP: STAMP},
        {HEADER_SHADOW_STAMP: STAMP, HEADER_SHADOW_CLUSTER: "digits-9"},
        {HEADER_SHADOW_STAMP: "not a stamp", HEADER_SHADOW_CLUSTER: "digits-2"},
    ],
)
def test_whatever_says_less_is_no_copy(headers: dict[str, str]) -> None:
    assert copied(headers) is None
