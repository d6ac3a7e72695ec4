"""Whether a field of a file that people write takes whatever it took, and means the same by it.

Such files go one way: what somebody wrote for an older release of Trimtab is read by newer ones, out of a repository or
the evidence log. So a field may take more than it did. Records go both ways while releases of Trimtab run beside each
other: there, what takes more is refused by whoever is older, and needs a version that tells it why.
"""

import json
from typing import Any, Final

from schemas.shapes import REQUIRED

Schema = dict[str, Any]

_CHOICES: Final = ("anyOf", "oneOf")
_LEAST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_MOST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_WITHIN: Final = ("items", "additionalProperties")
_LIMITS: Final = (*_LEAST, *_MOST, "pattern")


def takes_all(old: str, new: str) -> bool:
    """Whether a field takes what it took, both as `shapes` tells them: a schema, and whether it has to be there."""
    (old_schema, old_need), (new_schema, new_need) = _parts(old), _parts(new)
    if not _schema_takes_all(old_schema, new_schema):
        return False
    return old_need in (REQUIRED, new_need) or ("$ref" in old_schema and _is_longer(old_need, new_need))


def _parts(field: str) -> tuple[Schema, str]:
    schema, end = json.JSONDecoder().raw_decode(field)
    return schema, field[end:].removeprefix(", ")


def _is_longer(old: str, new: str) -> bool:
    """Whether the default of a part is the same but for fields that the part had not."""
    before, after = (json.loads(one.removeprefix("default ") if one != REQUIRED else "null") for one in (old, new))
    return isinstance(before, dict) and isinstance(after, dict) and before.items() <= after.items()


def _schema_takes_all(old: Schema, new: Schema) -> bool:
    olds, news = _choices(old), _choices(new)
    if len(olds) == len(news) == 1:
        return _one_takes_all(olds[0], news[0])
    return all(any(_one_takes_all(one, other) for other in news) for one in olds)


def _choices(schema: Schema) -> list[Schema]:
    """Gives what a schema lets a value be. A discriminator only names which is which."""
    for choice in _CHOICES:
        if choice in schema and schema.keys() <= {choice, "discriminator"}:
            return [one for each in schema[choice] for one in _choices(each)]
    if "enum" in schema:
        rest = {key: value for key, value in schema.items() if key != "enum"}
        return [{**rest, "const": value} for value in schema["enum"]]
    return [schema]


def _one_takes_all(old: Schema, new: Schema) -> bool:
    return all(_keeps(key, old.get(key), new.get(key)) for key in old.keys() | new.keys())


def _keeps(key: str, old: Any, new: Any) -> bool:
    """Whether one key of a schema lets pass what it did; None where it does not stand."""
    if old == new:
        return True
    if key in _LIMITS and new is None:
        return True
    if old is None or new is None:
        return False
    if key in _WITHIN and isinstance(old, dict) and isinstance(new, dict):
        return _schema_takes_all(old, new)
    return (key in _LEAST and new < old) or (key in _MOST and new > old)
