"""The file that names who is told: `targets` in YAML."""

from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from trimtab.control.notify.notice import GROUPS, Notice
from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.part import Name, Part, PositiveDurationMs, refuse_repeated


class WrongTargets(TrimtabError):
    """A file of targets with mistakes; the message has a line for each."""


class Format(StrEnum):
    """In whose words a target is told."""

    WEBHOOK = "webhook"
    SLACK = "slack"
    ALERTMANAGER = "alertmanager"


def _http(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    if scheme not in ("http", "https") or not separator or not rest.partition("/")[0] or not url.isprintable():
        raise ValueError(f"expected a URL that begins with https:// or http://, got {url!r:.80}")
    return url


class Retry(Part):
    """How often a target that does not take a notice is tried again."""

    tries: Annotated[int, Field(strict=True, ge=1, le=100)] = 10
    """in all; then the notice becomes a dead letter"""
    first: PositiveDurationMs = 1_000
    """pause after the first try; each further one is twice as long"""
    longest: PositiveDurationMs = 60_000
    """pause, at most; what the target asks for (Retry-After) is kept to within it"""


class Target(Part):
    """Somebody who is told."""

    name: Name
    """names it in the log, and its checkpoint: a new name begins with what comes from now on"""
    url: Annotated[str, AfterValidator(_http)]
    format: Format = Format.WEBHOOK
    events: Annotated[tuple[Literal["phase", "abort", "hold"], ...], Field(min_length=1)] = ("phase", "abort", "hold")
    """what it is told of: changes of the phase; rollbacks and variants taken out; weights that are held"""
    releases: Annotated[tuple[str, ...], Field(min_length=1)] = ("*",)
    """patterns of names, such as `checkout*`"""
    secret_file: Path | None = None
    """the file with the secret that notices are signed with; not signed without one"""
    timeout: PositiveDurationMs = 5_000
    """of one try"""
    retry: Retry = Retry()

    def wants(self, notice: Notice) -> bool:
        """Whether it is to be told."""
        is_named = any(fnmatchcase(notice.decision.release, pattern) for pattern in self.releases)
        return is_named and any(notice.kind in GROUPS[group] for group in self.events)

    def secret(self) -> bytes:
        """Gives the secret; nothing where notices are not signed. Raises `WrongTargets` where it cannot be read."""
        if self.secret_file is None:
            return b""
        try:
            found = self.secret_file.read_bytes().strip()
        except OSError as error:
            raise WrongTargets(f"target {self.name}: secretFile {self.secret_file}: {error.strerror}") from error
        if len(found) < _SHORTEST_SECRET:
            raise WrongTargets(
                f"target {self.name}: secretFile {self.secret_file}: expected at least {_SHORTEST_SECRET} bytes"
            )
        return found


_SHORTEST_SECRET: Final = 16


class Targets(Part):
    """All targets."""

    targets: Annotated[tuple[Target, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        refuse_repeated("targets", [target.name for target in self.targets])
        return self


def read_targets(path: Path) -> tuple[Target, ...]:
    """Gives the targets of a file, whose secrets can all be read. Raises `WrongTargets` with every mistake."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = Targets.model_validate(tree, by_alias=True, by_name=False).targets
    except OSError as error:
        raise WrongTargets(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise WrongTargets(f"{path}: expected YAML in UTF-8: {error}") from error
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, one['loc'])) or '(file)'}: {one['msg']}" for one in error.errors()]
        raise WrongTargets("\n".join(lines)) from error
    for target in found:
        target.secret()
    return found
