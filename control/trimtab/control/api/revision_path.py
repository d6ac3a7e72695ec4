"""Revisions as addresses, event ids and ETags have them: `ERA-OFFSET`."""

import re
from typing import Annotated, Final

from fastapi import Path, Query

from trimtab.schemas.ids import RELEASE_PATTERN, Revision

PATTERN: Final = r"^[0-9]{1,18}-[0-9]{1,18}$"
_revision: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")

Name = Annotated[str, Path(pattern=RELEASE_PATTERN, max_length=127, description="The release.")]
RevisionPath = Annotated[
    str, Path(pattern=PATTERN, description="ERA-OFFSET; an era of 0 stands for that of the newest decision.")
]
Before = Annotated[str | None, Query(pattern=PATTERN, description="ERA-OFFSET: only what is older.")]


def written(revision: Revision) -> str:
    """Gives the text of a revision.

    >>> written((1764000000, 42))
    '1764000000-42'
    """
    return f"{revision[0]}-{revision[1]}"


def read(text: str) -> Revision:
    """Gives the revision that a text stands for. Raises `ValueError`.

    >>> read("1764000000-42")
    (1764000000, 42)
    """
    match = _revision.fullmatch(text)
    if match is None:
        raise ValueError(f"expected ERA-OFFSET, two whole numbers, got {text!r:.60}")
    return int(match[1]), int(match[2])


def etag(revision: Revision) -> str:
    """Gives the entity tag (RFC 9110, section 8.8.3) of a release at a revision."""
    return f'"{written(revision)}"'


def matches(condition: str, revision: Revision | None) -> bool:
    """Whether `If-Match` or `If-None-Match` names this revision; None stands for a release that does not exist."""
    if revision is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return "*" in tags or etag(revision) in tags
