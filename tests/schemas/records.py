"""One record of every kind that travels or is stored, and every form that it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from trimtab.schemas import (
    audit,
    dead_letter,
    decision,
    evidence,
    sidecar,
    telemetry,
    telemetry_columns,
    telemetry_message,
    worker,
)
from trimtab.schemas.combination import Combination
from trimtab.schemas.decision import (
    Arm,
    Assessment,
    Claim,
    Decision,
    Phase,
    Seen,
    SegmentArm,
    Sticky,
    Verdict,
    WeightsRecord,
)
from trimtab.schemas.divergence import Divergence
from trimtab.schemas.evidence import (
    REPEATED,
    CohortColumns,
    Command,
    PaneKey,
    Panes,
    Reactions,
    RepeatColumns,
    RoutedColumns,
    Sidecars,
    Spec,
    Tick,
)  # fmt: skip
from trimtab.schemas.telemetry import Outcome, Request, Response, RowBatch

NOW_MS: Final = 1_800_000_000_000

EVENTS: Final[list[telemetry.Event]] = [
    Request(release="checkout", variant="v1", time_ms=NOW_MS, era=1_799_999_000, revision=7),
    Response(
        release="checkout", variant="v1", time_ms=NOW_MS + 25, segment="eu", era=1_799_999_000, revision=7,
        duration_ms=25.125, status=503, bytes=1_234, failure=telemetry.Failure.TIMEOUT,
    ),
    Outcome(release="checkout", variant="v2", time_ms=NOW_MS - 5, metric="converted", value=0.5),
]  # fmt: skip
LATE: Final = Outcome(
    release="checkout", variant="v2", time_ms=NOW_MS, metric="converted", value=1.0, started_ms=NOW_MS - 90_000,
    request=649_175_086_210_373,
)  # fmt: skip
LATE_COLUMNS: Final = telemetry_columns.pack([*EVENTS, LATE], publisher="shop-1", seq=9, sent_ms=NOW_MS + 50)
COLUMNS: Final = telemetry_columns.pack(EVENTS, publisher="shop-1", seq=9, sent_ms=NOW_MS + 50)
ARM: Final = Arm(
    variant="v1", weight=9_000, trials=10, reward_sum=9.5, alpha=10.5, beta=1.5, mean=0.875, probability_best=0.75,
    requests=11, responses=10, errors=1, in_flight=1, error_ratio=0.1, p50_ms=5.5, p99_ms=None,
)  # fmt: skip
ASSESSMENT: Final = Assessment(
    guardrail="error_rate", variant="v2", verdict=Verdict.INCONCLUSIVE, value=None, limit=0.02, n=0, breaches=0,
    allowed_ratio=0.02, window_s=10, bound="max", ln_evidence=-0.5, threshold=6.9, samples=12,
    reason="12 of 20 samples",
)  # fmt: skip
DECISION: Final = Decision(
    release="checkout", era=1, revision=8, replaces=(1, 7), time_ms=5, phase=Phase.PROGRESSING, strategy="canary",
    step=2, weights={"v1": 9_000, "v2": 1_000}, rule="canary step", reasons=["because"], arms=[ARM],
    assessments=[ASSESSMENT], seen=Seen(offset=7, sources={"0": 9}, counted=10, late=1, dead_lettered=0),
)  # fmt: skip
WEIGHTS: Final = WeightsRecord(
    release="checkout", era=1, revision=8, time_ms=5, phase=Phase.ROLLED_BACK,
    weights={"v1": 10_000, "v2": 0}, targets={"v1": "checkout-v1", "v2": "checkout-v2"}, prefix="/checkout",
)  # fmt: skip
ROUTED: Final = msgspec.structs.replace(
    WEIGHTS, condition="host = shop.example", baseline="v1", segment_conditions={"mobile": "user-agent = Android"},
    claims=[Claim(variant="v2", condition="has header X-Canary", strength=5_000)],
)  # fmt: skip
STICKY: Final = msgspec.structs.replace(
    WEIGHTS, weights={"v1": 7_000, "v2": 3_000}, sticky=Sticky(seed="checkout", cookie="visitor"),
    ranges={"": [("v1", 4_000), ("v2", 3_000), ("v1", 3_000)]},
)  # fmt: skip
ENSEMBLE: Final = msgspec.structs.replace(
    WEIGHTS, phase=Phase.PROGRESSING, ensemble=Combination(members=["v1", "v2"], combine="vote")
)  # fmt: skip
AGEING: Final = msgspec.structs.replace(ROUTED, stale_after_ms=300_000, stale_then="baseline")
SEGMENT_WEIGHTS: Final = {"mobile": {"v1": 4_000, "v2": 6_000}}
IN_SEGMENT: Final = SegmentArm(
    weight=4_000, trials=5, reward_sum=2.5, requests=6, responses=5, errors=1, error_ratio=0.2, p50_ms=5.5, p99_ms=None
)
BY_SEGMENT: Final = msgspec.structs.replace(
    DECISION, segments=SEGMENT_WEIGHTS,
    arms=[msgspec.structs.replace(ARM, metrics={"paid": 0.5, "rated": None}, segments={"mobile": IN_SEGMENT})],
)  # fmt: skip
MEASURED_BY_SEGMENT: Final = msgspec.structs.replace(
    BY_SEGMENT,
    arms=[
        msgspec.structs.replace(ARM, segments={"mobile": msgspec.structs.replace(IN_SEGMENT, metrics={"paid": 0.5})})
    ],
)
PANES: Final = Panes(
    source=3, offset=9, final_s=100, keys=[PaneKey("checkout", "v1", "eu")], metrics=["converted"], rows=1,
    key=b"\0\0", second=b"\1" * 8, counts=b"\2" * 64, first_offset=b"\3" * 8, sketch_row=b"\0\0",
    sketch_bucket=b"\5\0", sketch_count=b"\6\0\0\0", value_row=b"\0\0", value_metric=b"\0\0",
    value_sums=b"\7" * 24, more=True,
)  # fmt: skip
FAILED: Final = msgspec.structs.replace(PANES, failures=b"\1" + 31 * b"\0")
ATTRIBUTED: Final = msgspec.structs.replace(
    PANES, cohorts=CohortColumns(b"\0\0", b"\0\0", b"\x5a\0", b"\1" * 24),
    repeats=RepeatColumns(b"\0\0", b"\0\0", b"\x5a\0", b"\1" * 8 * len(REPEATED)),
    routed=RoutedColumns([(1_799_999_000, 7)], b"\0\0", b"\0\0", b"\2\0\0\0"),
)  # fmt: skip
APART: Final = msgspec.structs.replace(
    ATTRIBUTED, shares=CohortColumns(b"\0\0" * 2, b"\0\0" * 2, b"\0\0\x5a\0", b"\1" * 48),
    share_repeats=RepeatColumns(b"\0\0", b"\0\0", b"\x5a\0", b"\1" * 8 * len(REPEATED)),
)  # fmt: skip
SPEC: Final = Spec(release="checkout", document=b'{"kind": "Release"}', actor="operator")
COMMAND: Final = Command(release="checkout", action="promote", reason="looks good", actor="operator", variant="v2")
EXCLUSION: Final = Command(release="checkout", action="exclude", reason="withdrawn", actor="ada", variant="v2", v=4)
CONFIRMATION: Final = Command(release="checkout", action="confirm", actor="hook:ci", variant="v2", v=5)
ENTRY: Final = audit.AuditEntry(
    time_ms=NOW_MS, actor="ada", role="operator", source="api", release="checkout", action="promote",
    reason="as good as v1", before=audit.Standing.of(DECISION),
    after=audit.Standing(era=1_799_999_000, revision=9, phase=Phase.PROMOTED, weights={"v1": 0, "v2": 10_000}),
    outcome="done", detail="v2, to the end", address="10.0.0.7",
)  # fmt: skip
HOOK_ENTRY: Final = msgspec.structs.replace(
    ENTRY, actor="hook:ci", role="", source="hook", action="confirm", reason="", address="", v=2
)
LETTER: Final = dead_letter.DeadLetter(
    source="trimtab.telemetry", partition=1, offset=2, last_offset=2, reason="not telemetry", code="undecodable",
    events=1, release="checkout", time_ms=5, payload=b"\xff\x00",
)  # fmt: skip
DIVERGENCE: Final = Divergence(
    kind="refused", words="sidecar edge-1 (envoy) refuses revision 8: no such cluster", sidecar="edge-1", proxy="envoy"
)
SIDECARS: Final = Sidecars(release="checkout", divergences=[DIVERGENCE])
REACTIONS: Final = Reactions(release="checkout", took_ms=[120, 95], waiting_ms=1_500)
SIDECAR_REPORT: Final = sidecar.SidecarReport(
    sidecar="edge-1", proxy="envoy", release="checkout", in_force=(1, 7), offered=(1, 8), refused="no such cluster",
    refusals=3, events=1_000, dropped=2, unattributed=4, time_ms=5,
)  # fmt: skip
AGED_REPORT: Final = msgspec.structs.replace(SIDECAR_REPORT, age_s=312.5, stale=True, fallback="baseline")
ENTRIES_REPORT: Final = msgspec.structs.replace(SIDECAR_REPORT, entries=2_004, routed={"v1": 900, "v2": 100})
MODELS_REPORT: Final = msgspec.structs.replace(SIDECAR_REPORT, answers={"told": 7, "missing": 2})
WORKER_REPORT: Final = worker.WorkerReport(
    worker="host-1", events=1_000, refused={"future": 2}, decisions=5, written=4, time_ms=5
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A record in one of the forms that it takes, and what its decoder has to give."""

    name: str
    form: str
    """json or msgpack"""
    record: Any
    decode: Callable[[bytes], Any]
    expected: Any

    @property
    def payload(self) -> bytes:
        """The record as this code writes it."""
        return msgspec.json.encode(self.record) if self.form == "json" else msgspec.msgpack.encode(self.record)

    @property
    def plain(self) -> Any:
        """The record as maps and arrays."""
        return msgspec.json.decode(self.payload) if self.form == "json" else msgspec.msgpack.decode(self.payload)

    def encode(self, plain: Any) -> bytes:
        """Gives maps and arrays in the form of this sample."""
        return msgspec.json.encode(plain) if self.form == "json" else msgspec.msgpack.encode(plain)


def _own(name: str, form: str, record: Any, decode: Callable[[bytes], Any]) -> Sample:
    return Sample(name, form, record, decode, record)


_ROWS: Final = RowBatch(events=EVENTS, publisher="shop-1", seq=9, sent_ms=NOW_MS + 50)
_UNSIGNED: Final = telemetry_columns.pack(EVENTS, publisher="", seq=0, sent_ms=0)

SAMPLES: Final = [
    _own("telemetry-columns", "msgpack", COLUMNS, telemetry_message.decode),
    *(Sample("telemetry-rows", form, _ROWS, telemetry_message.decode, COLUMNS) for form in ("json", "msgpack")),
    *(Sample("telemetry-events", form, EVENTS, telemetry_message.decode, _UNSIGNED) for form in ("json", "msgpack")),
    *(
        Sample(f"telemetry-{type(event).__name__.lower()}", "json", event, telemetry_message.decode,
               telemetry_columns.pack([event], publisher="", seq=0, sent_ms=0))
        for event in EVENTS
    ),
    _own("telemetry-columns-late", "msgpack", LATE_COLUMNS, telemetry_message.decode),
    Sample("telemetry-outcome-late", "json", LATE, telemetry_message.decode,
           telemetry_columns.pack([LATE], publisher="", seq=0, sent_ms=0)),
    _own("evidence-panes", "msgpack", PANES, evidence.decode),
    _own("evidence-panes-failed", "msgpack", FAILED, evidence.decode),
    _own("evidence-panes-attributed", "msgpack", ATTRIBUTED, evidence.decode),
    _own("evidence-panes-apart", "msgpack", APART, evidence.decode),
    _own("evidence-tick", "msgpack", Tick(), evidence.decode),
    _own("evidence-spec", "msgpack", SPEC, evidence.decode),
    _own("evidence-command", "msgpack", COMMAND, evidence.decode),
    _own("evidence-command-exclude", "msgpack", EXCLUSION, evidence.decode),
    _own("evidence-command-confirm", "msgpack", CONFIRMATION, evidence.decode),
    _own("evidence-sidecars", "msgpack", SIDECARS, evidence.decode),
    _own("evidence-reactions", "msgpack", REACTIONS, evidence.decode),
    _own("decision-held", "json", msgspec.structs.replace(DECISION, divergences=[DIVERGENCE]),
         decision.decode_decision),
    _own("decision", "json", DECISION, decision.decode_decision),
    _own("weights", "json", WEIGHTS, decision.decode_weights),
    _own("decision-by-segment", "json", BY_SEGMENT, decision.decode_decision),
    _own("decision-measured-by-segment", "json", MEASURED_BY_SEGMENT, decision.decode_decision),
    _own("weights-by-segment", "json", msgspec.structs.replace(WEIGHTS, segments=SEGMENT_WEIGHTS),
         decision.decode_weights),
    _own("weights-routed", "json", ROUTED, decision.decode_weights),
    _own("weights-sticky", "json", STICKY, decision.decode_weights),
    _own("weights-ensemble", "json", ENSEMBLE, decision.decode_weights),
    _own("weights-ageing", "json", AGEING, decision.decode_weights),
    _own("dead-letter", "json", LETTER, dead_letter.decode),
    _own("audit-entry", "json", ENTRY, audit.decode),
    _own("audit-entry-hook", "json", HOOK_ENTRY, audit.decode),
    _own("sidecar-report", "json", SIDECAR_REPORT, sidecar.decode),
    _own("sidecar-report-aged", "json", AGED_REPORT, sidecar.decode),
    _own("sidecar-report-entries", "json", ENTRIES_REPORT, sidecar.decode),
    _own("sidecar-report-models", "json", MODELS_REPORT, sidecar.decode),
    _own("worker-report", "json", WORKER_REPORT, worker.decode),
]  # fmt: skip
MAPS: Final = [sample for sample in SAMPLES if sample.name != "telemetry-events"]
"""Those whose outermost value has fields."""


def title(sample: Sample) -> str:
    """Gives what tells a sample apart."""
    return f"{sample.name}.{sample.form}"
