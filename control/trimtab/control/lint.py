"""Checks files that people write, each by the kind of its first document: releases, graphs, nodes of the catalogue."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

from trimtab.catalog.model_file import load_nodes
from trimtab.control.apply import text_of
from trimtab.schemas import model_graph, release_file
from trimtab.schemas.errors import InvalidFile, Problem
from trimtab.schemas.model_ref import Kind
from trimtab.schemas.release import Release


class Checked(NamedTuple):
    """What files hold, none with a mistake."""

    names: list[str]
    """of everything, in the order of the files"""
    releases: list[Release]


def check(paths: Sequence[Path]) -> Checked:
    """Gives what all files hold. Raises `InvalidFile` with the mistakes of all of them."""
    found, problems = Checked([], []), list[Problem]()
    for path in paths:
        try:
            _check(text_of(path), str(path), found)
        except InvalidFile as error:
            problems += error.problems
    if problems:
        raise InvalidFile(problems)
    return found


def _check(text: str, file: str, found: Checked) -> None:
    kind = _kind(text)
    if kind == "ModelGraph":
        found.names.extend(str(graph.metadata.name) for graph in model_graph.load(text, file))
    elif kind in list(Kind):
        found.names.extend(node.ref for node in load_nodes(text, file))
    else:
        releases = release_file.load(text, file)
        found.names.extend(release.name for release in releases)
        found.releases.extend(releases)


def _kind(text: str) -> str:
    """Gives the kind that the first document says it is; nothing where it says none, or is no YAML."""
    try:
        first = next(yaml.compose_all(text, Loader=yaml.SafeLoader), None)
    except (yaml.YAMLError, RecursionError):
        return ""
    pairs = first.value if isinstance(first, yaml.MappingNode) else []
    return next((str(value.value) for key, value in pairs if key.value == "kind"), "")
