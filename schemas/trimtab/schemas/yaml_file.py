"""Reading files that people write in YAML, so that every mistake is told with its file, line and field."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, NamedTuple, TypeVar

import yaml
from pydantic import ValidationError
from yaml.reader import ReaderError

from trimtab.schemas.errors import InvalidFile, Problem
from trimtab.schemas.nearest import near

Path = tuple[str | int, ...]

_WORDS: Final = {
    "missing": "expected a value, found none",
    "extra_forbidden": "no such field",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "dict_type": "expected a mapping",
    "tuple_type": "expected a list",
    "string_type": "expected a text",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "too_short": "expected at least {min_length}",
    "string_too_short": "expected at least {min_length} character",
    "greater_than": "expected above {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected below {lt}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "string_pattern_mismatch": "expected a text that matches {pattern}",
    "union_tag_not_found": "expected a value, found none",
    "union_tag_invalid": "expected one of {expected_tags}",
}
"""Our words for pydantic's types of error; the rest is told in pydantic's."""

_SILENT_ON_INPUT: Final = ("missing", "extra_forbidden", "union_tag_not_found")

_CHOICES: Final = ("literal_error", "union_tag_invalid")
_QUOTED: Final = re.compile("'([^']*)'")

_WITHIN: Final = ""
_ROOT: Final = "(document)"
_STRING: Final = "tag:yaml.org,2002:str"
_MERGE: Final = "tag:yaml.org,2002:merge"

_MAX_DEPTH: Final = 32
_MAX_NODES: Final = 20_000
"""Far more than any file of ours needs. Aliases can make a short file endless."""


T = TypeVar("T")


class Reading(NamedTuple, Generic[T]):
    """What the documents of a file are to be."""

    what: str
    """as a message calls one of them, with its article"""
    several: str
    validate: Callable[[object], T]
    """raises pydantic's `ValidationError`"""
    name: Callable[[T], str]
    """by which no two of a file may be called"""
    named_by: Path
    """the field of that name"""


def load(text: str, file: str, reading: Reading[T]) -> list[T]:
    """Gives the documents of a YAML (or JSON) text, one or more; `file` is what to call it in errors.

    Raises `InvalidFile` with every mistake found, and gives nothing in that case.
    """
    problems: list[Problem] = []
    found: dict[str, T] = {}
    for node in _documents(text, file):
        try:
            _check_shape(node, file)
            lines = dict(_lines(node, ()))
            one = reading.validate(_construct(node, file))
            name = reading.name(one)
            if name in found:
                told = f"{name!r} names two {reading.several} of this file"
                problems.append(Problem(file, _line(lines, reading.named_by), _field(reading.named_by), told))
            found[name] = one
        except InvalidFile as error:
            problems += error.problems
        except ValidationError as error:
            problems += [_problem(file, lines, detail) for detail in _causes(error)]
    if not problems and not found:
        problems = [Problem(file, 1, _ROOT, f"expected {reading.what}, found an empty file")]
    if problems:
        raise InvalidFile(problems)
    return list(found.values())


def _documents(text: str, file: str) -> list[yaml.Node]:
    try:
        return [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidFile([_not_yaml(file, mark, error.problem or error.context)]) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InvalidFile([Problem(file, line, _ROOT, f"not YAML: {error.reason}")]) from error
    except RecursionError as error:
        raise InvalidFile([Problem(file, 1, _ROOT, "nested too deeply")]) from error


def _not_yaml(file: str, mark: yaml.Mark | None, what: str | None) -> Problem:
    return Problem(file, mark.line + 1 if mark else 1, _ROOT, f"not YAML: {what}")


def _check_shape(node: yaml.Node, file: str) -> None:
    """Refuses what is endless, keys that are no texts, and keys that stand twice (YAML lets the last one win)."""
    for count, (path, child) in enumerate(_walk(node, ())):
        if count > _MAX_NODES or len(path) > _MAX_DEPTH:
            line = child.start_mark.line + 1
            raise InvalidFile([Problem(file, line, _field(path[:3]), "nested too deeply, or too long")])
        if isinstance(child, yaml.MappingNode):
            _check_keys(child, path, file)


def _check_keys(mapping: yaml.MappingNode, path: Path, file: str) -> None:
    seen: set[str] = set()
    for key, _ in mapping.value:
        line = key.start_mark.line + 1
        if key.tag not in (_STRING, _MERGE):
            raise InvalidFile([Problem(file, line, _field(path), "expected texts as keys")])
        if key.value in seen:
            raise InvalidFile([Problem(file, line, _field((*path, key.value)), "stands twice")])
        seen.add(key.value)


def _construct(node: yaml.Node, file: str) -> object:
    """Gives the value of a node, telling which scalar is at fault where YAML cannot make a value of one."""
    constructor = yaml.SafeLoader("")
    try:
        for path, child in _walk(node, ()):
            try:
                if isinstance(child, yaml.ScalarNode) and child.tag != _MERGE:
                    constructor.construct_object(child)
            except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:
                what = f"cannot be read as {child.tag.rpartition(':')[2]}: {child.value[:80]!r}"
                raise InvalidFile([Problem(file, child.start_mark.line + 1, _field(path), what)]) from error
        return constructor.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise InvalidFile([_not_yaml(file, error.problem_mark, error.problem)]) from error
    finally:
        constructor.dispose()


def _walk(node: yaml.Node, path: Path) -> Iterator[tuple[Path, yaml.Node]]:
    yield path, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*path, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _walk(value, (*path, index))


def _lines(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    """Gives the line of every path: that of the key for a mapping's value, else where the value starts.

    Below what is no scalar there is a path that ends in `_WITHIN`.
    """
    yield path, node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        yield (*path, _WITHIN), node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            yield from _lines(value, below)
            yield below, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*path, index))


def _causes(error: ValidationError) -> list[Any]:
    """Leaves out what says less than another problem.

    A list is "too short" also when one of its items is wrong. What may be a list or a mapping is "no list" also where
    it is a mapping with something wrong in it.
    """
    details = error.errors()
    return [detail for detail in details if not any(_says_more(other["loc"], detail) for other in details)]


def _says_more(other: tuple[str | int, ...], detail: Any) -> bool:
    """Whether there is a problem within what a detail is about."""
    where: tuple[str | int, ...] = detail["loc"]
    if detail["type"] == "too_short":
        return other != where and other[: len(where)] == where
    return _is_of_kind(detail) and len(other) > len(where) and other[: len(where) - 1] == where[:-1]


def _is_of_kind(detail: Any) -> bool:
    """Whether a value is not of one of the kinds that it may be: pydantic's location ends in it, `tuple[str, ...]`."""
    return bool(detail["loc"]) and detail["type"].endswith("_type") and "[" in str(detail["loc"][-1])


def _problem(file: str, lines: dict[Path, int], detail: Any) -> Problem:
    kind, context, message = detail["type"], detail.get("ctx", {}), detail["msg"]
    # A value that is wrong as a whole is there: what its location ends in may be a tag.
    given = detail["loc"][:-1] if _is_of_kind(detail) else detail["loc"]
    location = _in_file((*given, *[_WITHIN] * (kind == "value_error")), lines)
    location = location[:-1] if kind == "value_error" else location
    if kind == "value_error":
        message = str(context["error"])
        field, colon, rest = message.partition(": ")
        if colon and " " not in field:
            steps = [int(step) if step.isdecimal() else step for step in field.split(".")]
            is_tag = location in lines and (*location, _WITHIN) not in lines
            location, message = (*(location[:-1] if is_tag else location), *steps), rest
    else:
        words = _WORDS[kind].format(**context) if kind in _WORDS else message.replace("Input should be", "expected", 1)
        message = words if kind in _SILENT_ON_INPUT else f"{words}, got {_got(detail)!r:.80}{_nearest(detail)}"
    if kind.startswith("union_tag"):
        location = (*location, context["discriminator"].strip("'"))
    return Problem(file, _line(lines, location), _field(location), message)


def _nearest(detail: Any) -> str:
    """Asks for the nearest of the names that there are, where one out of several was expected."""
    got, context = _got(detail), detail.get("ctx", {})
    told = str(context.get("expected_tags") or context.get("expected", "")) if detail["type"] in _CHOICES else ""
    names = _QUOTED.findall(told)
    return near(got, names) if isinstance(got, str) and len(names) > 1 else ""


def _got(detail: Any) -> object:
    match detail["type"]:
        case "union_tag_invalid":
            return detail["ctx"]["tag"]
        case "too_short":
            return detail["ctx"]["actual_length"]
        case _:
            return detail["input"]


def _in_file(location: tuple[str | int, ...], lines: dict[Path, int]) -> Path:
    """Leaves out the steps of a pydantic location that are not in the file: the tags of tagged unions.

    A tag may have the name of a field: nothing is within a scalar.
    """
    path: Path = ()
    for step, after in zip(location, (*location[1:], None), strict=False):
        below = (*path, step)
        if after is None or (below in lines and (after == _WITHIN or (*below, _WITHIN) in lines)):
            path = below
    return path


def _line(lines: dict[Path, int], location: Path) -> int:
    for length in range(len(location), -1, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return 1


def _field(location: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".") or _ROOT
