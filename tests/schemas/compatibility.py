"""Which changes of a shape break whoever has the old one: all but fields with a default and constants that are new.

A field of a file that people write may take more than it did, too (`wider.py`).
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from schemas.shapes import REQUIRED, Shape
from schemas.wider import takes_all

_DEFAULT: Final = ", default "
_FILES: Final = ("release",)
"""Kinds that people write and only newer code reads; all others are written and read by older and newer code."""


def breaks(old: dict[str, Shape], new: dict[str, Shape]) -> list[str]:
    """Gives a line for each change from `old` to `new` that needs a new version of its kind of record."""
    return [line for kind, shape in old.items() for line in _breaks(kind, shape, new.get(kind))]


def _breaks(kind: str, old: Shape, new: Shape | None) -> Iterator[str]:
    if new is None:
        yield f"{kind}: is gone"
    elif new["version"] < old["version"]:
        yield f"{kind}: version {new['version']} came after {old['version']}"
    elif new["version"] == old["version"]:
        yield from _differences(f"{kind}: its type", old["root"], new["root"])
        for name in old["constants"]:
            yield from _differences(f"{kind}: {name}", old["constants"].get(name), new["constants"].get(name))
        for name, struct in old["structs"].items():
            may_differ = takes_all if kind in _FILES else _is_longer_default
            yield from _of_struct(f"{kind}: {name}", struct, new["structs"].get(name), may_differ)


def _of_struct(where: str, old: Shape, new: Shape | None, may_differ: Callable[[str, str], bool]) -> Iterator[str]:
    if new is None:
        yield f"{where}: is gone"
        return
    yield from _differences(f"{where}: its tag", old["tag"], new["tag"])
    yield from _differences(f"{where}: is an array", old["is_array"], new["is_array"])
    before, after = old["fields"], new["fields"]
    for name, field in before.items():
        if name not in after or not may_differ(field, after[name]):
            yield from _differences(f"{where}.{name}", field, after.get(name))
    for name in after.keys() - before.keys():
        if after[name].endswith(REQUIRED):
            yield f"{where}.{name}: was added without a default"
    if old["is_array"] and list(after)[: len(before)] != list(before):
        yield f"{where}: the order of its fields was {', '.join(before)}, now it is {', '.join(after)}"


def _is_longer_default(old: str, new: str) -> bool:
    """Whether all that changed in a field is that its default, which is a part, has more fields."""
    (old_type, _, old_default), (new_type, _, new_default) = old.partition(_DEFAULT), new.partition(_DEFAULT)
    if old_type != new_type or not old_type.isidentifier() or not (old_default and new_default):
        return False
    before, after = json.loads(old_default), json.loads(new_default)
    if isinstance(before, list) and isinstance(after, list):  # a part that travels as an array
        return after[: len(before)] == before
    return isinstance(before, dict) and isinstance(after, dict) and before.items() <= after.items()


def _differences(where: str, old: Any, new: Any) -> Iterator[str]:
    if new is None and old is not None:
        yield f"{where}: is gone"
    elif old != new:
        yield f"{where}: was {old!r}, now it is {new!r}"
