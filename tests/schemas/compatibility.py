"""Which changes of a shape break whoever has the old one: all but fields with a default and constants that are new.

A release file is written by people and travels as it is: it may also get more to choose from, since a worker that does
not know a choice says so. Records of our own may not.
"""

import json
from collections.abc import Iterator
from typing import Any

from schemas.shapes import REQUIRED, Shape


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
            yield from _of_struct(f"{kind}: {name}", struct, new["structs"].get(name))


def _of_struct(where: str, old: Shape, new: Shape | None) -> Iterator[str]:
    if new is None:
        yield f"{where}: is gone"
        return
    yield from _differences(f"{where}: its tag", old["tag"], new["tag"])
    yield from _differences(f"{where}: is an array", old["is_array"], new["is_array"])
    before, after = old["fields"], new["fields"]
    for name, field in before.items():
        if not (where.startswith("release: ") and _offers_more(field, after.get(name, ""))):
            yield from _differences(f"{where}.{name}", field, after.get(name))
    for name in after.keys() - before.keys():
        if after[name].endswith(REQUIRED):
            yield f"{where}.{name}: was added without a default"
    if old["is_array"] and list(after)[: len(before)] != list(before):
        yield f"{where}: the order of its fields was {', '.join(before)}, now it is {', '.join(after)}"


def _offers_more(old: str, new: str) -> bool:
    """Whether a field of the release file takes all that it took, and other choices."""
    (was, need), (now, new_need) = _parted(old), _parted(new)
    choices, more = was.pop("oneOf", []), now.pop("oneOf", [])
    mapping, _ = was.pop("discriminator", None), now.pop("discriminator", None)
    return bool(mapping) and need == new_need and was == now and all(choice in more for choice in choices)


def _parted(field: str) -> tuple[dict[str, Any], str]:
    """Gives the schema of a field, and whether it is needed."""
    schema, end = json.JSONDecoder().raw_decode(field or "{}")
    return schema, field[end:]


def _differences(where: str, old: Any, new: Any) -> Iterator[str]:
    if new is None and old is not None:
        yield f"{where}: is gone"
    elif old != new:
        yield f"{where}: was {old!r}, now it is {new!r}"
