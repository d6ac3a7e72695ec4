"""Records of the evidence log: all that a decision may depend on, in one order per partition.

Every record is MessagePack with its kind in `t` and its version in `v`. A record's own time is the instant at which
the broker appended it; that and its offset come with the Kafka message, not in the record.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec.structs import replace

from trimtab.schemas.divergence import Divergence
from trimtab.schemas.version import Reader, Version, peek_message_pack

VERSION: Final = 5
"""The newest; a record is of the oldest one that knows its kind, so that older readers go on with what they know."""

_TWO: Final = 2
_SINCE: Final = {"exclude": 4, "confirm": 5}
"""The version since which there are these commands."""

FAILURES: Final = ("timeouts", "connects", "resets", "overloads")
"""Counters of the errors that are a failure of this kind, rather than an answer of the service. Each of them is one of
`errors`, too."""

COUNTS: Final = (
    "requests", "responses", "errors", "client_errors", "duration_us", "bytes", "late", "skewed", *FAILURES,
)  # fmt: skip
"""The counters of a pane, in their order. `errors`: status 500 and above, or a failure that is not the client's own;
`client_errors`: status 400 to 499; `late`: events that came after their second was final, booked in the second in which
they came; `skewed`: events whose time was corrected by their publisher's skew."""

ALWAYS: Final = COUNTS[: -len(FAILURES)]
"""The counters that a record has a column for; those of `FAILURES` follow apart, where there are any."""

VALUE_SCALE: Final = 1 << 20
"""Sums of outcome values and of their squares are integers in units of 1/VALUE_SCALE, so that adding them up gives
the same bits in any order. A value is at most MAX_VALUE in size."""

MAX_VALUE: Final = float(1 << 20)


class PaneKey(msgspec.Struct, frozen=True, order=True, array_like=True, gc=False):
    """Whose pane it is."""

    release: str
    variant: str
    segment: str


class CohortColumns(msgspec.Struct, frozen=True, array_like=True):
    """Outcomes by how long before them their requests were routed; those of the same second are not here.

    They are among the sums of `value_sums` too. Columns are packed little-endian, a cell a line.
    """

    row: bytes
    """unsigned 16 bit, index of the pane"""
    metric: bytes
    """unsigned 16 bit, index into `metrics`"""
    age: bytes
    """unsigned 16 bit, seconds"""
    sums: bytes
    """signed 64 bit, three a line: count, sum, sum of squares, as in `value_sums`"""


class RepeatColumns(msgspec.Struct, frozen=True, array_like=True):
    """What outcomes that came again for the same request and metric change, by rule: added to the sums of the cell."""

    row: bytes
    metric: bytes
    age: bytes
    """as in `CohortColumns`, also 0"""
    sums: bytes
    """signed 64 bit, as many a line as `REPEATED` has names"""


REPEATED: Final = (
    "repeats", "first_sum", "first_squares", "last_sum", "last_squares", "max_sum", "max_squares", "sum_squares",
    "unjoined",
)  # fmt: skip
"""Corrections of a cell. `repeats`: outcomes whose request had one before. Those of a rule are added to the sum of all
values and to the sum of their squares, and give what the values of the requests come to by that rule. `unjoined`:
outcomes that were too many to be remembered, so that one that comes again will not be known as such."""


class RoutedColumns(msgspec.Struct, frozen=True, array_like=True):
    """Requests by the revision of the weights that routed them; those of unknown ones are left out."""

    revisions: list[tuple[int, int]]
    """(era, revision)"""
    row: bytes
    """unsigned 16 bit, index of the pane"""
    revision: bytes
    """unsigned 16 bit, index into `revisions`"""
    count: bytes
    """unsigned 32 bit"""


class Panes(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="panes", gc=False):
    """The whole present content of every pane that changed, from one source partition, for one evidence partition.

    Content, not change: a later record of the same source and pane replaces an earlier one. Row i of the columns is
    one pane; a record without rows tells what is final. `sketch_*` are sparse latency histograms, `value_*` sums of
    outcome values by metric; `*_row` points back to the pane. All columns are packed little-endian.
    """

    source: int
    """the telemetry partition"""
    offset: int
    """of the newest telemetry message that is in the content"""
    final_s: int
    """seconds below this are final for this source: they will not be sent again with other content"""
    keys: list[PaneKey]
    metrics: list[str]
    rows: int
    key: bytes
    """unsigned 16 bit, index into `keys`"""
    second: bytes
    """signed 64 bit, seconds since the epoch"""
    counts: bytes
    """signed 64 bit, rows by len(ALWAYS)"""
    first_offset: bytes
    """signed 64 bit, the oldest telemetry message that is in the pane"""
    sketch_row: bytes
    """unsigned 16 bit"""
    sketch_bucket: bytes
    """unsigned 16 bit"""
    sketch_count: bytes
    """unsigned 32 bit"""
    value_row: bytes
    """unsigned 16 bit"""
    value_metric: bytes
    """unsigned 16 bit, index into `metrics`"""
    value_sums: bytes
    """signed 64 bit, three a row: count, sum of values, sum of squares (the sums in 1/VALUE_SCALE)"""
    more: bool = False
    """whether another record follows that belongs to the same emission: only the last one makes seconds final"""
    v: Version = _TWO
    failures: bytes = b""
    """signed 64 bit, rows by len(FAILURES); empty where nothing failed so, and from builders that do not tell them"""
    cohorts: CohortColumns | None = None
    repeats: RepeatColumns | None = None
    routed: RoutedColumns | None = None
    shares: CohortColumns | None = None
    """of metrics of which a pane has values below 0 or above 1: what the others come to, at age 0 as `value_sums` has
    it, at others as `cohorts`"""
    share_repeats: RepeatColumns | None = None
    """of the same metrics: corrections as if those values had never come"""
    event_ms: int = 0
    """when the newest event was of the telemetry message that has waited longest for this emission; 0 where none has.
    Nothing is decided by it: it is what the reaction time is measured from"""


class Tick(msgspec.Struct, frozen=True, tag_field="t", tag="tick"):
    """Time passes. Written into a partition that nobody else writes to; its append time is what it says."""

    v: Version = _TWO


class Spec(msgspec.Struct, frozen=True, tag_field="t", tag="spec"):
    """A release was applied: `document` is its release file as JSON, validated by whoever applied it."""

    release: str
    document: bytes
    actor: str = ""
    v: Version = _TWO


class Command(msgspec.Struct, frozen=True, tag_field="t", tag="command"):
    """A person steers a release."""

    release: str
    action: Literal["pause", "resume", "promote", "abort", "retry", "freeze", "set-weights", "exclude", "confirm"]
    reason: str = ""
    actor: str = ""
    variant: str = ""
    """which variant to promote, the one that does best where empty; to exclude; or whose promotion is confirmed, the
    one that waits for it where empty"""
    full: bool = True
    """of `promote`: to the end; else by one step, where the strategy has steps"""
    weights: dict[str, int] = {}
    """of `set-weights`: variant -> basis points; those that are not named have none"""
    v: Version = _TWO


class Sidecars(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="sidecars"):
    """What sidecars tell of traffic that does not follow a release's weights: all of it, whenever that changes."""

    release: str
    divergences: list[Divergence]
    v: Version = 3


class Reactions(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", tag="reactions"):
    """How fast a worker reacted of late to what came for a release, where a guardrail of it asks for that."""

    release: str
    took_ms: list[Annotated[int, msgspec.Meta(ge=0)]]
    """of each revision that Redis took since this was last told: milliseconds from the event that waited longest"""
    waiting_ms: Annotated[int, msgspec.Meta(ge=0)] = 0
    """how long an event has waited for a revision that Redis does not have yet; 0 where none does"""
    v: Version = 5


Record = Panes | Tick | Spec | Command | Sidecars | Reactions

_encode = msgspec.msgpack.Encoder().encode
_read: Reader[Record] = Reader("an evidence record", VERSION, msgspec.msgpack.Decoder(Record).decode, peek_message_pack)


def encode(record: Record) -> bytes:
    """Gives the MessagePack form of a record, of a version whose readers know all that it says."""
    if isinstance(record, Command) and record.action in _SINCE:
        return _encode(replace(record, v=_SINCE[record.action]))
    return _encode(record)


def decode(payload: bytes) -> Record:
    """Gives the record that `payload` holds.

    Raises `InvalidRecord` for anything else, and `NewerVersion` for a record of a newer version: it is never half-read.
    """
    return _read(payload)
