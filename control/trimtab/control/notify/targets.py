"""The file that names who is told and who is asked: `targets` and `hooks` in YAML."""

from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from trimtab.control.notify.notice import GROUPS, Notice
from trimtab.schemas.errors import TrimtabError
from trimtab.schemas.part import Name, Part, PositiveDurationMs, duration_text, refuse_repeated

_SHORTEST_SECRET: Final = 16
_SHORTEST_EVERY_MS: Final = 1_000


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


def secret_of(whose: str, file: Path | None) -> bytes:
    """Gives the secret in a file; nothing without a file. Raises `WrongTargets` where it cannot be read."""
    if file is None:
        return b""
    try:
        found = file.read_bytes().strip()
    except OSError as error:
        raise WrongTargets(f"{whose}: secretFile {file}: {error.strerror}") from error
    if len(found) < _SHORTEST_SECRET:
        raise WrongTargets(f"{whose}: secretFile {file}: expected at least {_SHORTEST_SECRET} bytes")
    return found


Url = Annotated[str, AfterValidator(_http)]
Patterns = Annotated[tuple[str, ...], Field(min_length=1)]


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
    url: Url
    format: Format = Format.WEBHOOK
    events: Annotated[tuple[Literal["phase", "abort", "hold"], ...], Field(min_length=1)] = ("phase", "abort", "hold")
    """what it is told of: changes of the phase; rollbacks and variants taken out; weights that are held"""
    releases: Patterns = ("*",)
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
        return secret_of(f"target {self.name}", self.secret_file)


def _not_too_often(every_ms: int) -> int:
    if every_ms < _SHORTEST_EVERY_MS:
        raise ValueError(f"expected at least {duration_text(_SHORTEST_EVERY_MS)}, got {duration_text(every_ms)}")
    return every_ms


class Hook(Part):
    """Somebody who is asked, under the name that release files give (`spec.hooks`)."""

    name: Name
    url: Url
    releases: Patterns = ("*",)
    """patterns of names of releases that may ask it; no other can"""
    secret_file: Path | None = None
    """the file with the secret that questions are signed with; not signed without one"""
    timeout: PositiveDurationMs = 5_000
    """of one question"""
    every: Annotated[PositiveDurationMs, AfterValidator(_not_too_often)] = 10_000
    """how long after its questions it is asked again"""

    def serves(self, release: str) -> bool:
        """Whether a release may ask it."""
        return any(fnmatchcase(release, pattern) for pattern in self.releases)

    def secret(self) -> bytes:
        """Gives the secret; nothing where questions are not signed. Raises `WrongTargets` where it cannot be read."""
        return secret_of(f"hook {self.name}", self.secret_file)


class Targets(Part):
    """All targets and hooks."""

    targets: tuple[Target, ...] = ()
    hooks: tuple[Hook, ...] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        refuse_repeated("targets", [target.name for target in self.targets])
        refuse_repeated("hooks", [hook.name for hook in self.hooks])
        if not (self.targets or self.hooks):
            raise ValueError("targets: expected some, or hooks, found neither")
        return self


def read_targets(path: Path) -> Targets:
    """Gives what a file names, whose secrets can all be read. Raises `WrongTargets` with every mistake."""
    try:
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = Targets.model_validate(tree, by_alias=True, by_name=False)
    except OSError as error:
        raise WrongTargets(f"{path}: {error.strerror}") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise WrongTargets(f"{path}: expected YAML in UTF-8: {error}") from error
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, one['loc'])) or '(file)'}: {one['msg']}" for one in error.errors()]
        raise WrongTargets("\n".join(lines)) from error
    for target in found.targets:
        target.secret()
    for hook in found.hooks:
        hook.secret()
    return found
