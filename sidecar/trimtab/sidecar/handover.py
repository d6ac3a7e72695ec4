"""The document by which weights are handed to a command or a file: JSON, for whatever there is that reads it.

    {"v": 1, "releases": {"checkout": {"era": 1767225600, "revision": 57, "weights": {"v1": 9000, "v2": 1000}, ...}}}

Each release is there as sidecars read it from Redis; `trimtab schema weights` prints what the fields are.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from trimtab.schemas.decision import WeightsRecord

VERSION: Final = 1

_encode = msgspec.json.Encoder().encode


def document(records: Sequence[WeightsRecord]) -> bytes:
    """Gives the document of all releases that are followed, in their order, as one line."""
    return _encode({"v": VERSION, "releases": {record.release: record for record in records}}) + b"\n"
