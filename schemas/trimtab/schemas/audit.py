"""Who changed what, and why: one entry for each order or release file, followed or not.

Entries are only ever appended. What they tell can be checked against the evidence log, which has every order and
release file itself, with its actor, and against the decisions that came of them.
"""

from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from trimtab.schemas.decision import Decision, Phase
from trimtab.schemas.version import Reader, Version, peek_json

VERSION: Final = 2
"""The newest; an entry is of the oldest one that knows its source."""
_HOOKS: Final = 2
"""The version since which hooks ask for changes."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a release stood."""

    era: int
    revision: int
    """with the era, of the decision that stood"""
    phase: Phase
    weights: dict[str, int]
    """variant -> basis points"""

    @classmethod
    def of(cls, decision: Decision) -> "Standing":
        """Gives how a release stands after a decision."""
        return cls(
            era=decision.era, revision=decision.revision, phase=decision.phase, weights=dict(decision.weights)
        )  # fmt: skip


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change that somebody asked for, and what became of it."""

    time_ms: int
    """when it was asked for, by the clock of whoever took it"""
    actor: str
    """a name that was checked (a token's, a proxy's), the user of the operating system, or `hook:NAME`"""
    role: str = ""
    """viewer, operator or admin; empty where nothing gives roles (the command line)"""
    source: Literal["cli", "api", "console", "hook"]
    release: str
    """empty where the change is none of a release"""
    action: str
    """apply, or the action of a command: pause, resume, promote, abort, retry, freeze, set-weights,
    exclude, confirm; of the
    catalogue: register, revoke, reinstate"""
    reason: str = ""
    """why, in the actor's words"""
    before: Standing | None = None
    """null where there was no such release, or it is not known"""
    after: Standing | None = None
    """null unless a decision came of it in time; of `apply` it comes later"""
    outcome: Literal["done", "waiting", "refused", "failed"]
    """done; waiting: it stands in the log, and no worker has come to it yet; refused: `detail` says why, nothing
    changed; failed: whether it was taken is not known"""
    detail: str = ""
    """more on it: why it was refused, which variant or weights it named, whether `apply` made or changed the release"""
    address: str = ""
    """of whoever asked, as the API saw it; empty for the command line"""
    subject: str = ""
    """what was changed where it is no release: nodes of the catalogue as KIND/NAME, with commas"""
    v: Version = 1


_encode = msgspec.json.Encoder().encode
_read = Reader("an audit entry", VERSION, msgspec.json.Decoder(AuditEntry).decode, peek_json)


def encode(entry: AuditEntry) -> bytes:
    """Gives the JSON form of an entry."""
    return _encode(replace(entry, v=_HOOKS) if entry.source == "hook" else entry)


def decode(payload: bytes | str) -> AuditEntry:
    """Gives the entry that `payload` holds. Raises `NewerVersion`, or `InvalidRecord` for anything else."""
    return _read(payload)
