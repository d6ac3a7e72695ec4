"""Decisions: the weights of a release with their reasons, and the short form that sidecars read.

JSON throughout: decisions are read by people and by any language.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from trimtab.schemas.combination import Combination
from trimtab.schemas.condition_text import check_conditions
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.errors import InvalidRecord
from trimtab.schemas.ids import BASIS_POINTS, NO_REVISION, Revision
from trimtab.schemas.version import Reader, Version, peek_json

VERSION: Final = 2

STALE_AFTER_MS: Final = 60_000
"""The age from which weights are stale, where the release file says none."""


class Phase(StrEnum):
    """Where a release stands in its life."""

    PROGRESSING = "progressing"
    PAUSED = "paused"
    """Weights are held; guardrails stay on guard."""
    FROZEN = "frozen"
    """Weights are held whatever happens, guardrails included."""
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    COMPLETED = "completed"
    """What was to be found out is found out, without a move of traffic."""

    @property
    def is_over(self) -> bool:
        """Whether no further evidence can move the weights."""
        return self in _OVER


_OVER: Final = (Phase.PROMOTED, Phase.ROLLED_BACK, Phase.COMPLETED)


class Verdict(StrEnum):
    """What a guardrail or a gate concludes. Missing evidence is INCONCLUSIVE, never a pass and never a fail."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Assessment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A guardrail's verdict on one variant, with the numbers behind it."""

    guardrail: str
    variant: str
    verdict: Verdict
    value: float | None
    """what was seen, in the metric's unit: in the window, or, of a bound relative to the baseline, since the test
    began; null without evidence"""
    limit: float
    """what must not be crossed, in the same unit"""
    n: int
    """responses, or outcomes, that the value rests on"""
    breaches: int
    """of these, the errors (or the responses slower than the limit); 0 where the bound is on no share"""
    allowed_ratio: float
    """the share of breaches that the guardrail allows; 0 where it bounds no share"""
    window_s: int
    bound: str = "max"
    """the field of the guardrail that is judged: max, min, maxRatio, minRatio"""
    ln_evidence: float = 0.0
    """ln E against the variant since the test began: E is 1 before the first look, and above 1/alpha with a probability
    of at most alpha while the bound is kept, at however many looks"""
    threshold: float = 0.0
    """the `ln_evidence` that fails: ln(1/alpha)"""
    samples: int = 0
    """responses, or outcomes, that `ln_evidence` rests on"""
    reason: str = ""
    """why the verdict is what it is"""
    severity: str = "critical"
    on_fail: str = "abort"


class SegmentArm(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was known of one variant in one segment that is kept apart."""

    weight: int
    """basis points of the segment's traffic"""
    trials: int
    """observations of the objective; 0 where it is a metric of the release file, which has none by segment"""
    reward_sum: float
    requests: int
    responses: int
    errors: int
    error_ratio: float | None
    """in the 1 m window, as the latencies; null without evidence"""
    p50_ms: float | None
    p99_ms: float | None
    metrics: dict[str, float | None] = {}
    """of the release file, in that window; null where their value is not known there"""
    target: float | None = None
    """basis points that the strategy wanted for it there, before limits; null where it has none of its own, or the
    decision did not ask it"""


class Arm(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was known of one variant when the decision was made."""

    variant: str
    weight: int
    """basis points"""
    excluded: str = ""
    """why it takes no traffic; empty while it may"""
    trials: int
    """observations of the objective"""
    reward_sum: float
    alpha: float
    beta: float
    """posterior of the mean reward: Beta(alpha, beta); both 0 where values are real"""
    mean: float
    probability_best: float
    requests: int
    responses: int
    errors: int
    in_flight: int
    error_ratio: float | None
    """in the 1 m window, as the latencies; null without evidence"""
    p50_ms: float | None
    p99_ms: float | None
    maturing: int = 0
    """of an objective with an attribution: requests that are no trials yet, for outcomes may still come"""
    outside: int = 0
    """of it, too: outcomes that count in no reward, for they came past the window, or their request was of before"""
    unjoined: int = 0
    """of it, too: outcomes so many at once that those of them which came again may have counted twice"""
    prior_trials: float = 0.0
    """observations that the prior is worth; they are in the posterior, not in `trials`"""
    prior_reward_sum: float = 0.0
    scale: float | None = None
    """where values are real, the posterior of the mean reward is Student's t around `mean`, of this scale"""
    degrees: float | None = None
    """and with so many degrees of freedom"""
    reward_square_sum: float | None = None
    """where values are real, the sum of the squares of rewards"""
    metrics: dict[str, float | None] = {}
    """metric of the release file -> its value in the 1 m window; null where it has none"""
    segments: dict[str, SegmentArm] = {}
    """segment that is kept apart -> what was known of the variant there"""
    target: float | None = None
    """basis points that the strategy wanted for it, before limits; null where the decision did not ask it"""


class ScaleChange(msgspec.Struct, frozen=True):
    """What one resource should go to."""

    resource: str
    """instances, cpu (thousandths of a core) or memory (MiB)"""
    before: int
    after: int
    target: str = ""
    """what is scaled in the variant's place; empty for the variant itself"""


class ScalingAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """What was last advised on the size of one variant; `quiet_until_ms` has passed where there may be more."""

    variant: str
    action: str
    """escalate, de_escalate, roll_back, roll_back_and_escalate; hold, at_limit, cannot_tell, cooldown, inconclusive"""
    reason: str
    changes: list[ScaleChange]
    value_ms: float | None
    """response time in the window; null without responses"""
    n: int
    """responses that it rests on"""
    baseline_ms: float | None
    """null without a baseline or its responses"""
    baseline_n: int
    quiet_until_ms: int
    """until when nothing more is advised; 0 where there was no advice yet"""

    def plain(self) -> dict[str, object]:
        """Gives it as plain data."""
        return {**msgspec.structs.asdict(self), "changes": [msgspec.structs.asdict(one) for one in self.changes]}


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which evidence the decision rests on, and what became of every event of the release so far."""

    offset: int
    """of the evidence record that caused it"""
    sources: dict[str, int]
    """telemetry partition -> newest offset that is counted; the keys are decimal numbers"""
    counted: int
    """events: requests, responses and outcomes"""
    late: int
    dead_lettered: int


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One decision on one release, and everything needed to check its arithmetic."""

    release: str
    era: int
    revision: int
    replaces: Revision
    time_ms: int
    """of the evidence log, when it was made"""
    phase: Phase
    strategy: str
    step: int = 0
    """of a canary: the number of the step it stands on, counted from 0"""
    weights: dict[str, int]
    """variant -> basis points, in the order of the release file; always sums to 10,000"""
    rule: str
    """the rule that chose the weights"""
    reasons: list[str]
    arms: list[Arm]
    assessments: list[Assessment]
    seen: Seen
    v: Version = VERSION
    segments: dict[str, dict[str, int]] = {}
    """segment -> variant -> basis points of its traffic, each summing to 10,000; one that is not named has `weights`"""
    queued_behind: str = ""
    """the release of the same service that keeps the traffic while this one waits; empty once it begins"""
    scaling: list[ScalingAdvice] = []
    """of each variant, where the release file has scaling"""
    divergences: list[Divergence] = []
    """how traffic was seen not to follow the weights; they are held for as long as it does not"""
    awaits: str = ""
    """the variant whose promotion waits for confirmation by the hook of the release file; empty where none does"""

    @property
    def id(self) -> Revision:
        """(era, revision), which orders the decisions of a release."""
        return (self.era, self.revision)


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that a variant takes whatever its weight."""

    variant: str
    condition: str
    """which ones, as `trimtab.schemas.condition` describes them"""
    strength: int = BASIS_POINTS
    """basis points of these that it takes, in whole hundreds; the others go by weight"""


class Sticky(msgspec.Struct, frozen=True, kw_only=True):
    """By what a proxy recognises who has been there: a cookie or a header."""

    seed: str
    cookie: str = ""
    header: str = ""


class WeightsRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a sidecar needs of a decision: the key and the notification in Redis, and the weights topic."""

    release: str
    era: int
    revision: int
    time_ms: int
    phase: Phase
    weights: dict[str, int]
    """variant -> basis points; always sums to 10,000"""
    targets: dict[str, str]
    """variant -> the proxy's name for it (Envoy: a cluster)"""
    prefix: str = "/"
    """the paths that are routed by these weights"""
    mirror: dict[str, int] = {}
    """variant -> basis points of the requests that are copied to it, whose answers nobody waits for"""
    v: Version = VERSION
    segments: dict[str, dict[str, int]] = {}
    """segment -> variant -> basis points of its traffic, each summing to 10,000; one that is not named has `weights`"""
    queued_behind: str = ""
    """the release of the same service that keeps the traffic while this one waits; empty once it begins"""
    began: Revision = NO_REVISION
    """with which the release took the traffic last: of one service, the newest of them is the one to route by"""
    condition: str = ""
    """which of the requests with the prefix take part; the others go to the baseline, and are nobody's evidence"""
    baseline: str = ""
    """the variant that they go to, as do all requests where weights past their age make way for it"""
    claims: list[Claim] = []
    """none of variants that may take no traffic, nor of a release that is over"""
    segment_conditions: dict[str, str] = {}
    """segment -> which requests are of it, where the proxy tells segments; the first that a request meets counts"""
    sticky: Sticky | None = None
    """none where each request goes by weight"""
    ranges: dict[str, list[tuple[str, int]]] = {}
    """segment ("" for the whole) -> variants and how many of 10,000 buckets in a row each has, beginning at bucket 0
    (`trimtab.schemas.stickiness`); a segment that is not named has those of the whole. Empty without `sticky`"""
    ensemble: Combination | None = None
    """who answers every request; none where one variant answers each, nor of an ensemble that is over"""
    stale_after_ms: Annotated[int, msgspec.Meta(ge=1)] = STALE_AFTER_MS
    """the age from which they are stale: the time since it was announced last that they are the newest"""
    stale_then: Literal["keep", "baseline"] = "keep"
    """what becomes of them then: they stay in force, or all goes to the baseline (`trimtab.schemas.fallback`)"""
    fallback: Literal["", "baseline"] = ""
    """`baseline` in what a holder has made of weights past their age; never in what is published"""

    @property
    def routed_by(self) -> Revision:
        """What requests say that they were routed by: the revision; of a fallback none, for nobody decided on it."""
        return NO_REVISION if self.fallback else self.id

    def replaces(self, held: "WeightsRecord | None") -> bool:
        """Whether it is to be routed by in place of what is held: as it is newer, or the fallback of that, or its end.

        A revision never goes back, and its fallback comes and goes.
        """
        return held is None or held.id < self.id or (held.id == self.id and held.fallback != self.fallback)

    @property
    def is_queued(self) -> bool:
        """Whether it has never had any traffic, and has none yet: nobody is to route by it."""
        return bool(self.queued_behind) and self.began == NO_REVISION

    @property
    def id(self) -> Revision:
        """(era, revision), which orders the weights of a release."""
        return (self.era, self.revision)


_encode = msgspec.json.Encoder().encode
_read_decision = Reader("a decision", VERSION, msgspec.json.Decoder(Decision).decode, peek_json)
_read_weights = Reader("a weights record", VERSION, msgspec.json.Decoder(WeightsRecord).decode, peek_json)


def encode(record: Decision | WeightsRecord) -> bytes:
    """Gives the JSON form of a decision or of weights."""
    return _encode(record)


def decode_decision(payload: bytes | str) -> Decision:
    """Gives the decision that `payload` holds. Raises `NewerVersion`, or `InvalidRecord` for anything else."""
    return _read_decision(payload)


def decode_weights(payload: bytes | str) -> WeightsRecord:
    """Gives the weights that `payload` holds.

    Raises `NewerVersion`, or `InvalidRecord` for anything else, wrong sums included, overall and of each segment,
    conditions that cannot be routed by, and a fallback, which is the reader's own to make.
    """
    record = _read_weights(payload)
    if record.fallback:
        raise InvalidRecord(f"release {record.release}: fallback is {record.fallback!r}, expected none in a record")
    _check_conditions(record)
    for segment, weights in (("", record.weights), *record.segments.items()):
        total = sum(weights.values())
        if total != BASIS_POINTS or min(weights.values()) < 0 or weights.keys() != record.targets.keys():
            where = f", segment {segment!r}" if segment else ""
            raise InvalidRecord(
                f"release {record.release}{where}: weights {weights!r} sum to {total} bp, expected 10000"
            )
    _check_ranges(record)
    _check_members(record)
    return record


def _check_members(record: WeightsRecord) -> None:
    for member in record.ensemble.members if record.ensemble else []:
        if member not in record.targets:
            raise InvalidRecord(
                f"release {record.release}: ensemble: {member!r} is none of {', '.join(record.targets)}"
            )


def _check_ranges(record: WeightsRecord) -> None:
    """Ranges have to be as wide as the weights that they stand for, or shares would not be true."""
    for segment, ranges in record.ranges.items():
        width = dict.fromkeys(record.weights, 0)
        for variant, buckets in ranges:
            width[variant] = width.get(variant, 0) + buckets
        weights = record.segments.get(segment, record.weights)
        if width != weights or min(buckets for _, buckets in ranges) <= 0:
            where = f"segment {segment!r}" if segment else "the whole"
            raise InvalidRecord(
                f"release {record.release}: ranges of {where}: {width!r} are not the weights {weights!r}"
            )


def _check_conditions(record: WeightsRecord) -> None:
    claims = [(f"claim of {claim.variant}", claim.condition) for claim in record.claims]
    segments = [(f"segment {name}", condition) for name, condition in record.segment_conditions.items()]
    try:
        check_conditions(record.condition, [*claims, *segments])
    except ValueError as error:
        raise InvalidRecord(f"release {record.release}: condition: {error}") from None
    needs_baseline = record.condition or record.stale_then == "baseline"
    for variant in [*([record.baseline] if needs_baseline else []), *(claim.variant for claim in record.claims)]:
        if variant not in record.targets:
            raise InvalidRecord(f"release {record.release}: {variant!r} is none of {', '.join(record.targets)}")
