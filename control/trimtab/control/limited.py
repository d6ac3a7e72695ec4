"""As much of a release file as an explanation needs, read without the whole schema, which takes a tenth of a second."""

import msgspec

from trimtab.schemas.errors import InvalidRecord


class LimitedVariant(msgspec.Struct, frozen=True, rename="camel"):
    """A variant with the limits of its own."""

    name: str
    min_weight: int | None = None
    max_weight: int | None = None


class _Limits(msgspec.Struct, frozen=True, rename="camel"):
    max_step: int
    max_weight: int
    min_weight: int
    holdout: int
    hysteresis: int
    cooldown: str


class _Strategy(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    interval: str = ""
    """of a bandit or an ensemble"""


class Limited(msgspec.Struct, frozen=True, rename="camel"):
    """What bounds the weights of a release. Durations are texts, as the file has them."""

    baseline: str
    variants: list[LimitedVariant]
    limits: _Limits
    strategy: _Strategy


class _Document(msgspec.Struct, frozen=True):
    spec: Limited


_decode = msgspec.json.Decoder(_Document).decode


def limited(document: bytes) -> Limited:
    """Gives it from a document of `Release.document`. Raises `InvalidRecord` for anything else."""
    try:
        return _decode(document).spec
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidRecord(f"not a release: {error}") from error
