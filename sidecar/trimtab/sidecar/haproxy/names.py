"""What the configuration of HAProxy and the sidecar agree on: names of backends, files, headers and log fields.

    RELEASE                                the requests that go by the weights of the whole
    RELEASE:segment:SEGMENT[:DIGEST]       those of a segment
    RELEASE:claim:VARIANT:DIGEST           those that a variant takes by its condition
    RELEASE:outside:DIGEST                 those that take no part
    RELEASE:sticky:DIGEST                  none: it says by what visitors are recognised

The digest is of the conditions that lead there. A configuration that was printed for other conditions thus has not the
backend that the weights are for, which is noticed before anything moves.
"""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple

from trimtab.schemas.decision import Sticky
from trimtab.schemas.ids import NO_REVISION, Revision
from trimtab.sidecar.edition import Edition

HEADER_RELEASE: Final = "x-trimtab-release"
HEADER_VARIANT: Final = "x-trimtab-variant"
HEADER_REVISION: Final = "x-trimtab-revision"
HEADER_SEGMENT: Final = "x-trimtab-segment"

LOG_TAG: Final = "trimtab/1"
"""How each of our lines in HAProxy's log begins; the number is the version of the fields."""

NO_SERVER: Final = "<NOSRV>"
NO_FALLBACK: Final = "-"


class Files(NamedTuple):
    """The files in the folder that HAProxy and its sidecar share."""

    folder: Path

    @property
    def map(self) -> Path:
        """What requests are stamped with, which cookies hold, and how strong claims are: key -> value."""
        return self.folder / "trimtab.map"

    @property
    def servers(self) -> Path:
        """The state of all servers, which HAProxy loads when it is reloaded."""
        return self.folder / "servers.state"

    @property
    def script(self) -> Path:
        """What HAProxy keeps visitors on their variants by."""
        return self.folder / "trimtab.lua"

    @property
    def log_socket(self) -> Path:
        """Where the sidecar takes HAProxy's log from a ring."""
        return self.folder / "log.sock"

    @property
    def checkpoint(self) -> Path:
        """Up to where a log file has been delivered."""
        return self.folder / "log.checkpoint"

    def segments(self, release: str) -> Path:
        """The map of a user's own: key -> segment."""
        return self.folder / f"segments.{release}.map"


class Place(NamedTuple):
    """What a backend's name says."""

    release: str
    kind: str = ""
    """`segment`, `claim`, `outside`, `sticky`, or none for the whole"""
    name: str = ""
    """of the segment or the variant"""


def place_of(backend: str) -> Place:
    """Gives what the name of a backend says; of one that is not ours, a release of that name.

    >>> place_of("checkout:segment:mobile:0a1b2c3d")
    Place(release='checkout', kind='segment', name='mobile')
    """
    release, _, rest = backend.partition(":")
    kind, _, rest = rest.partition(":")
    return Place(release, kind, "" if kind in ("outside", "sticky") else rest.partition(":")[0])


def segment_backend(release: str, segment: str, overall: str = "", condition: str = "") -> str:
    """Gives the backend of a segment; one without a condition is told by a map, and its name has no digest."""
    digest = f":{_digest(overall, condition)}" if condition else ""
    return f"{release}:segment:{segment}{digest}"


def claim_backend(release: str, variant: str, overall: str, condition: str) -> str:
    """Gives the backend of what a variant takes by its condition."""
    return f"{release}:claim:{variant}:{_digest(overall, condition)}"


def outside_backend(release: str, overall: str) -> str:
    """Gives the backend of what takes no part."""
    return f"{release}:outside:{_digest(overall)}"


def sticky_backend(release: str, by: Sticky) -> str:
    """Gives the backend, which gets no requests, that says by what visitors are recognised."""
    return f"{release}:sticky:{_digest(by.seed, by.cookie, by.header.lower())}"


def ranges_key(backend: str) -> str:
    """Gives the key in the map under which stands which servers have which buckets of visitors."""
    return f"{backend}:ranges"


def fallback_key(release: str) -> str:
    """Gives the key in the map under which stands whose fallback is in force: a revision, or `NO_FALLBACK`.

    Requests are stamped with no revision then, and whoever comes next has to know which one HAProxy has.
    """
    return f"{release}:fallback"


def edition_in(entries: Mapping[str, str], release: str) -> Edition:
    """Gives what HAProxy has in force of a release, as the entries of its map say it."""
    stamped = revision_of(entries.get(release, "")) or NO_REVISION
    fallback = revision_of(entries.get(fallback_key(release), ""))
    return Edition(fallback, "baseline") if stamped == NO_REVISION and fallback else Edition(stamped)


def target_of(server: str) -> str:
    """Gives the target that a server is an instance of: its name up to a dot.

    >>> target_of("checkout-v2.3"), target_of("checkout-v2")
    ('checkout-v2', 'checkout-v2')
    """
    return server.partition(".")[0]


def cookie_name(release: str) -> str:
    """Gives the name of the cookie that keeps visitors at their server."""
    return f"trimtab-{release}"


def kept_key(backend: str, server: str) -> str:
    """Gives the key in the map under which stands whether cookies of a server hold (1) or not (0)."""
    return f"{backend}/{server}"


def revision_text(revision: Revision) -> str:
    """Gives `ERA.REVISION`."""
    return f"{revision[0]}.{revision[1]}"


def revision_of(text: str) -> Revision | None:
    """Gives the revision that `revision_text` made a text of; None for any other text."""
    era, _, revision = text.partition(".")
    return (int(era), int(revision)) if _is_number(era) and _is_number(revision) else None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()


def _digest(*texts: str) -> str:
    return blake2b("\0".join(texts).encode(), digest_size=4).hexdigest()
