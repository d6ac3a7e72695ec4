"""Names and numbers that identify things, and the grammar they keep to."""

import re
from typing import Final, NewType

ReleaseId = NewType("ReleaseId", str)
VariantId = NewType("VariantId", str)

NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""Releases, variants and segments: as a DNS label, so that a name fits a host, a key and a header."""

_name = re.compile(NAME_PATTERN)


def is_name(text: str) -> bool:
    """Whether `text` may name a release, a variant or a segment."""
    return _name.fullmatch(text) is not None  # `$` alone would let a trailing newline pass


Revision = tuple[int, int]
"""(era, revision): compares as a whole. The era is the age of the evidence log (seconds since the epoch at which
its first record was appended), the revision is the offset of the record that caused the decision, plus one."""

NO_REVISION: Final[Revision] = (0, 0)
"""Older than every published revision: the weights that a proxy was started with."""

BASIS_POINTS: Final = 10_000
"""The total that the weights of a release always sum to."""
