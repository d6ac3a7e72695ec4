"""Files of the catalogue: what people and pipelines register, in YAML or JSON, one document a node.

kind: model
name: digits
version: "2"
restsOn: [run/digits-forest-2]
environment: [production]
performance: {accuracy: 0.969, p99_ms: 13}
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from trimtab.catalog.entry import Entry
from trimtab.catalog.node import AnyNode, Node, parse_node
from trimtab.schemas.errors import InvalidFile, Problem
from trimtab.schemas.yaml_file import Reading, load

_READING: Final[Reading[AnyNode]] = Reading(
    "a node of the catalogue", "nodes", parse_node, lambda node: str(node.ref), ("name",)
)


def load_nodes(text: str, file: str) -> list[AnyNode]:
    """Gives the nodes of a text; `file` is what to call it in errors.

    Raises `InvalidFile` with every mistake found, and gives nothing in that case.
    """
    return load(text, file, _READING)


def read_nodes(paths: Sequence[Path]) -> list[AnyNode]:
    """Gives the nodes of all files. Raises `InvalidFile` with the mistakes of all of them."""
    nodes: list[AnyNode] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            nodes += load_nodes(path.read_text(encoding="utf-8"), str(path))
        except InvalidFile as error:
            problems += error.problems
        except OSError as error:
            problems.append(Problem(str(path), 1, "(file)", error.strerror or str(error)))
        except UnicodeDecodeError as error:
            problems.append(Problem(str(path), 1, "(file)", f"not UTF-8: {error.reason}"))
    if problems:
        raise InvalidFile(problems)
    return nodes


def dump_nodes(nodes: Sequence[Node]) -> str:
    """Gives nodes as a file that `load_nodes` reads back."""
    documents = [node.model_dump(mode="json", by_alias=True, exclude_defaults=True) for node in nodes]
    text: str = yaml.safe_dump_all(documents, sort_keys=False, explicit_start=True)
    return text


def plain(entry: Entry) -> dict[str, object]:
    """Gives a node as plain data: as in a file, with its newest figures, its revision, and why it is revoked."""
    data: dict[str, object] = entry.node.model_dump(
        mode="json", by_alias=True, exclude={"performance"}, exclude_defaults=True
    )
    if entry.figures:
        data["performance"] = [
            figure.model_dump(mode="json", by_alias=True, exclude_defaults=True) for figure in entry.figures.values()
        ]
    status: dict[str, object] = {"ref": entry.node.ref, "revision": entry.revision}
    if entry.revoked:
        revoked = entry.revoked
        status["revoked"] = {"reason": revoked.reason, "actor": revoked.actor, "timeS": revoked.time_s}
    return {**data, "status": status}
