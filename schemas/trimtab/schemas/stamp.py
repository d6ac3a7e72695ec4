"""The stamp on a route: whose it is, which revision made it, its segment, and which cluster is which variant.

It rides in the route's metadata. Envoy copies it into every access log entry of a request that the route took, so
an entry says by itself which weights were in force when its request was routed. Nothing has to be remembered from
one revision to the next, nor from one life of the sidecar to the next.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.ids import Revision
from trimtab.schemas.telemetry import RoutingKey

METADATA: Final = "trimtab"
"""The namespace of our metadata on a route."""

METADATA_KEY: Final = "stamp"
"""Where in it the stamp is."""

OUTSIDE: Final = "outside"
"""In the stamp's place, on a route of requests that take part in no release: nobody is to be told of them."""

HEADER_SHADOW_CLUSTER: Final = "x-trimtab-shadow-cluster"
HEADER_SHADOW_STAMP: Final = "x-trimtab-shadow-stamp"
"""Of every copy: where it is to go, and the stamp of the route that made it. A service may know copies by them."""


class _Stamp(msgspec.Struct, frozen=True, omit_defaults=True):
    release: str
    era: int
    revision: int
    targets: dict[str, str]
    """variant -> cluster"""
    segment: str = ""
    sticky: bool = False


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(_Stamp).decode


class Stamped(NamedTuple):
    """What a stamp says."""

    keys: dict[str, RoutingKey]
    """cluster -> the key of the events that it answers"""
    is_sticky: bool
    """whether the cluster is chosen anew once the request's start has been logged"""
    targets: Mapping[str, str] = MappingProxyType({})
    """variant -> cluster"""

    def key_of(self, variant: str) -> RoutingKey:
        """Gives the key of the events of a variant, also where another has the same cluster."""
        told = next(iter(self.keys.values()))
        return RoutingKey(told.release, variant, told.segment, told.era, told.revision)


def stamp(
    release: str, revision: Revision, targets: Mapping[str, str], segment: str = "", *, is_sticky: bool = False
) -> str:
    """Gives the stamp of a route to `targets` (variant -> cluster); of no revision where no weights made it."""
    return _encode(_Stamp(release, *revision, dict(targets), segment, is_sticky)).decode()


def read_stamp(text: str) -> Stamped:
    """Gives what a stamp says. Raises `InvalidRecord` for a text that is no stamp."""
    try:
        read = _decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidRecord(f"not a stamp: {error}") from error
    keys = {
        cluster: RoutingKey(read.release, variant, read.segment, read.era, read.revision)
        for variant, cluster in read.targets.items()
    }
    return Stamped(keys, read.sticky, read.targets)
