"""The stamp on a route: whose it is, which revision made it, and which cluster is which variant.

It rides in the route's metadata. Envoy copies it into every access log entry of a request that the route took, so
an entry says by itself which weights were in force when its request was routed. Nothing has to be remembered from
one revision to the next, nor from one life of the sidecar to the next.
"""

from typing import Final

import msgspec

from trimtab.schemas.decision import WeightsRecord
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.telemetry import RoutingKey

METADATA: Final = "trimtab"
"""The namespace of our metadata on a route."""

METADATA_KEY: Final = "stamp"
"""Where in it the stamp is."""


class _Stamp(msgspec.Struct, frozen=True):
    release: str
    era: int
    revision: int
    targets: dict[str, str]
    """variant -> cluster"""


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(_Stamp).decode


def stamp(record: WeightsRecord) -> str:
    """Gives the stamp of the route that `record` makes."""
    return _encode(_Stamp(record.release, record.era, record.revision, record.targets)).decode()


def routing_keys(text: str) -> dict[str, RoutingKey]:
    """Gives, for each cluster that a stamp names, the key of the events that it answers.

    Raises `InvalidRecord` for a text that is no stamp.
    """
    try:
        read = _decode(text)
    except (msgspec.DecodeError, ValueError) as error:
        raise InvalidRecord(f"not a stamp: {error}") from error
    return {
        cluster: RoutingKey(read.release, variant, "", read.era, read.revision)
        for variant, cluster in read.targets.items()
    }
