"""Release files compared with what is applied."""

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from trimtab.schemas.release import Release, parse_document
from trimtab.schemas.release_file import dump


@dataclass(frozen=True, slots=True)
class Field:
    """A field that differs; null on the side that does not have it."""

    path: str
    """names with dots, and [n] for the n-th of a list, counted from 0"""
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Difference:
    """What applying one release would change."""

    release: str
    change: Literal["created", "changed", "unchanged"]
    fields: list[Field]
    lines: list[str]
    """a unified diff of both as YAML, defaults included"""


def difference(release: Release, applied: bytes | None) -> Difference:
    """Gives what applying `release` would change; `applied` is the document in force, None where there is none."""
    if applied is None:
        return Difference(release.name, "created", [], _lines("", dump(release), release.name))
    if applied == release.document():
        return Difference(release.name, "unchanged", [], [])
    before = parse_document(applied)
    fields = list(_fields(_plain(before), _plain(release), ""))
    return Difference(release.name, "changed", fields, _lines(dump(before), dump(release), release.name))


def _plain(release: Release) -> Any:
    return json.loads(release.document())


def _lines(before: str, after: str, name: str) -> list[str]:
    old, new = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(old, new, f"applied/{name}", f"file/{name}", lineterm=""))


def _fields(before: Any, after: Any, path: str) -> Iterator[Field]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from _fields(before.get(name), after.get(name), f"{path}.{name}" if path else name)
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            sides = [side[place] if place < len(side) else None for side in (before, after)]
            yield from _fields(sides[0], sides[1], f"{path}[{place}]")
    elif before != after:
        yield Field(path, before, after)
