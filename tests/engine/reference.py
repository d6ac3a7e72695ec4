"""What a fold of telemetry has to come to, event by event and without NumPy: the oracle of the laws.

It is written from the rules at the head of `trimtab.engine.pane`, not from the code below them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from trimtab.engine.pane import FoldSpec
from trimtab.schemas.evidence import COUNTS, VALUE_SCALE
from trimtab.schemas.telemetry import ColumnBatch, Event, Failure, Outcome, Request, Response
from trimtab.schemas.telemetry_columns import pack

Key = tuple[str, str, str]
"""(release, variant, segment)"""


Sums = tuple[int, int, int]
"""count, sum, sum of squares"""
_PLAIN = [name for name in COUNTS if name != "duration_us"]


@dataclass(frozen=True)
class Message:
    """A telemetry message as its broker appended it."""

    append_ms: int
    events: tuple[Event, ...]
    sent_ms: int = 0

    def batch(self) -> ColumnBatch:
        return pack(self.events, publisher="p", seq=0, sent_ms=self.sent_ms)


@dataclass
class Content:
    """What belongs into one pane."""

    requests: int = 0
    responses: int = 0
    errors: int = 0
    client_errors: int = 0
    bytes: int = 0
    late: int = 0
    skewed: int = 0
    timeouts: int = 0
    connects: int = 0
    resets: int = 0
    overloads: int = 0
    durations_us: list[int] = field(default_factory=list)
    outcomes: dict[str, list[float]] = field(default_factory=dict)

    @property
    def counts(self) -> list[int]:
        """In the order of `COUNTS`."""
        return [
            self.requests, self.responses, self.errors, self.client_errors, sum(self.durations_us), self.bytes,
            self.late, self.skewed, self.timeouts, self.connects, self.resets, self.overloads,
        ]  # fmt: skip

    @property
    def events(self) -> int:
        return self.requests + self.responses + self.late + sum(map(len, self.outcomes.values()))

    @property
    def sums(self) -> dict[str, Sums]:
        """metric -> count, sum, sum of squares; exact for values that are multiples of 1/1024."""
        return {metric: _sums(values) for metric, values in self.outcomes.items()}

    @property
    def shares(self) -> dict[str, Sums]:
        """The same of those outcomes that are shares."""
        of_shares = {metric: [value for value in values if 0 <= value <= 1] for metric, values in self.outcomes.items()}
        return {metric: _sums(values) for metric, values in of_shares.items()}

    def add(self, event: Event, *, is_skewed: bool) -> None:
        self.skewed += is_skewed
        match event:
            case Request():
                self.requests += 1
            case Response():
                failed = event.failure not in (Failure.NONE, Failure.CLIENT)
                self.responses += 1
                self.errors += event.status >= 500 or failed
                self.client_errors += 400 <= event.status < 500 and not failed
                self.timeouts += event.failure == Failure.TIMEOUT
                self.connects += event.failure == Failure.CONNECT
                self.resets += event.failure == Failure.RESET
                self.overloads += event.failure == Failure.OVERLOAD
                self.bytes += event.bytes
                self.durations_us.append(round(event.duration_ms * 1000))
            case Outcome():
                self.outcomes.setdefault(event.metric, []).append(event.value)

    def merge(self, other: "Content") -> None:
        for name in _PLAIN:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.durations_us += other.durations_us
        for metric, values in other.outcomes.items():
            self.outcomes.setdefault(metric, []).extend(values)


@dataclass
class Folded:
    """A whole log, summed."""

    panes: dict[tuple[Key, int], Content]
    refused: int
    """events too far ahead"""
    events: int

    def total(self, release: str, variant: str) -> Content:
        """What a variant did, in all seconds and segments."""
        return self.within(release, variant, range(-(1 << 62), 1 << 62))

    def within(self, release: str, variant: str, seconds: range) -> Content:
        total = Content()
        for ((of, which, _), second), content in self.panes.items():
            if (of, which) == (release, variant) and second in seconds:
                total.merge(content)
        return total

    def of(self, release: str) -> int:
        """How many events a release has, late ones included."""
        return sum(content.events for ((name, _, _), _), content in self.panes.items() if name == release)


def fold(log: Iterable[Message], spec: FoldSpec) -> Folded:
    folded = Folded({}, 0, 0)
    clock_ms = 0
    for message in log:
        clock_ms = max(clock_ms, message.append_ms)
        final_s = (clock_ms - spec.lateness_ms) // 1000
        skew = message.append_ms - message.sent_ms if message.sent_ms else 0
        is_skewed = abs(skew) > spec.skew_ms
        for event in message.events:
            folded.events += 1
            time_ms = event.time_ms + (skew if is_skewed else 0)
            key = (event.release, event.variant, event.segment)
            if time_ms > message.append_ms + spec.future_ms:
                folded.refused += 1
            elif time_ms // 1000 < final_s:
                folded.panes.setdefault((key, clock_ms // 1000), Content()).late += 1
            else:
                folded.panes.setdefault((key, time_ms // 1000), Content()).add(event, is_skewed=is_skewed)
    return folded


def _sums(values: Sequence[float]) -> Sums:
    return (
        len(values),
        int(sum(map(Fraction, values)) * VALUE_SCALE),
        int(sum(Fraction(value) ** 2 for value in values) * VALUE_SCALE),
    )
