"""Reading release files, so that every mistake is told with its file, line and field."""

from collections.abc import Hashable, Iterator
from typing import Any, Final

import yaml
from pydantic import ValidationError
from trimtab.schemas.errors import InvalidRelease, Problem
from trimtab.schemas.release import Release

Path = tuple[str | int, ...]

_WORDS: Final = {
    "missing": "expected a value, found none",
    "extra_forbidden": "no such field",
}
_ROOT: Final = "(document)"


def load(text: str, file: str) -> list[Release]:
    """Gives the releases of a YAML (or JSON) text with one or more documents; `file` is what to call it in errors.

    Raises `InvalidRelease` with every mistake found, and gives nothing in that case.
    """
    problems: list[Problem] = []
    releases: list[Release] = []
    for node in _documents(text, file):
        lines = dict(_lines(node, ()))
        try:
            data = _construct(node, file)
            releases.append(Release.model_validate(data))
        except ValidationError as error:
            problems += [_problem(file, lines, detail) for detail in _causes(error)]
    if not problems and not releases:
        problems = [Problem(file, 1, _ROOT, "expected a release, found an empty file")]
    problems += _repeated(file, releases)
    if problems:
        raise InvalidRelease(problems)
    return releases


def dump(release: Release) -> str:
    """Gives the release as YAML."""
    text: str = yaml.safe_dump(release.model_dump(mode="json", by_alias=True), sort_keys=False)
    return text


def _documents(text: str, file: str) -> list[yaml.Node]:
    try:
        return [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InvalidRelease([Problem(file, line, _ROOT, f"not YAML: {error.problem or error.context}")]) from error
    except yaml.YAMLError as error:
        raise InvalidRelease([Problem(file, 1, _ROOT, f"not YAML: {error}")]) from error


def _construct(node: yaml.Node, file: str) -> object:
    """Builds the value of a node, refusing keys that stand twice (YAML itself lets the last one win)."""
    for path, child in _walk(node, ()):
        if isinstance(child, yaml.MappingNode):
            seen: set[str] = set()
            for key, _ in child.value:
                if key.value in seen:
                    field = _field((*path, key.value))
                    raise InvalidRelease([Problem(file, key.start_mark.line + 1, field, "stands twice")])
                seen.add(key.value)
    constructor = yaml.SafeLoader("")
    try:
        return constructor.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InvalidRelease([Problem(file, line, _ROOT, f"not YAML: {error.problem}")]) from error
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
    """Gives the line of every path: that of the key for a mapping's value, else where the value starts."""
    yield path, node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, str(key.value))
            yield from _lines(value, below)
            yield below, key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _lines(value, (*path, index))


def _causes(error: ValidationError) -> list[Any]:
    """Leaves out "too short": a list is that also when one of its items is wrong, which says more."""
    details = error.errors()
    wrong = [detail["loc"] for detail in details]
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(loc != detail["loc"] and loc[: len(detail["loc"])] == detail["loc"] for loc in wrong)
    ]


def _problem(file: str, lines: dict[Path, int], detail: Any) -> Problem:
    location, message = _in_file(detail["loc"], lines), detail["msg"]
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        field, colon, rest = message.partition(": ")
        below = _in_file((*location, *field.split(".")), lines)
        if colon and " " not in field:
            location, message = below if len(below) > len(location) else (*location, *field.split(".")), rest
    elif detail["type"] in _WORDS:
        message = _WORDS[detail["type"]]
    else:
        message = f"{message[0].lower()}{message[1:]}, got {detail['input']!r}"
    return Problem(file, _line(lines, location), _field(location), message)


def _in_file(location: tuple[str | int, ...], lines: dict[Path, int]) -> Path:
    """Leaves out the steps of a pydantic location that are not in the file: the tags of tagged unions."""
    path: Path = ()
    for position, step in enumerate(location):
        if (*path, step) in lines or position == len(location) - 1:
            path = (*path, step)
    return path


def _line(lines: dict[Path, int], location: Path) -> int:
    for length in range(len(location), -1, -1):
        if location[:length] in lines:
            return lines[location[:length]]
    return 1


def _field(location: Path) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return text.removeprefix(".") or _ROOT


def _repeated(file: str, releases: list[Release]) -> list[Problem]:
    names: list[Hashable] = [release.name for release in releases]
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    return [Problem(file, 1, "metadata.name", f"{name!r} names two releases of this file") for name in twice]
