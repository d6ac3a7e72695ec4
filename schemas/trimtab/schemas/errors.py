"""Errors of the public contract, by whose fault they are.

TrimtabError
├── InvalidEvent     a sender published telemetry that cannot be read
├── InvalidFile      an operator wrote a file that cannot be used
│   └── InvalidRelease  a release file that cannot be applied
├── InvalidRecord    a record of ours (evidence, decision) that cannot be read
│   └── NewerVersion is of a newer version than this code (an InvalidEvent, too): nobody's fault, upgrade
└── Unreachable      a server that was needed did not answer in time
    └── Refused      it answered, and does not let us in: a matter of settings
"""

from dataclasses import dataclass
from typing import ClassVar


class TrimtabError(Exception):
    """The root of every error that Trimtab raises on purpose."""


class InvalidEvent(TrimtabError):
    """Telemetry that does not follow the contract; the message says what was expected and what came."""

    code: ClassVar[str] = "undecodable"
    """of the dead letter that it becomes"""


class InvalidRecord(TrimtabError):
    """A record on one of our own topics or keys that does not follow the contract."""

    code: ClassVar[str] = "undecodable"
    """of the dead letter that it becomes"""


class NewerVersion(InvalidEvent, InvalidRecord):
    """A record of a newer version than this code knows; nothing of it was used. An upgrade makes it readable."""

    code: ClassVar[str] = "newer-version"

    def __init__(self, what: str, version: int, known: int) -> None:
        self.what = what
        """the kind of record, with its article"""
        self.version = version
        self.known = known
        """the newest version that this code reads"""
        super().__init__(f"{what} of version {version}: expected at most {known}")


class Unreachable(TrimtabError):
    """A server did not answer within the time allowed; the message names its address."""


class Refused(Unreachable):
    """A server answered and refused us; the message names the settings to look at.

    One that is just starting may do so for a moment, so it is worth another try.
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a file: where it stands (1-based line), which field, what was expected."""

    file: str
    line: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.message}"


class InvalidFile(TrimtabError):
    """A file with mistakes; `problems` lists every one of them, in the order of the file."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class InvalidRelease(InvalidFile):
    """A release file with mistakes."""
