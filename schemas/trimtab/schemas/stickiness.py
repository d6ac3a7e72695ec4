"""Stickiness: who is sent to a variant once is sent there again, for as long as its share allows.

A key (a cookie, a header, or what a service knows of its user) falls into one of 10,000 buckets, and ranges of buckets
belong to variants, as wide as their weights. Whoever knows seed and ranges comes to the same variant: proxies, and
`trimtab.client.Assign` within a service.

The bucket is FNV-1a of 32 bits over the UTF-8 bytes of seed and key, once more over the decimal digits of that, modulo
10,000. SDKs for experiments know this as version 2 of their hash: the second round keeps experiments with seeds alike
from sorting users alike.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final, Self

from pydantic import AfterValidator, Field, model_validator

from trimtab.schemas.condition_field import Field as ConditionField
from trimtab.schemas.condition_field import amiss_in_name
from trimtab.schemas.ids import BASIS_POINTS
from trimtab.schemas.part import Part

Range = tuple[str, int]
"""a variant, and how many buckets in a row it has"""

_OFFSET: Final = 0x811C9DC5
_PRIME: Final = 0x01000193
_WORD: Final = (1 << 32) - 1


def _named(field: ConditionField, name: str) -> str:
    if amiss := amiss_in_name(field, name):
        raise ValueError(f"expected {amiss}, got {name!r}")
    return name


CookieName = Annotated[str, AfterValidator(lambda name: _named("cookie", name))]
HeaderName = Annotated[str, AfterValidator(lambda name: _named("header", name))]
Seed = Annotated[str, Field(max_length=128, pattern=r"^[ -~]*$")]


class Stickiness(Part):
    """By what requests are recognised: a cookie or a header.

    >>> Stickiness(cookie="visitor").seed
    ''
    """

    cookie: CookieName | None = None
    """a request without it gets one, with its answer"""
    header: HeaderName | None = None
    """requests without it go by weight, each by itself"""
    seed: Seed = ""
    """the release's name where nothing is said. Releases with the same seed and weights have the same keys together"""

    @model_validator(mode="after")
    def _key_is_one(self) -> Self:
        if (self.cookie is None) == (self.header is None):
            raise ValueError("expected either a cookie or a header")
        return self


def bucket_of(seed: str, key: str) -> int:
    """Gives the bucket of a key, from 0 to 9,999.

    >>> bucket_of("checkout", "visitor-1"), bucket_of("search", "visitor-1")
    (4341, 4722)
    """
    return _fnv1a(str(_fnv1a((seed + key).encode())).encode()) % BASIS_POINTS


def _fnv1a(data: bytes) -> int:
    number = _OFFSET
    for byte in data:
        number = ((number ^ byte) * _PRIME) & _WORD
    return number


def variant_at(ranges: Iterable[Range], bucket: int) -> str:
    """Gives the variant whose range a bucket is in. Raises `ValueError` where none is.

    >>> variant_at([("v1", 9_000), ("v2", 1_000)], 9_000)
    'v2'
    """
    beyond = 0
    for variant, width in ranges:
        beyond += width
        if bucket < beyond:
            return variant
    raise ValueError(f"bucket {bucket}: expected one below {beyond}")


def ranges_of(weights: Mapping[str, int]) -> list[Range]:
    """Gives ranges, one a variant and in the order of `weights`, where nobody keeps any."""
    return [(variant, weight) for variant, weight in weights.items() if weight]
