"""Releases, telemetry and builders for the tests of the engine."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from trimtab.engine.contribution import PaneContent, PaneRow, rows_of
from trimtab.engine.pane import FoldSpec, PaneBuilder
from trimtab.engine.sketch import Sketch, buckets_of
from trimtab.schemas.evidence import ALWAYS, COUNTS, Panes, Spec
from trimtab.schemas.release import Release
from trimtab.schemas.telemetry import ColumnBatch, Event, Outcome, Request, Response
from trimtab.schemas.telemetry_columns import pack

NOW_S = 1_700_000_000
NOW_MS = NOW_S * 1000
NO_EVENTS = pack([], publisher="p", seq=0, sent_ms=0)

Json = Mapping[str, object]


def release(  # noqa: PLR0913 - one argument a field
    name: str = "checkout",
    *,
    variants: Sequence[str] = ("stable", "canary"),
    strategy: Json | None = None,
    guardrails: Sequence[Json] = (),
    limits: Json | None = None,
    objective: Json | None = None,
    own: Sequence[Json] | None = None,
    **more: object,
) -> Release:
    """A release whose first variant is the baseline; a bandit where nothing else is said.

    `own`: variants that say more than their names.
    """
    return Release.model_validate(
        {
            "apiVersion": "trimtab.dev/v1",
            "kind": "Release",
            "metadata": {"name": name},
            "spec": {
                "baseline": variants[0],
                "variants": own or [{"name": variant} for variant in variants],
                "strategy": strategy or {"type": "bandit"},
                "guardrails": list(guardrails),
                "limits": limits or {},
                "objective": objective or {},
                **more,
            },
        }
    )


def spec(applied: Release) -> Spec:
    return Spec(release=applied.name, document=applied.document())


def error_rate(limit: float = 0.05, **more: object) -> Json:
    return {"metric": "error_rate", "max": limit, **more}


def latency(limit_ms: float, quantile: str = "p99", **more: object) -> Json:
    return {"metric": f"latency_{quantile}_ms", "max": limit_ms, **more}


def request(variant: str = "canary", time_ms: int = NOW_MS, *, of: str = "checkout", segment: str = "") -> Request:
    return Request(release=of, variant=variant, time_ms=time_ms, segment=segment)


def response(  # noqa: PLR0913 - one argument a field
    variant: str = "canary",
    time_ms: int = NOW_MS,
    *,
    of: str = "checkout",
    segment: str = "",
    status: int = 200,
    duration_ms: float = 20.0,
    failure: int = 0,
    size: int = 0,
) -> Response:
    return Response(
        release=of, variant=variant, time_ms=time_ms, segment=segment, status=status, duration_ms=duration_ms,
        failure=failure, bytes=size,
    )  # fmt: skip


def outcome(  # noqa: PLR0913 - one argument a field
    variant: str = "canary",
    time_ms: int = NOW_MS,
    *,
    value: float,
    metric: str = "converted",
    of: str = "checkout",
    segment: str = "",
) -> Outcome:
    return Outcome(release=of, variant=variant, segment=segment, time_ms=time_ms, metric=metric, value=value)


def batch(*events: Event, sent_ms: int = 0) -> ColumnBatch:
    return pack(events, publisher="p", seq=0, sent_ms=sent_ms)


def builder(source: int = 0, spec: FoldSpec | None = None) -> PaneBuilder:
    """A builder that places every release into evidence partition 0."""
    return PaneBuilder(source, spec or FoldSpec(), lambda _: 0)


def fed(messages: Iterable[tuple[int, ColumnBatch]], source: int = 0) -> PaneBuilder:
    """A builder that has taken (append time, batch) as messages 0, 1, 2, …"""
    fresh = builder(source)
    for offset, (append_ms, content) in enumerate(messages):
        fresh.update(offset, append_ms, content)
    return fresh


def emitted(of: PaneBuilder) -> Panes:
    """What a builder that places all into one partition emits; the mark is acknowledged."""
    panes, mark = of.emit()
    of.acknowledge(mark)
    assert list(panes) == [0]
    (record,) = panes[0]
    return record


def rows(panes: Panes) -> dict[tuple[str, str, str, int], PaneRow]:
    """The panes of a record by (release, variant, segment, second)."""
    return {(row.key.release, row.key.variant, row.key.segment, row.second): row for row in rows_of(panes)}


def content(
    latency: Mapping[int, int] | None = None,
    values: Mapping[str, tuple[int, int, int]] | None = None,
    **counts: int,
) -> PaneContent:
    """The content of a pane: `latency` by bucket, `counts` by their names in `COUNTS`."""
    cells = np.array([counts.get(name, 0) for name in COUNTS], dtype="<i8")
    assert set(counts) <= set(COUNTS)
    buckets = sorted((latency or {}).items())
    return PaneContent(
        cells[: len(ALWAYS)].tobytes(),
        np.array([bucket for bucket, _ in buckets], dtype="<u2").tobytes(),
        np.array([count for _, count in buckets], dtype="<u4").tobytes(),
        dict(values or {}),
        cells[len(ALWAYS) :].tobytes() if cells[len(ALWAYS) :].any() else b"",
    )


def sketch_of(durations_us: Sequence[int] | npt.NDArray[np.int64]) -> Sketch:
    """A sketch of durations in microseconds."""
    buckets, counts = np.unique(buckets_of(np.array(durations_us, dtype=np.uint32)), return_counts=True)
    sketch = Sketch()
    sketch.add(buckets, counts)
    return sketch
