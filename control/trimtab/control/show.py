"""Releases as a person reads them."""

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from trimtab.control.notation import phase_words, stale_words, time_text
from trimtab.control.release_view import ReleaseView
from trimtab.schemas.decision import Arm, Decision, Phase, Verdict
from trimtab.schemas.sidecar import SidecarReport

_PHASE_STYLE = {
    Phase.PROGRESSING: "cyan",
    Phase.PAUSED: "yellow",
    Phase.FROZEN: "yellow",
    Phase.PROMOTED: "green",
    Phase.ROLLED_BACK: "red",
    Phase.COMPLETED: "green",
}
_VERDICT_STYLE = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}
_NOTHING = "-"


def releases_table(views: Iterable[tuple[str, ReleaseView]], *, is_wide: bool = False) -> Table:
    """Gives one line a release; a wide one also tells its labels, P(best), events, sidecars and age."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    more = ("P(BEST)", "COUNTED", "LATE", "SIDECARS", "DECIDED AT", "LABELS") if is_wide else ()
    for heading in ("NAME", "PHASE", "STRATEGY", "WEIGHTS (bp)", "REVISION", "LAST RULE", *more):
        table.add_column(heading, overflow="fold", no_wrap=heading == "DECIDED AT")
    for name, view in views:
        decision = view.decision
        weights = " ".join(f"{variant}={weight}" for variant, weight in decision.weights.items())
        cells: list[str | Text] = [
            name,
            phase_text(decision),
            decision.strategy,
            weights,
            str(decision.revision),
            decision.rule,
        ]
        table.add_row(*[*cells, *(_wide_cells(view) if is_wide else [])])
    return table


def _wide_cells(view: ReleaseView) -> list[str]:
    decision = view.decision
    best = max(decision.arms, key=lambda arm: arm.probability_best, default=None)
    return [
        f"{best.variant} {best.probability_best:.3f}" if best else _NOTHING,
        str(decision.seen.counted),
        str(decision.seen.late),
        str(len(view.sidecars)),
        time_text(decision.time_ms),
        " ".join(f"{name}={value}" for name, value in view.labels.items()) or _NOTHING,
    ]


def release_panel(view: ReleaseView) -> RenderableType:
    """Gives one release: its arms, what its guardrails say, why, and who follows."""
    decision = view.decision
    head = Text.assemble(
        (decision.release, "bold"), "  ", phase_text(decision), f"  {decision.strategy}  revision {decision.revision}"
        f"  counted {decision.seen.counted}  late {decision.seen.late}  dead-lettered {decision.seen.dead_lettered}",
    )  # fmt: skip
    parts: list[RenderableType] = [head, _arms(decision), *_metrics(decision), *_segments(decision)]
    if decision.assessments:
        parts.append(_assessments(decision))
    parts += [Text(f"because: {reason}") for reason in decision.reasons]
    parts += [Text(f"traffic does not follow: {one.words}", style="red") for one in decision.divergences]
    parts += [
        Text(
            f"sidecar {report.sidecar}: revision {report.in_force[1]} in force"
            + (f", refused {report.offered[1]}: {report.refused}" if report.refused else "")
            + (f"; {stale_words(report)}" if report.stale else ""),
            style=_style(report),
        )
        for report in view.sidecars
    ]
    parts += [Text(f"sidecar {line}", style="yellow") for line in view.unread]
    return Group(*parts)


def sidecars_table(views: Iterable[ReleaseView]) -> Table | None:
    """Gives one line a sidecar and release; None where there is none."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in (
        "RELEASE",
        "SIDECAR",
        "PROXY",
        "IN FORCE",
        "NEWEST",
        "AGE",
        "SHARES (bp)",
        "EVENTS",
        "DROPPED",
        "UNATTRIBUTED",
        "REFUSED",
    ):
        is_number = heading in ("IN FORCE", "NEWEST", "EVENTS", "DROPPED", "UNATTRIBUTED")
        table.add_column(heading, justify="right" if is_number else "left", overflow="fold")
    for view in views:
        for report in view.sidecars:
            table.add_row(
                report.release, report.sidecar, report.proxy, str(report.in_force[1]), str(view.decision.revision),
                _age(report),
                " ".join(f"{variant}={share:g}" for variant, share in report.shares.items()) or _NOTHING,
                str(report.events), str(report.dropped), str(report.unattributed), report.refused or _NOTHING,
                style=_style(report),
            )  # fmt: skip
    return table if table.row_count else None


def _age(report: SidecarReport) -> str:
    if report.age_s is None:
        return _NOTHING
    return f"{report.age_s:.0f} s" + (f", {report.fallback or 'stale'}" if report.stale else "")


def _style(report: SidecarReport) -> str:
    if report.refused:
        return "red"
    return "yellow" if report.stale else ""


def phase_text(decision: Decision) -> Text:
    """Gives where a release stands, or what it waits for, in its colour."""
    is_queued = decision.queued_behind and not decision.phase.is_over
    return Text(phase_words(decision), style="yellow" if is_queued else _PHASE_STYLE[decision.phase])


def _arms(decision: Decision) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("VARIANT", "WEIGHT", "P(BEST)", "MEAN", "RESPONSES", "ERRORS 1m", "P50 ms", "P99 ms"):
        table.add_column(heading, justify="left" if heading == "VARIANT" else "right")
    for arm in decision.arms:
        table.add_row(*_cells(arm), style="dim" if arm.excluded else "")
    return table


def _cells(arm: Arm) -> list[str]:
    return [
        arm.variant,
        f"{arm.weight}",
        f"{arm.probability_best:.3f}",
        f"{arm.mean:.4f}",
        f"{arm.responses}",
        _NOTHING if arm.error_ratio is None else f"{arm.error_ratio:.4f}",
        _NOTHING if arm.p50_ms is None else f"{arm.p50_ms:.1f}",
        _NOTHING if arm.p99_ms is None else f"{arm.p99_ms:.1f}",
    ]


def _metrics(decision: Decision) -> list[Table]:
    """Gives the metrics of the release file; nothing where it has none."""
    names = list(dict.fromkeys(name for arm in decision.arms for name in arm.metrics))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("METRIC 1m")
    for arm in decision.arms:
        table.add_column(arm.variant, justify="right")
    for name in names:
        values = [arm.metrics.get(name) for arm in decision.arms]
        table.add_row(name, *(_NOTHING if value is None else f"{value:.4g}" for value in values))
    return [table] if names else []


def _segments(decision: Decision) -> list[Table]:
    """Gives weight, errors and responses of each variant in each segment; nothing where none is kept apart."""
    names = list(dict.fromkeys(name for arm in decision.arms for name in arm.segments))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("SEGMENT", "VARIANT", "WEIGHT", "RESPONSES", "ERRORS 1m"):
        table.add_column(heading, justify="left" if heading in ("SEGMENT", "VARIANT") else "right")
    for name in names:
        for arm in decision.arms:
            if known := arm.segments.get(name):
                errors = _NOTHING if known.error_ratio is None else f"{known.error_ratio:.4f}"
                table.add_row(name, arm.variant, f"{known.weight}", f"{known.responses}", errors)
    return [table] if names else []


def _assessments(decision: Decision) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("GUARDRAIL", "VARIANT", "VERDICT", "VALUE", "LIMIT", "N", "LN E"):
        table.add_column(heading, justify="left" if heading in ("GUARDRAIL", "VARIANT", "VERDICT") else "right")
    for verdict in decision.assessments:
        value = _NOTHING if verdict.value is None else f"{verdict.value:.4g}"
        table.add_row(
            verdict.guardrail, verdict.variant, Text(verdict.verdict, style=_VERDICT_STYLE[verdict.verdict]),
            value, f"{verdict.limit:g}", str(verdict.n),
            f"{verdict.ln_evidence:.2f}" if verdict.threshold else _NOTHING,
        )  # fmt: skip
    return table
