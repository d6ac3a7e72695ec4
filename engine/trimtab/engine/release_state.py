"""What a release remembers, and how that travels: state apart from the rules that move it (`release.py`)."""

from typing import Any, Final

import msgspec

from trimtab.engine.errors import EngineError
from trimtab.engine.evidence import EvidenceSnapshot
from trimtab.schemas.decision import Phase
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.ids import NO_REVISION, Revision

VERSION: Final = 3
_READABLE: Final = (2, 3)
"""In 2, windows did not share their tiles, and nothing was kept by segment: `Evidence.restore` reads both. All else
that version 3 added has defaults."""


class Position(msgspec.Struct, frozen=True, gc=False):
    """Where and when in the evidence log a record stands."""

    era: int
    offset: int
    time_ms: int
    """append time"""


class ReleaseState(msgspec.Struct):
    """What a release remembers besides its evidence."""

    phase: Phase = Phase.PROGRESSING
    weights: list[int] = []
    excluded: dict[str, str] = {}
    """variant -> why it takes no traffic"""
    chosen: str = ""
    """the variant that takes all from now on"""
    step: int = 0
    step_began_ms: int = 0
    step_responses: list[int] = []
    cleared_step: int = -1
    """the last step that a person has let end"""
    origin: dict[str, tuple[int, int]] = {}
    """variant -> trials and reward sum that belong to an earlier spec"""
    origin_squares: dict[str, int] = {}
    """variant -> sum of squared rewards that does"""
    now_ms: int = 0
    offset: int = -1
    """newest evidence record that was taken"""
    decided_ms: int = 0
    decided_on: int = 0
    """events that the newest decision rests on"""
    newest: Revision = NO_REVISION
    seed: dict[str, tuple[float, float, float]] = {}
    """variant -> trials, reward sum and sum of squares that a shadow phase before saw"""
    scaling: dict[str, Any] = {}
    """of `Sizing`; empty where there is none"""
    has_gone_on: bool = False
    """whether a shadow phase has passed, and what its file says to go on with is in force"""
    behind: str = ""
    """the release of the same service that it waits for"""
    lives: list[tuple[int, str, str]] = []
    """what it was to others of its service: `trimtab.engine.precedence`"""
    began: Revision = NO_REVISION
    """with which it took the traffic last"""
    moved_ms: int = 0
    """when the weights moved last; 0 where they never did"""
    segment_weights: dict[str, list[int]] = {}
    """segment -> weights of its traffic; one that is not named has `weights`"""
    divergences: list[Divergence] = []
    """what sidecars tell of"""
    ranges: dict[str, list[tuple[str, int]]] = {}
    """`trimtab.engine.ranges`; empty where requests are not sticky"""
    ready: str = ""
    """the variant that would be promoted, were that confirmed"""
    confirmed: str = ""
    """the variant whose promotion is"""

    @property
    def awaits(self) -> str:
        """The variant whose promotion waits for confirmation; empty where none does."""
        is_asked = self.phase is Phase.PROGRESSING and not self.chosen and self.ready != self.confirmed
        return self.ready if is_asked else ""

    def weights_in(self, segment: str) -> list[int]:
        """Gives the weights in force for a segment's traffic."""
        return self.segment_weights.get(segment, self.weights)


class ReleaseSnapshot(msgspec.Struct, array_like=True):
    """A release as plain data, at the evidence offset it stands at."""

    version: int
    offset: int
    document: bytes
    state: ReleaseState
    evidence: EvidenceSnapshot
    guard: dict[str, Any] = {}
    """empty in version 2: evidence of guardrails then starts anew"""
    learning: dict[str, Any] = {}
    """of a bandit's policy; empty in version 2, and where there is none"""
    objective: dict[str, Any] = {}
    """what was observed of an objective that is a metric of the release file; empty where it is none"""


def encode_snapshot(snapshot: ReleaseSnapshot) -> bytes:
    """Gives the MessagePack form of a release."""
    return msgspec.msgpack.encode(snapshot)


def decode_snapshot(payload: bytes) -> ReleaseSnapshot:
    """Gives the snapshot that `payload` holds. Raises `EngineError` for anything else."""
    try:
        snapshot = msgspec.msgpack.decode(payload, type=ReleaseSnapshot)
    except msgspec.DecodeError as error:
        raise EngineError(f"not a snapshot of a release: {error}") from error
    if snapshot.version not in _READABLE:
        raise EngineError(f"snapshot of version {snapshot.version}: expected one of {_READABLE}")
    return snapshot
