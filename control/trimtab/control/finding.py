"""What `trimtab doctor` found: one line for each thing that it looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How well something is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    health: Health
    said: str
    advice: str = ""
    """what to do; empty where nothing is"""


def ok(subject: str, said: str) -> Finding:
    """Gives a finding of something that is well."""
    return Finding(subject, Health.OK, said)


def warn(subject: str, said: str, advice: str) -> Finding:
    """Gives a finding of something to look at."""
    return Finding(subject, Health.WARN, said, advice)


def failed(subject: str, said: str, advice: str) -> Finding:
    """Gives a finding of something that does not work."""
    return Finding(subject, Health.FAIL, said, advice)
