"""Copies of requests, as a service gets them that answers for a candidate of a shadow release."""

from collections.abc import Mapping

from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.stamp import HEADER_SHADOW_CLUSTER, HEADER_SHADOW_STAMP, read_stamp
from trimtab.schemas.telemetry import RoutingKey


def copied(headers: Mapping[str, str]) -> RoutingKey | None:
    """Gives whose answer to a copy it will be, for `Labels.predicted(..., shadow=True)`; None for any other request.

    `headers` of the request: a mapping that knows no case, or one with names in lower case, as Envoy writes them. It
    takes headers from the requests of visitors, but not where a service is reached past it.

    >>> copied({"host": "shop.example"}) is None
    True
    """
    stamp = headers.get(HEADER_SHADOW_STAMP)
    if stamp is None:
        return None
    try:
        return read_stamp(stamp).keys.get(headers.get(HEADER_SHADOW_CLUSTER, ""))
    except InvalidRecord:
        return None
