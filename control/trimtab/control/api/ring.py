"""The newest decisions of every release in bounded memory, each encoded once for all who are told of it.

* Decisions of one release stand by rising revision; one that comes again, or too late, is passed over.
* Each names the one that it replaces: that is how a reader knows that nothing is missing between two of them.
* What no longer fits goes, oldest first, whosever it is; Kafka still has it.
"""

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from trimtab.schemas.decision import Decision, decode_decision
from trimtab.schemas.ids import NO_REVISION, Revision

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_FRAMES: Final = 600
"""Of one release: ten minutes at a decision a second."""
MAX_RELEASES: Final = 10_000
TREND: Final = 60
"""Points of a sparkline."""
_TAIL: Final = b"\n\n"

Point = tuple[int, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Frame:
    """A decision as an event of a stream."""

    id: Revision
    replaces: Revision
    event: bytes
    start: int
    """where in `event` the JSON begins"""

    @classmethod
    def of(cls, decision: Decision, payload: bytes) -> "Frame":
        """Gives the event of a decision, whose JSON is `payload`."""
        # A line break would end the event's data; JSON has none except between its tokens.
        line = payload if b"\n" not in payload and b"\r" not in payload else b" ".join(payload.split())
        head = b"event: decision\nid: %d-%d\ndata: " % decision.id
        return cls(decision.id, decision.replaces, head + line + _TAIL, len(head))

    @property
    def json(self) -> bytes:
        """The decision as JSON."""
        return self.event[self.start : -len(_TAIL)]


@dataclass(slots=True)
class _Ring:
    newest: Decision
    frames: "OrderedDict[int, Frame]" = field(default_factory=OrderedDict)
    """order of arrival among all releases -> frame"""
    trend: "deque[Point]" = field(default_factory=lambda: deque(maxlen=TREND))
    heard: dict[str, tuple[int, int]] = field(default_factory=dict)
    """variant -> responses, and when (ms) there were last more of them"""

    def note(self, decision: Decision) -> None:
        self.newest = decision
        self.trend.append((decision.time_ms, decision.weights))
        known = self.heard
        self.heard = {
            arm.variant: known[arm.variant]
            if known.get(arm.variant, (-1, 0))[0] == arm.responses
            else (arm.responses, decision.time_ms)
            for arm in decision.arms
        }


class Rings:
    """The rings of all releases."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_frames: int = MAX_FRAMES) -> None:
        self._rings: OrderedDict[str, _Ring] = OrderedDict()
        self._arrivals: OrderedDict[int, str] = OrderedDict()
        self._count = count()
        self._max_bytes, self._max_frames = max_bytes, max_frames
        self.bytes = 0
        """what all frames take"""

    def add(self, decision: Decision, payload: bytes) -> bool:
        """Takes a decision; tells whether it is the newest of its release."""
        ring = self._rings.get(decision.release)
        if ring is not None and decision.id <= ring.newest.id:
            return False
        if ring is None:
            ring = self._rings[decision.release] = _Ring(decision)
        elif decision.replaces > ring.newest.id:  # something between is missing here
            for place in list(ring.frames):
                self._drop(place)
        self._rings.move_to_end(decision.release)
        ring.note(decision)
        place, frame = next(self._count), Frame.of(decision, payload)
        ring.frames[place] = frame
        self._arrivals[place] = decision.release
        self.bytes += len(frame.event)
        self._make_room(ring)
        return True

    def newest(self, release: str) -> Decision | None:
        """Gives the newest decision of a release; None where it is not known here."""
        ring = self._rings.get(release)
        return ring.newest if ring else None

    def since(self, release: str, last: Revision) -> list[Frame] | None:
        """Gives what came after `last`, oldest first; None where that is not all known to be here."""
        ring = self._rings.get(release)
        if ring is None or (not ring.frames and ring.newest.id > last):
            return None
        newer: deque[Frame] = deque()
        for frame in reversed(ring.frames.values()):
            if frame.id <= last:
                return list(newer)
            newer.appendleft(frame)
        return list(newer) if not newer or newer[0].replaces <= last else None

    def newer(self, release: str, last: Revision) -> list[Frame]:
        """Gives what is here of what came after `last`, oldest first, whether that is all or not."""
        ring = self._rings.get(release)
        return [frame for frame in ring.frames.values() if frame.id > last] if ring else []

    def before(self, release: str, before: Revision | None, limit: int) -> list[Frame] | None:
        """Gives the `limit` frames older than `before`, newest first; None where fewer are here."""
        ring = self._rings.get(release)
        found: list[Frame] = []
        for frame in reversed(ring.frames.values()) if ring else ():
            if before is None or frame.id < before:
                found.append(frame)
            if len(found) == limit:
                return found
        return found if found and found[-1].replaces == NO_REVISION else None

    def find(self, release: str, revision: Revision) -> Frame | None:
        """Gives the frame of a revision; None where it is not here."""
        ring = self._rings.get(release)
        return next((frame for frame in ring.frames.values() if frame.id == revision), None) if ring else None

    def trend(self, release: str) -> list[Point]:
        """Gives when the last decisions were made, and their weights, oldest first."""
        ring = self._rings.get(release)
        return list(ring.trend) if ring else []

    def heard_ms(self, release: str, variant: str) -> int | None:
        """Gives the time of the decision that last saw new responses of a variant; None where that is not known."""
        ring = self._rings.get(release)
        return ring.heard[variant][1] if ring and variant in ring.heard else None

    def _make_room(self, ring: _Ring) -> None:
        if len(ring.frames) > self._max_frames:
            self._drop(next(iter(ring.frames)))
        while self.bytes > self._max_bytes and len(self._arrivals) > 1:
            self._drop(next(iter(self._arrivals)))
        if len(self._rings) > MAX_RELEASES:
            _, quiet = self._rings.popitem(last=False)
            for place, frame in quiet.frames.items():
                del self._arrivals[place]
                self.bytes -= len(frame.event)

    def _drop(self, place: int) -> None:
        frame = self._rings[self._arrivals.pop(place)].frames.pop(place)
        self.bytes -= len(frame.event)


def read_frame(payload: bytes) -> tuple[Decision, Frame]:
    """Gives a decision of the topic with its frame. Raises `InvalidRecord`."""
    decision = decode_decision(payload)
    return decision, Frame.of(decision, payload)
