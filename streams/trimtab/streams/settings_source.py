"""Reading settings: from a file, from the environment, from options; every mistake told, in both spellings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.setting import BROKEN_RULE
from trimtab.streams.setting_table import CONFIG, ENTRIES, PREFIX, both_spellings, variable
from trimtab.streams.setting_table import Path as Place
from trimtab.streams.settings import Settings, environment

_SUFFIX: Final = "_file"
_SECTIONS: Final = frozenset(path[:depth] for path in ENTRIES for depth in range(1, len(path)))
_SECRET_FILES: Final = {(*path[:-1], path[-1] + _SUFFIX): path for path, entry in ENTRIES.items() if entry.is_secret}
"""place of the name of a file -> place of the secret in it"""
_NAMES: Final = {variable(path): path for path in (*ENTRIES, *_SECRET_FILES)}


class WrongSettings(TrimtabError):
    """Settings that cannot be followed; `problems` has a line for each, none of them with a secret in it."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True, slots=True)
class _Given:
    """A value, and where it came from."""

    value: Any
    origin: str


_Values = dict[Place, _Given]


def read_settings(
    file: Path | None = None, options: Mapping[Place, str] | None = None, variables: Mapping[str, str] | None = None
) -> Settings:
    """Gives the settings that are in force. Raises `WrongSettings` with every mistake.

    `file` goes before the one that `TRIMTAB_CONFIG` names; `options` (place -> value) go before all; `variables` are
    the environment, this process's unless given.
    """
    problems: list[str] = []
    variables = environment() if variables is None else variables
    named = file or (Path(variables[CONFIG]) if variables.get(CONFIG) else None)
    values = _of_file(named, problems) if named else {}
    values |= _of_environment(variables, problems)
    values |= {path: _Given(value, "the command line") for path, value in (options or {}).items() if value}
    if problems:
        raise WrongSettings(problems)
    return _checked(values)


def _of_environment(variables: Mapping[str, str], problems: list[str]) -> _Values:
    values: _Values = {}
    for name, value in sorted(variables.items()):
        if not name.startswith(PREFIX) or name == CONFIG or not value:
            continue
        path = _NAMES.get(name)
        if path is None:
            problems.append(f"{name}: there is no such setting{_like(name, _NAMES)}")
        else:
            values[path] = _Given(value, "the environment")
    return _with_secrets(values, problems)


def _of_file(file: Path, problems: list[str]) -> _Values:
    import yaml  # noqa: PLC0415 - most commands have no file, and are not to wait for it

    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        problems.append(f"{file}: expected a file of settings ({CONFIG} or --config): {error.strerror}")
        return {}
    except UnicodeDecodeError:
        problems.append(f"{file}: expected a file of settings in UTF-8")
        return {}
    except yaml.YAMLError as error:
        problems.append(f"{file}: expected YAML: {_place_of(error)}")  # its own words may quote a secret
        return {}
    if not isinstance(tree, dict | None):
        problems.append(f"{file}: expected a mapping of settings, got {type(tree).__name__}")
        return {}
    return _with_secrets(dict(_leaves(tree or {}, (), str(file), problems)), problems)


def _place_of(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"cannot be read at line {mark.line + 1}, column {mark.column + 1}" if mark else "cannot be read"


def _leaves(tree: dict[Any, Any], above: Place, origin: str, problems: list[str]) -> Iterator[tuple[Place, _Given]]:
    for name, value in tree.items():
        path = (*above, str(name))
        if value is None:
            continue
        if path in ENTRIES or path in _SECRET_FILES:
            yield path, _Given(value, origin)
        elif path not in _SECTIONS:
            known = [".".join(other) for other in (*ENTRIES, *_SECRET_FILES)]
            problems.append(f"{origin}: {'.'.join(path)}: there is no such setting{_like('.'.join(path), known)}")
        elif isinstance(value, dict):
            yield from _leaves(value, path, origin, problems)
        else:
            problems.append(f"{origin}: {'.'.join(path)}: expected a mapping of settings, got {type(value).__name__}")


def _with_secrets(values: _Values, problems: list[str]) -> _Values:
    """Gives the values of one source with its secrets read from their files."""
    read: _Values = {}
    for path, given in values.items():
        secret = _SECRET_FILES.get(path)
        if secret is None:
            read[path] = given
        elif secret in values:
            problems.append(f"{both_spellings(path)}: expected either it or {'.'.join(secret)}, got both")
        else:
            try:
                text = Path(str(given.value)).read_text(encoding="utf-8").rstrip("\r\n")
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"{both_spellings(path)}: expected a file that holds the secret: {error}")
            else:
                read[secret] = _Given(text, f"the file {given.value}")
    return read


def _like(name: str, known: Any) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - as yaml

    found = get_close_matches(name, list(known), n=1, cutoff=0.8)
    return f"; did you mean {found[0]}?" if found else "; docs/settings.md lists them"


def _checked(values: _Values) -> Settings:
    try:
        return Settings.model_validate(_tree(values))
    except ValidationError as error:
        # `from None`: pydantic's own error holds what was given.
        raise WrongSettings([_told(one, values) for one in error.errors()]) from None


def _tree(values: _Values) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, given in values.items():
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = given.value
    return tree


def _told(error: ErrorDetails, values: _Values) -> str:
    path: Place = tuple(map(str, error["loc"]))
    message = error["msg"].removeprefix("Value error, ").replace("Input should be", "expected", 1)
    if error["type"] == BROKEN_RULE:
        name = error["ctx"]["setting"]
        return f"{both_spellings((*path, *name.split('.')) if name else path)}: {message}{_origin(path, values)}"
    return f"{both_spellings(path)}: {message}{_got(path, values)}{_origin(path, values)}"


def _got(path: Place, values: _Values) -> str:
    entry, given = ENTRIES.get(path), values.get(path)
    if entry is None or given is None:
        return ""
    return "; what came is not shown" if entry.is_secret else f"; got {given.value!r}"


def _origin(path: Place, values: _Values) -> str:
    given = values.get(path)
    return f", from {given.origin}" if given else ""
