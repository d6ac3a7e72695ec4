"""Whose answer it was, where models answer: by the version that the answer names, or the path, or else by the route.

Envoy is asked to look into answers (`bootstrap.py`, `models`): its filter reads `model_name` and `model_version` of the
Open Inference Protocol from the JSON that a model server answers, and its log has them, and the path. Decided here,
in this order:

1. The answer names a version that is a variant of the release (`trimtab.schemas.inference.variant_of`): it is that
   variant's, be it the one that the request was routed to (`told`) or another (`other`).
2. It names one that is none: it is the route's variant's (`unknown`).
3. It names none, but the path asked for one that is a variant, and the answer is good: it is that variant's (`asked`).
   What refuses to answer for a version is not that version.
4. It names none: it is the route's variant's (`missing`).
"""

from collections import Counter
from http import HTTPStatus
from typing import Any, Final

import msgspec

from trimtab.schemas.inference import Served, asked_for, variant_of
from trimtab.schemas.stamp import Stamped
from trimtab.schemas.telemetry import RoutingKey

FILTER: Final = "trimtab.models"
"""The filter that looks into answers, and the namespace of what it finds."""
MODEL: Final = "model"
VERSION: Final = "version"
"""What it finds: the keys in that namespace."""

KINDS: Final = ("told", "other", "unknown", "asked", "missing")
"""What answers to inference requests said of their version."""


class Answers:
    """Tells whose answers are, and counts what they said."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def key(self, stamped: Stamped, routed: RoutingKey, served: Served, *, path: str, status: int) -> RoutingKey:
        """Gives the key of an answer to a request that was routed by `routed`; that itself where it is no inference."""
        asked = asked_for(path)
        if asked is None:
            return routed
        if served.version:
            variant = variant_of(served, stamped.targets)
            kind = "unknown" if not variant else "told" if variant == routed.variant else "other"
        else:
            is_good = HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
            variant = variant_of(asked, stamped.targets) if is_good else ""
            kind = "asked" if variant else "missing"
        self.counts[kind] += 1
        return stamped.key_of(variant) if variant else routed


class _Found(msgspec.Struct):
    model: str = ""
    version: str = ""


_decode = msgspec.json.Decoder(_Found).decode


def found(text: bytes) -> Served:
    """Gives what a line of the log has of the filter's findings: JSON, or `-` where it found nothing."""
    try:
        read = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Served()
    return Served(read.model, read.version)


def model_filter() -> dict[str, Any]:
    """Gives Envoy's filter, for the chain of an HTTP connection manager.

    It holds an answer of JSON back until it is whole, and no other: streams of events and binary tensors pass. What is
    greater than the listener's `per_connection_buffer_limit_bytes` (Envoy's own: 1 MiB) becomes an error 500.
    """
    kind = "type.googleapis.com/envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata"
    rules = [
        {
            "selectors": [{"key": field}],
            "on_present": {"metadata_namespace": FILTER, "key": key, "type": "STRING"},
        }
        for field, key in (("model_name", MODEL), ("model_version", VERSION))
    ]
    return {
        "name": FILTER,
        "typed_config": {
            "@type": kind,
            "response_rules": {
                "rules": rules,
                "allow_content_types_regex": {"google_re2": {}, "regex": "application/json.*"},
            },
        },
    }
