"""Reading release files, so that every mistake is told with its file, line and field."""

from typing import Final

import yaml

from trimtab.schemas.errors import InvalidFile, InvalidRelease
from trimtab.schemas.release import Release
from trimtab.schemas.yaml_file import Reading
from trimtab.schemas.yaml_file import load as load_file

_READING: Final = Reading(
    "a release",
    "releases",
    lambda document: Release.model_validate(document, by_alias=True, by_name=False),
    lambda release: str(release.name),
    ("metadata", "name"),
)


def load(text: str, file: str) -> list[Release]:
    """Gives the releases of a YAML (or JSON) text with one or more documents; `file` is what to call it in errors.

    Raises `InvalidRelease` with every mistake found, and gives nothing in that case.
    """
    try:
        return load_file(text, file, _READING)
    except InvalidFile as error:
        raise InvalidRelease(error.problems) from error.__cause__


def dump(release: Release) -> str:
    """Gives the release as YAML."""
    text: str = yaml.safe_dump(release.model_dump(mode="json", by_alias=True), sort_keys=False)
    return text
