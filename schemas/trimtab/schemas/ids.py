"""Names and numbers that identify things, and the grammar they keep to."""

import re
from typing import Final, NewType

ReleaseId = NewType("ReleaseId", str)
VariantId = NewType("VariantId", str)

NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
"""Services, variants and segments: as a DNS label, so that a name fits a host, a key and a header."""

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
RELEASE_PATTERN: Final = rf"^{_LABEL}(\.{_LABEL})?$"
"""Releases: a name, or two with a dot between, of which the first is the service's: `checkout`, `checkout.2`."""

RELEASE_NAME: Final = "lower-case letters, digits and -, at most 63, or two such names with a dot between"
"""The same in words, for those who told another."""

_name = re.compile(NAME_PATTERN)
_release = re.compile(RELEASE_PATTERN)


def is_name(text: str) -> bool:
    """Whether `text` may name a service, a variant or a segment."""
    return _name.fullmatch(text) is not None  # `$` alone would let a trailing newline pass


def is_release_name(text: str) -> bool:
    """Whether `text` may name a release."""
    return _release.fullmatch(text) is not None


def service_of(release: str) -> str:
    """Gives the service of a release: its name, or what is before the dot.

    >>> service_of("checkout"), service_of("checkout.2")
    ('checkout', 'checkout')
    """
    return release.partition(".")[0]


Revision = tuple[int, int]
"""(era, revision): compares as a whole. The era is the age of the evidence log (seconds since the epoch at which
its first record was appended), the revision is the offset of the record that caused the decision, plus one."""

NO_REVISION: Final[Revision] = (0, 0)
"""Older than every published revision: the weights that a proxy was started with."""

BASIS_POINTS: Final = 10_000
"""The total that the weights of a release always sum to."""
